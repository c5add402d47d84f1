"""What whoever writes steps can do, for those that it asks for help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from netspec.importing.files.program import Array
from netspec.importing.recognise.steps import Wire
from netspec.importing.recognise.views import Axes, View


class Steps(Protocol):
    """Writes steps one after another."""

    def step(
        self,
        head: str,
        inputs: Sequence[Wire],
        shape: Sequence[int],
        *given: str,
        named: Mapping[str, Wire] | None = None,
        weights: Mapping[str, Array] | None = None,
        outputs: int = 1,
        shared: bool = False,
        cuts: tuple[Any, ...] | None = None,
    ) -> Wire:
        """Adds a step; its value, of these sizes, cut as what it reads if that is not said."""

    def flowing(self) -> Wire:
        """A value with a row for each sample that is of numbers."""

    def parameter(self, array: Array, like: Wire | None = None, of: str = "") -> Wire:
        """A step that gives these trained numbers; `of` tells equal ones of different origins apart."""

    def arranged(self, view: View, target: Axes) -> View:
        """The view on a value whose axes are `target`."""
