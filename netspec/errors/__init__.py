"""Every problem netspec reports, one frozen class each, grouped by what is at fault.

Codes: NS1xx text and syntax, NS2xx names and arguments, NS3xx shapes, NS4xx limits, NS5xx files and
weights, NS6xx back-ends and verification, NS7xx what a spec expects of itself.
"""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules

from netspec.diagnostics import Problem


def load_all() -> None:
    """Imports every module of problems, so that the registry of codes is complete."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


def headline(problem: type[Problem]) -> str:
    """A problem's headline with words for its facts: ``no layer or block is called `<name>` ``."""
    return re.sub(r"\{(\w+)[^}]*\}", r"<\1>", problem.title.replace("{{", "(").replace("}}", ")"))
