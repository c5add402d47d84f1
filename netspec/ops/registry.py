"""Every operator by the words for it; the module that declares one is imported when it is asked for.

A net uses a few of the operators, and importing all of them takes as long as checking it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from netspec.ops.declare.operator import DECLARED, Operator
from netspec.ops.words import HOMES


class _Registry(Mapping[str, type[Operator]]):
    """The operators that `words` lists, and any that was declared elsewhere."""

    def __getitem__(self, word: str) -> type[Operator]:
        if word not in DECLARED and word in HOMES:
            import_module(HOMES[word])
        return DECLARED[word]

    def __contains__(self, word: object) -> bool:
        return word in DECLARED or word in HOMES

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*HOMES, *DECLARED)))

    def __len__(self) -> int:
        return len(HOMES.keys() | DECLARED.keys())


REGISTRY = _Registry()
