"""SVG as PNG, by resvg."""

from __future__ import annotations

from netspec.diagnostics.messages.backends import NotInstalled
from netspec.diagnostics.records import NetspecError

_ZOOM = 2


def png(svg: str) -> bytes:
    """The picture at twice its size, for sharp slides; NetspecError(status=3) without resvg."""
    try:
        import resvg_py
    except ImportError:
        advice = "pip install 'netspec-networks[png]', or draw svg or pdf, which need nothing"
        raise NetspecError(NotInstalled("a PNG", "resvg-py", advice), status=3) from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=_ZOOM))
