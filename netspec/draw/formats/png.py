"""SVG as PNG, by resvg."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.resources import as_file

from netspec.draw.metrics import FAMILY, font_path, is_drawable
from netspec.system.extras import need


def png(svg: str, scale: float = 2) -> bytes:
    """The picture at `scale` times its size in points; NetspecError(status=3) without resvg.

    Text is drawn in the shipped fonts, so the bytes are the same on every machine. What these lack,
    as Chinese, comes from the fonts of the machine.
    """
    resvg = need("resvg_py", "a PNG", ", or draw svg or tikz, which need nothing")
    with ExitStack() as opened:
        paths = [opened.enter_context(as_file(font_path(bold=bold))) for bold in (False, True)]
        drawn = resvg.svg_to_bytes(
            svg_string=svg,
            zoom=scale,
            skip_system_fonts=is_drawable(svg.replace("\n", "")),
            font_files=[str(path) for path in paths],
            font_family=FAMILY,
            sans_serif_family=FAMILY,
        )
    return bytes(drawn)
