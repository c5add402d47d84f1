"""What a caller outside a module may use says what it takes, gives and raises."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import netspec
from netspec.diagnostics.records import Problem


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(netspec.__path__, "netspec."):
        if found.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            # What is for another program is read where that is installed.
            if not found.name.startswith("netspec.embedding.") or str(error.name).startswith(
                "netspec"
            ):
                raise


def _public(holder: object, module: ModuleType) -> Iterator[tuple[str, object]]:
    for name, item in vars(holder).items():
        plain = inspect.unwrap(getattr(item, "fget", None) or getattr(item, "__func__", item))
        if hasattr(item, "func"):  # cached_property
            plain = item.func
        here = getattr(plain, "__module__", "") == module.__name__
        if here and not name.startswith("_") and inspect.isroutine(plain) | inspect.isclass(plain):
            yield name, plain


def _silent(module: ModuleType) -> Iterator[str]:
    for name, item in _public(module, module):
        if not inspect.isclass(item):
            if not item.__doc__:
                yield f"{module.__name__}.{name}"
            continue
        own = vars(item).get("__doc__") or ""
        if issubclass(item, Problem):
            own = own or item.explain
        if not own or own == item.__name__:
            yield f"{module.__name__}.{name}"
        for method, _ in _public(item, module):
            # A method that overrides one with a text has that one's.
            if not any(getattr(vars(base).get(method), "__doc__", "") for base in item.__mro__):
                yield f"{module.__name__}.{name}.{method}"


def test_everything_public_has_a_docstring() -> None:
    silent = [name for module in _modules() for name in _silent(module)]
    assert not silent, f"{len(silent)} without: {', '.join(silent)}"


def test_every_folder_says_in_its_first_sentence_what_belongs_there() -> None:
    for module in _modules():
        if hasattr(module, "__path__"):
            assert module.__doc__, module.__name__
