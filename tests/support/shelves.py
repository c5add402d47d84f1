"""The shipped specs as the tests go through them.

The lectures' nets and the building blocks are in the plain suite. Of the nets of today's libraries a
few small ones are, chosen so that every kind of step that families are made of is among them; the
rest are `slow`. Every one of them is held to its library's figures: `tests/specs/test_today.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from netspec.syntax.files import shipped_names

LECTURES = shipped_names("lectures")
BLOCKS = shipped_names("blocks")
TODAY = shipped_names("today")
THRIFTY = {"lraspp_mobilenet_v3_large", "mnasnet0_5", "regnet_y_400mf", "squeezenet1_1"}


def shelved(*, blocks: bool = True) -> list[Any]:
    """The names of the shipped specs as the cases of a test."""
    today = [
        name if name in THRIFTY else pytest.param(name, marks=pytest.mark.slow) for name in TODAY
    ]
    return [*LECTURES, *(BLOCKS if blocks else ()), *today]
