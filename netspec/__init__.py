"""netspec: say what a neural network is in a few lines; check it, compile it, run it, draw it."""

from __future__ import annotations

from netspec.foundation.version import __version__

# Not from `typing`, which takes longer to load than all else that the command loads first.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netspec.api.models import diff, from_onnx, from_torch
    from netspec.api.net import Net
    from netspec.api.picture import Picture
    from netspec.api.specs import Variants, load, space, sweep, variants
    from netspec.backends.torch.blocks import recompute_blocks, sharding_units
    from netspec.backends.torch.groups import param_groups
    from netspec.diagnostics.limits import Limits
    from netspec.diagnostics.raised import NetspecError
    from netspec.diagnostics.records import Diagnostic
    from netspec.graph.checked import Graph
    from netspec.syntax.files import shipped_names
    from netspec.syntax.fmt import format_text

# Names are found when they are first asked for, so that importing the package costs nothing.
_HOMES = {
    "Diagnostic": "netspec.diagnostics.records",
    "Graph": "netspec.graph.checked",
    "Limits": "netspec.diagnostics.limits",
    "Net": "netspec.api.net",
    "NetspecError": "netspec.diagnostics.raised",
    "Picture": "netspec.api.picture",
    "diff": "netspec.api.models",
    "format_text": "netspec.syntax.fmt",
    "from_onnx": "netspec.api.models",
    "from_torch": "netspec.api.models",
    "load_ipython_extension": "netspec.embedding.notebook",
    "load": "netspec.api.specs",
    "param_groups": "netspec.backends.torch.groups",
    "recompute_blocks": "netspec.backends.torch.blocks",
    "sharding_units": "netspec.backends.torch.blocks",
    "shipped_names": "netspec.syntax.files",
    "space": "netspec.api.specs",
    "sweep": "netspec.api.specs",
    "Variants": "netspec.api.specs",
    "variants": "netspec.api.specs",
}

__all__ = [
    "Diagnostic",
    "Graph",
    "Limits",
    "Net",
    "NetspecError",
    "Picture",
    "Variants",
    "__version__",
    "diff",
    "format_text",
    "from_onnx",
    "from_torch",
    "load",
    "param_groups",
    "recompute_blocks",
    "sharding_units",
    "shipped_names",
    "space",
    "sweep",
    "variants",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'netspec' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
