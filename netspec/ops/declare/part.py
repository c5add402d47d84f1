"""What an operator does step by step, for pictures."""

from __future__ import annotations

from netspec.foundation.records import record


@record
class Part:
    """One step of what an operator does, in words.

    `like` is the word of the operator that does alone what the step does, `input` for a tensor that
    is read. `reads` are the numbers of earlier steps. `each` says in words for each of what it is done,
    where it is done many times side by side.
    """

    text: str
    like: str
    reads: tuple[int, ...] = ()
    each: str = ""
