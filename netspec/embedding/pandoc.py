"""A filter for Pandoc and Quarto: code blocks of the class `netspec` become pictures.

    pandoc --filter netspec-pandoc page.md -o page.html

In Quarto's front matter it is `filters: [netspec-pandoc]`. A block holds a spec, or names of shipped
ones; its attributes are options of `netspec draw`, `width` and `caption`. Pages get an image that holds
its data, LaTeX a PDF file and all else a PNG file in the folder `netspec-pictures`. Pandoc is 3 or later.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from netspec.diagnostics.raised import NetspecError
from netspec.embedding.drawn import Drawn, drawn

FOLDER = Path("netspec-pictures")
_PAGES = ("html", "revealjs", "slidy", "s5", "dzslides", "slideous", "epub", "markdown", "gfm")


def main() -> None:
    """Reads a document from standard input and writes it with its pictures; exits with 1 at a wrong spec."""
    target = sys.argv[1] if len(sys.argv) > 1 else "html"
    document = json.load(sys.stdin)
    try:
        json.dump(_filtered(document, target), sys.stdout)
    except NetspecError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def _filtered(value: Any, target: str) -> Any:
    """The document with its blocks replaced, however deep they stand."""
    if isinstance(value, list):
        return [_filtered(item, target) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("t") == "CodeBlock":
        (identifier, classes, pairs), text = value["c"]
        if "netspec" in (name.strip("{}.") for name in classes):
            return _picture(identifier, dict(pairs), text, target)
    return {key: _filtered(item, target) for key, item in value.items()}


def _picture(identifier: str, options: dict[str, str], text: str, target: str) -> Any:
    width = options.pop("width", "")
    caption = options.pop("caption", options.pop("fig-cap", ""))
    form = "svg" if target.startswith(_PAGES) else "png"
    found = drawn(text, options, "pdf" if target in ("latex", "beamer", "pdf") else form)
    if found.picture.format == "html":
        return {"t": "RawBlock", "c": ["html", found.html()]}
    where = found.data if form == "svg" else _written(found)
    size = [["width", width]] if width else []
    own = ["" if caption else identifier, [], size]
    image = {"t": "Image", "c": [own, [{"t": "Str", "c": found.alt}], [where, ""]]}
    if not caption:
        return {"t": "Para", "c": [image]}
    said = [None, [{"t": "Plain", "c": [{"t": "Str", "c": caption}]}]]
    return {"t": "Figure", "c": [[identifier, [], []], said, [{"t": "Plain", "c": [image]}]]}


def _written(found: Drawn) -> str:
    content = found.picture.content
    raw = content.encode() if isinstance(content, str) else content
    FOLDER.mkdir(exist_ok=True)
    name = hashlib.sha256(raw).hexdigest()[:16]
    path = FOLDER / f"{found.nets[0].name}-{name}.{found.picture.format}"
    path.write_bytes(raw)
    return path.as_posix()
