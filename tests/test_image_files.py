"""Folders of image files of 16 bits, with alpha, and of mixed kinds."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_ae.datasets import load

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (12, 6, 5)).astype("uint16")
BYTES = RNG.integers(0, 256, (12, 6, 5, 4)).astype("uint8")


def folder(tmp_path, arrays, suffix="png", mode=None):
    tmp_path.mkdir(exist_ok=True)
    for number, array in enumerate(arrays):
        image = Image.fromarray(array)
        (image.convert(mode) if mode else image).save(tmp_path / f"{number:02}.{suffix}")
    return tmp_path


def check(data, expected, atol=1e-7):
    """Whether the parts hold these samples, each once, in whatever order."""
    x = np.concatenate([part.head(len(part))[0] for part in (data.train, data.validation, data.test)])
    assert x.dtype == np.float32 and x.shape == expected.shape
    far = np.abs(x[:, None] - np.asarray(expected)[None]).reshape(len(x), len(x), -1).max(axis=2)
    assert sorted(far.argmin(axis=1)) == list(range(len(x))) and far.min(axis=1).max() <= atol


def png(values):
    """A PNG of 16 bits a value by hand, (h, w, c): Pillow writes none of colour."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = values.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


# 16 bits


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_grey_of_16_bits_is_divided_by_65535(tmp_path, suffix, stream):
    data = load(folder(tmp_path / "deep", DEEP, suffix), stream=stream)
    check(data, DEEP[..., None].astype("float32") / np.float32(65535))
    assert data.info["preprocessing"] == "uint16 / 65535" and data.info["range"] == [0.0, 1.0]


def test_the_bytes_of_a_file_may_stand_in_either_order(tmp_path):
    data = load(folder(tmp_path / "deep", DEEP.astype(">u2"), "tif"))
    check(data, DEEP[..., None].astype("float32") / np.float32(65535))


def test_grey_of_8_bits_beside_16_keeps_its_values(tmp_path):
    folder(tmp_path / "mixed", BYTES[..., 0])
    Image.fromarray(DEEP[0]).save(tmp_path / "mixed" / "deep.png")
    check(load(tmp_path / "mixed"), np.array([*(BYTES[..., 0, None] / 255), DEEP[0][..., None] / 65535]))


def test_16_bits_are_resized_without_rounding_to_8(tmp_path):
    smooth = np.linspace(0, 600, 64).reshape(8, 8).astype("uint16")  # Within three steps of 8 bits.
    x = load(folder(tmp_path / "deep", [smooth] * 5), image_size=4).train.x
    expected = smooth.reshape(4, 2, 4, 2).mean(axis=(1, 3))[1:3, 1:3] / 65535
    np.testing.assert_allclose(x[0, 1:3, 1:3, 0], expected, atol=1 / 65535)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colour_and_alpha_of_16_bits_are_refused(tmp_path, channels):
    (tmp_path / "0.png").write_bytes(png(RNG.integers(0, 65536, (6, 5, channels))))
    with pytest.raises(ValueError, match=r"0\.png has colour or alpha of 16 bits, of which Pillow reads 8.* / 65535"):
        load(tmp_path)


def test_16_bits_beside_colour_are_refused(tmp_path):
    folder(tmp_path / "mixed", BYTES[..., :3])
    Image.fromarray(DEEP[0]).save(tmp_path / "mixed" / "deep.png")
    with pytest.raises(ValueError, match=r"deep\.png has 16 bits, and .*00\.png colour or alpha.*Make them alike"):
        load(tmp_path / "mixed")


def test_32_bits_are_refused(tmp_path):
    for kind, mode in (("int32", "I"), ("float32", "F")):
        with pytest.raises(ValueError, match=rf"00\.tif has (signed values of )?32 bits \(Pillow mode '{mode}'\)"):
            load(folder(tmp_path / kind, [np.ones((6, 5), kind)], "tif"))


def test_an_array_of_16_bits_is_not_scaled():
    data = load(DEEP)
    assert data.info["preprocessing"] == "cast to float32, not scaled" and data.train.x.max() > 60000


# Alpha


def composed(x, colour):
    alpha = x[..., -1:] / 255
    return (x[..., :-1] / 255) * alpha + np.array(colour) / 255 * (1 - alpha)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("alpha", "colour"), [(None, (255, 255, 255)), ("black", (0, 0, 0)), ("#ff8000", (255, 128, 0))]
)
def test_transparent_images_are_composed_on_the_colour(tmp_path, alpha, colour, stream):
    data = load(folder(tmp_path / "clear", BYTES), stream=stream, **({"alpha": alpha} if alpha else {}))
    check(data, composed(BYTES, colour), atol=1.01 / 255)
    assert data.info["preprocessing"] == f"alpha composed on {alpha or 'white'}; uint8 / 255"


def test_grey_with_alpha_stays_grey_on_a_grey(tmp_path):
    path = folder(tmp_path / "clear", BYTES[..., :2])
    with Image.open(path / "00.png") as image:
        assert image.mode == "LA"
    data = load(path, alpha="black")
    check(data, composed(BYTES[..., :2], 0), atol=1.01 / 255)
    assert load(path, alpha="red").input_shape == (6, 5, 3)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_kept(tmp_path, channels):
    data = load(folder(tmp_path / "clear", BYTES[..., :channels]), alpha="keep")
    check(data, BYTES[..., :channels] / np.float32(255))
    assert data.info["preprocessing"] == "alpha kept as the last channel; uint8 / 255"


def test_one_clear_image_makes_alpha_a_channel_of_all(tmp_path):
    folder(tmp_path / "mixed", BYTES[..., :3])
    Image.fromarray(BYTES[0]).save(tmp_path / "mixed" / "clear.png")
    x = load(tmp_path / "mixed", alpha="keep").train.x
    assert x.shape[1:] == (6, 5, 4) and (x[..., 3].reshape(len(x), -1).min(axis=1) == 1).sum() >= len(x) - 1


def test_a_palette_and_a_colour_may_be_clear(tmp_path):
    image = Image.fromarray(BYTES[0, ..., :3]).quantize(8)
    clear = (np.asarray(image) == 3)[..., None]
    for number in range(5):
        image.save(tmp_path / f"{number}.png", transparency=3)
    expected = np.where(clear, (0, 0, 255), np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(load(tmp_path, alpha="blue").train.x[0], (expected / 255).astype("float32"))


def test_opaque_images_are_read_as_ever(tmp_path):
    path = folder(tmp_path / "opaque", BYTES[..., :3])
    for alpha in ("white", "keep"):
        data = load(path, alpha=alpha)
        assert data.info["preprocessing"] == "uint8 / 255" and data.input_shape == (6, 5, 3)


@pytest.mark.parametrize("alpha", ["whiteish", 3, None, ""])
def test_what_is_no_colour_is_refused(alpha):
    with pytest.raises(ValueError, match=f'alpha={alpha!r}: give "keep", or the colour'):
        load("mnist_mini", alpha=alpha)


# What TIFF and PPM may say of their values


def test_turned_files_are_upright_whatever_their_kind(tmp_path):
    tall = np.zeros((20, 8), "uint8")
    tall[:4] = 255
    turned = Image.Exif()
    turned[0x0112] = 6
    for suffix, options in (("jpg", {}), ("png", {}), ("tif", {}), ("tif", {"compression": "tiff_lzw"})):
        path = tmp_path / f"{suffix}{len(options)}"
        path.mkdir()
        for number in range(4):
            Image.fromarray(tall).save(path / f"{number}.{suffix}", exif=turned, **options)
        x = load(path, validation=1).train.x
        assert x.shape[1:] == (8, 20, 1), (suffix, options)
        assert x[0, :, -3:].mean() > 0.9 and x[0, :, :-5].mean() < 0.1, (suffix, options)


def test_16_bits_of_which_0_is_white_are_turned(tmp_path):
    for number in range(4):
        Image.fromarray(DEEP[0]).save(tmp_path / f"{number}.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "0.tif") as image:
        assert image.tag_v2[262] == 0
    x = load(tmp_path, validation=1).train.x
    np.testing.assert_allclose(x[0, ..., 0], 1 - DEEP[0] / 65535, atol=1e-6)


def test_signed_bytes_are_refused(tmp_path):
    Image.fromarray(BYTES[0, ..., 0]).save(tmp_path / "0.tif", tiffinfo={339: 2})
    with pytest.raises(ValueError, match=r"0\.tif has signed values of 8 bits"):
        load(tmp_path)


@pytest.mark.parametrize("greatest", [4095, 65535])
def test_deep_colour_of_ppm_is_refused(tmp_path, greatest):
    values = np.arange(240).astype(">u2").tobytes()
    (tmp_path / "0.ppm").write_bytes(b"P6 8 10 %d\n" % greatest + values)
    with pytest.raises(ValueError, match=r"0\.ppm has colour or alpha of 16 bits"):
        load(tmp_path)
