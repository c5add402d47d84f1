"""What is installed: the packages that a command may need, and the extra that brings each."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from netspec.diagnostics.messages.backends import CannotLoad, NotInstalled
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable


class CannotImport(NetspecError, ImportError):
    """What is optional is not there: for those too who catch what Python raises of a missing module."""


# Module to its package and the extra in pyproject.toml that installs it.
_PACKAGES = {
    "PIL": ("pillow", "run"),
    "matplotlib": ("matplotlib", "charts"),
    "model_signing": ("model-signing", "sign"),
    "onnxruntime": ("ONNX Runtime", "run"),
    "pyarrow": ("PyArrow", "tables"),
    "ray": ("Ray", "ray"),
    "reportlab": ("ReportLab", "pdf"),
    "resvg_py": ("resvg-py", "png"),
    "torch": ("PyTorch", "torch"),
}


def need(module: str, what: str, otherwise: str = "") -> Any:
    """The module, which `what` cannot do without; `otherwise` says what else would do.

    Raises CannotImport, a NetspecError of status 3, which names the extra to install, or says why what is
    installed cannot be loaded.
    """
    package, extra = _PACKAGES[module]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            raise CannotImport(NotInstalled(what, package, extra, otherwise), status=3) from None
        raise _cannot_load(what, package, error) from None
    except (ImportError, OSError) as error:  # a library of the system's that is missing
        raise _cannot_load(what, package, error) from None


def _cannot_load(what: str, package: str, error: Exception) -> CannotImport:
    reason = printable((str(error).splitlines() or [type(error).__name__])[0])
    return CannotImport(CannotLoad(what, package, reason), status=3)
