"""The tensors an operator owns, and how they start."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.diagnostics.messages.shapes import SchemeMisfit
from netspec.diagnostics.raised import Rejection
from netspec.foundation.records import record

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@record(slots=False)
class Scheme:
    """How a weight starts. Subclasses say which words name them and draw the numbers."""

    word: ClassVar[str]
    SCHEMES: ClassVar[dict[str, type[Scheme]]] = {}

    def __init_subclass__(cls) -> None:
        if "word" in vars(cls):
            Scheme.SCHEMES[cls.word] = cls

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        """Elements `start` to `start + size` of the weight in C order, as float32."""
        raise NotImplementedError

    @property
    def drawn(self) -> bool:
        """Whether chance decides: what is not drawn is the same from every seed."""
        return True

    def computed(self, torch: Any, weight: Weight) -> Any:
        """The tensor by a function of `netspec.ops.declare.plain`; None where numbers say it better."""
        return None

    def constant(self) -> float | None:
        """The value of every element, for schemes that fill."""
        return None

    def check(self, weight: Weight) -> None:
        """Raises Rejection where the scheme has no meaning for a weight of this shape."""

    def _misfit(self, weight: Weight, reason: str) -> Rejection:
        return Rejection(SchemeMisfit(self.word, "x".join(map(str, weight.shape)), reason))


@record
class Weight:
    """One tensor an operator owns.

    `kind`: `param` is trained, `statistic` is a running statistic. `constant` is fixed by the
    architecture: it follows from `init`, which draws nothing, and no file need hold it. `default` is a
    table that follows from sizes in the same way, but libraries keep theirs beside the weights: the
    numbers of a file that has it are taken.
    `fan_in` and `fan_out` scale its initialisation: how many numbers a unit reads, and how many read
    it; a bias has those of its units. `row_fans` is the fan-in of each row along the first axis, where
    rows differ. The last `window` axes are a window that slides.
    """

    name: str
    shape: tuple[int, ...]
    init: Scheme
    kind: str = "param"
    fan_in: int = 1
    fan_out: int = 1
    row_fans: tuple[int, ...] = ()
    window: int = 0

    def __post_init__(self) -> None:
        self.init.check(self)

    @property
    def known(self) -> bool:
        """Whether the net itself says what it holds: nothing trains it or is asked for it."""
        return self.kind in ("constant", "default")

    @property
    def yields(self) -> bool:
        """Whether other numbers of a file come before those that the net says."""
        return self.kind == "default"

    @property
    def size(self) -> int:
        """How many elements it has."""
        return prod(self.shape)
