"""SVG as PNG, by resvg."""

from __future__ import annotations

from netspec.system.extras import need

_ZOOM = 2


def png(svg: str) -> bytes:
    """The picture at twice its size, for sharp slides; NetspecError(status=3) without resvg."""
    resvg = need("resvg_py", "a PNG", ", or draw svg or pdf, which need nothing")
    return bytes(resvg.svg_to_bytes(svg_string=svg, zoom=_ZOOM))
