"""A net and how to draw it, as pages say it: names or a text, and options that are texts."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from html import escape
from inspect import signature
from typing import Any

from netspec.api.net import Net
from netspec.api.picture import Picture, framed
from netspec.api.specs import load
from netspec.diagnostics.arguments import BadChoice, refuse_unknown
from netspec.diagnostics.messages.draw import UnknownChoice
from netspec.draw import draw
from netspec.foundation.records import record

_LENGTH = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?(?:%|px|em|rem|ex|ch|cm|mm|in|pt|pc|vw|vh)?")
# What is said of the net rather than of its picture.
_OF_NETS = ("set", "input")
# The options that a page may give: those of `netspec draw`, and of its specs.
_PICTURES = {name: p for name, p in signature(draw).parameters.items() if name != "graphs"}
OPTIONS = (*_OF_NETS, *_PICTURES)


@record
class Drawn:
    """The nets of a picture and the picture."""

    nets: tuple[Net, ...]
    picture: Picture

    @property
    def alt(self) -> str:
        """What is read out in the picture's place."""
        return ", ".join(repr(net)[len("<Net ") : -1] for net in self.nets)

    def html(self, width: str = "") -> str:
        """The picture as HTML: an image that holds its data, or a frame with a page.

        It is no SVG inside the page: its styles would be those of everything around it. A `width` is a
        length or a share, `60%`; a bare number is pixels. Raises NetspecError.
        """
        if width and not _LENGTH.fullmatch(width):
            raise BadChoice(
                UnknownChoice("width", width, "a length such as 60% or 400px"), status=2
            )
        content = self.picture.content
        if self.picture.format == "html":
            return framed(str(content))
        pixels = "px" if width.isdecimal() else ""
        style = f"max-width:100%;height:auto{f';width:{width}{pixels}' if width else ''}"
        return f'<img src="{self.data}" alt="{escape(self.alt)}" style="{style}">'

    @property
    def data(self) -> str:
        """The picture as a `data:` address."""
        content = self.picture.content
        kind = {"svg": "svg+xml"}.get(self.picture.format or "", self.picture.format)
        raw = content.encode() if isinstance(content, str) else content
        return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"


def drawn(source: str, options: Mapping[str, str], format: str = "svg") -> Drawn:
    """The picture of a spec's text, or of shipped specs and files by their names.

    `options` are those of `netspec draw`, as texts: `{"style": "columns", "depth": "1", "set":
    "classes=10", "input": "3x64x64"}`. Raises NetspecError, with the text of the command line.
    """
    refuse_unknown("netspec", options, OPTIONS)
    text = source.strip("\n")
    names = [text] if any(mark in text.strip() for mark in "\n;{}") else text.split() or [""]
    settings, inputs = settings_of(options)
    return drawn_net(tuple(load(name, input=inputs, **settings) for name in names), options, format)


def drawn_net(nets: tuple[Net, ...], options: Mapping[str, str], format: str = "svg") -> Drawn:
    """The picture of nets, as `drawn`; what `options` say of a spec has been heeded."""
    asked = {key: _value(key, value) for key, value in options.items() if key not in _OF_NETS}
    asked.setdefault("format", format)
    return Drawn(nets, nets[0].draw(*nets[1:], **asked))


def settings_of(options: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A net's parameters and its inputs, as options say them: `set=classes=10`, `input=3x64x64`."""
    pairs = [part.partition("=") for part in _list(options.get("set", ""))]
    return {name: value for name, _, value in pairs}, _list(options.get("input", ""))


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _value(key: str, text: str) -> Any:
    """An option's text as what `draw` takes, which its annotations say."""
    kind = _PICTURES[key].annotation
    if kind == "Sequence[str]":
        return _list(text)
    for name, (allowed, made) in _MADE.items():
        if kind.startswith(name):
            try:
                return made(text)
            except (KeyError, ValueError):
                raise BadChoice(UnknownChoice(key, text, allowed), status=2) from None
    return text


_MADE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "bool": ("yes, no", {"yes": True, "no": False}.__getitem__),
    "int": ("a whole number", int),
    "float": ("a number", float),
}
