"""netspec: say what a neural network is in a few lines; check it, compile it, run it, draw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from netspec.api import Net, Picture, load
    from netspec.diagnostics import Diagnostic, NetspecError
    from netspec.files import shipped_names
    from netspec.fmt import format_text
    from netspec.graph import Graph
    from netspec.limits import Limits

# Names are found when they are first asked for, so that importing the package costs nothing.
_HOMES = {
    "Diagnostic": "netspec.diagnostics",
    "Graph": "netspec.graph",
    "Limits": "netspec.limits",
    "Net": "netspec.api",
    "NetspecError": "netspec.diagnostics",
    "Picture": "netspec.api",
    "format_text": "netspec.fmt",
    "load": "netspec.api",
    "shipped_names": "netspec.files",
}

__all__ = [
    "Diagnostic",
    "Graph",
    "Limits",
    "Net",
    "NetspecError",
    "Picture",
    "__version__",
    "format_text",
    "load",
    "shipped_names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'netspec' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
