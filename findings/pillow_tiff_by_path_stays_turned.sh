#!/usr/bin/env bash
# Pillow turns a TIFF file upright as its orientation says, but not one without compression that is opened by its path.
#
# Pillow 13.0.0. Image.open gives the size after the turn for all TIFF files; loading then turns the values and drops the
# orientation. The same bytes, 8 wide and 20 high with orientation 6, are 20 wide and 8 high when opened as a stream, and
# when compressed (LZW) by path, too. Uncompressed by path, where Pillow maps the file into memory, the size is (20, 8)
# before the load and (8, 20) after it, the values are as they lie, and ImageOps.exif_transpose changes nothing more, as
# the orientation is gone. Whoever reads headers for the size and values later gets two answers.
# Output seen:
#   stream (20, 8) -> (20, 8); path (20, 8) -> (8, 20); path, LZW (20, 8) -> (20, 8)
# Fails when the path without compression is turned, or when the others are not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from PIL import Image, ImageOps

tall = np.zeros((20, 8), "uint8")
tall[:4] = 255
turned = Image.Exif()
turned[0x0112] = 6


def sizes(source):
    with Image.open(source) as image:
        before = image.size
        return before, ImageOps.exif_transpose(image).size


Image.fromarray(tall).save("plain.tif", exif=turned)
Image.fromarray(tall).save("lzw.tif", exif=turned, compression="tiff_lzw")
with open("plain.tif", "rb") as file:
    stream = sizes(file)
path, lzw = sizes("plain.tif"), sizes("lzw.tif")
print("; ".join(f"{name} {a} -> {b}" for name, (a, b) in {"stream": stream, "path": path, "path, LZW": lzw}.items()))
assert stream == lzw == ((20, 8), (20, 8))
assert path == ((20, 8), (8, 20)), "an uncompressed file is turned by its path, too, now"
PYTHON
