"""Files of the repository that the documents link to, `../benchmarks/...` and the like, as part of the site.

MkDocs takes this file as a hook (`mkdocs.yml`). A link out of `docs/` is right where the repository is read; on the
site what it leads to lies beside the documents.
"""

import re
from pathlib import Path

from mkdocs.structure.files import File, Files

OUT = re.compile(r"\]\(\.\./([^)#\s]+)")
ROOT = Path(__file__).parents[1]


def on_files(files: Files, *, config) -> Files:
    """Add every file that a document links to, and what those name in turn."""
    waiting = [path for file in files.documentation_pages() for path in OUT.findall(file.content_string)]
    while waiting:
        path = waiting.pop()
        if files.get_file_from_path(path) is None and (ROOT / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
            if path.endswith(".md"):
                text = (ROOT / path).read_text()
                waiting += [str(Path(path).parent / name) for name in re.findall(r"\]\((\w[\w.]+)\)", text)]
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Let links out of `docs/` lead to these files; MkDocs says which of them are not there."""
    return OUT.sub(r"](\1", markdown)
