"""Every problem netspec reports, one frozen class each, grouped by what is at fault.

Codes: NS1xx text and syntax, NS2xx names and arguments, NS3xx shapes, NS4xx limits, NS5xx files and
weights, NS6xx back-ends and verification, NS7xx what a spec expects of itself.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules


def load_all() -> None:
    """Imports every module of problems, so that the registry of codes is complete."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
