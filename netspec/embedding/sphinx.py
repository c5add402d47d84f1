"""A directive for Sphinx: `extensions = ["netspec.embedding.sphinx"]`, then `.. netspec:: resnet50`.

    .. netspec:: vgg19 resnet34
       :style: columns
       :caption: Nineteen and thirty-four layers

    .. netspec::
       :depth: 1

       input 3x32x32
       conv3-16 x2; gap; fc-10

The picture is a file, SVG in pages and PDF in LaTeX.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from netspec.diagnostics.raised import NetspecError
from netspec.embedding.drawn import OPTIONS, Drawn, drawn
from netspec.foundation.version import __version__
from netspec.system.atomic import replacing

_FORMATS = {"latex": "pdf"}


class NetspecDirective(SphinxDirective):  # type: ignore[misc]
    """The picture of specs that are named, or of the one that the directive holds."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        **dict.fromkeys(OPTIONS, directives.unchanged_required),
        **dict.fromkeys(("caption", "alt"), directives.unchanged_required),
        "width": directives.length_or_percentage_or_unitless,
        "align": lambda given: directives.choice(given, ("left", "center", "right")),
        "name": directives.unchanged,
        "class": directives.class_option,
    }

    def run(self) -> list[nodes.Node]:
        """The image, in a figure where it has a caption."""
        source = self.arguments[0] if self.arguments else "\n".join(self.content)
        if bool(self.arguments) == bool(self.content):
            raise self.error("netspec takes names of specs, or a spec below it")
        given = {key: value for key, value in self.options.items() if key in OPTIONS}
        form = _FORMATS.get(self.env.app.builder.format, "svg")
        try:
            found = drawn(_located(source, self.env.srcdir), given, form)
        except NetspecError as error:
            raise self.error(str(error)) from None
        for net in found.nets:
            for file in net.graph.files:
                self.env.note_dependency(str(file))
        if found.picture.format == "html":
            return [nodes.raw("", found.html(), format="html")]
        return [self._shown(found)]

    def _shown(self, found: Drawn) -> nodes.Element:
        uri = "/" + os.path.relpath(self._written(found), self.env.srcdir)
        image = nodes.image(uri=uri, alt=self.options.get("alt", found.alt))
        image["classes"] += self.options.get("class", [])
        for key in ("width", "align"):
            if key in self.options:
                image[key] = self.options[key]
        shown: nodes.Element = image
        if "caption" in self.options:
            parsed, messages = self.state.inline_text(self.options["caption"], self.lineno)
            shown = nodes.figure("", image, nodes.caption("", "", *parsed), *messages)
        self.set_source_info(shown)
        self.add_name(shown)
        return shown

    def _written(self, found: Drawn) -> Path:
        """A file of the picture, named by what it holds."""
        content = found.picture.content
        raw = content.encode() if isinstance(content, str) else content
        folder = Path(self.env.doctreedir) / "netspec"
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(raw).hexdigest()[:16]
        path = folder / f"{found.nets[0].name}-{name}.{found.picture.format}"
        if not path.exists():
            with replacing(path) as file:
                file.write(raw)
        return path


def _located(source: str, folder: str | Path) -> str:
    """Names of files as those beside the pages."""
    if "\n" in source or not source.endswith(".ns"):
        return source
    return str(Path(folder) / source)


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("netspec", NetspecDirective)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
