"""Every code there is, for `netspec explain` and the reference page."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules

from netspec.diagnostics import messages
from netspec.diagnostics.records import Problem


def load_all() -> None:
    """Imports every module of problems, so that the registry of codes is complete."""
    for module in iter_modules(messages.__path__):
        import_module(f"{messages.__name__}.{module.name}")


def headline(problem: type[Problem]) -> str:
    """A problem's headline with words for its facts: ``no layer or block is called `<name>` ``."""
    return re.sub(r"\{(\w+)[^}]*\}", r"<\1>", problem.title.replace("{{", "(").replace("}}", ")"))
