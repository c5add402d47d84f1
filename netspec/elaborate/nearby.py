"""What an input may be, where the one it is given is refused: as many axes, or the nearest sizes.

The net is built once more with a symbol for every size of its inputs: what its steps need of those
says which sizes are legal. The nearest are tried before they are named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from netspec.diagnostics.messages import shapes
from netspec.diagnostics.messages.names import UnlikeInput
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.elaborate.inputs import Freed
from netspec.sizes.conditions import Conditions
from netspec.sizes.legal import legality
from netspec.sizes.shapes import batch_first, channels_last

_OF_SIZES = (
    shapes.ElementsDiffer,
    shapes.EmptyOutput,
    shapes.KernelTooLarge,
    shapes.NotDivisible,
    shapes.OutOfRange,
    shapes.PadTooLarge,
    shapes.ShapesDiffer,
)


def with_unlike(
    error: NetspecError,
    inputs: tuple[str, ...],
    given: Callable[[tuple[str, ...]], object],
    free: Callable[[tuple[str, ...], Freed], object],
) -> NetspecError:
    """The error, or that one of `inputs` has as many axes as a net does not take that is right otherwise.

    `given` builds the net with inputs, `free` with symbols for their sizes.
    """
    if not inputs or not _builds(given, ()):
        return error
    declared, asked = Freed(), Freed()
    # What the steps make of the symbols is of no interest: the inputs stand before them.
    _builds(lambda others: free(others, declared), ())
    _builds(lambda others: free(others, asked), inputs)
    wanted = dict(text.split(":") for text in declared.inputs(declared.sizes))
    found = dict(text.split(":") for text in asked.inputs(asked.sizes))
    for name, kind in declared.types.items():
        if name in found and len(asked.types[name].shape) != len(kind.shape):
            axes = len(asked.types[name].shape)
            count = f"{axes} size{'s' if axes > 1 else ''}"
            problem = UnlikeInput(found[name], name, wanted[name], count, len(kind.shape))
            first = error.diagnostics[0]
            return NetspecError(
                (Diagnostic(problem, first.span, (), first.calls),), status=error.status
            )
    return error


def with_nearest(
    error: NetspecError,
    free: Callable[[Freed, Conditions], object],
    given: Callable[[tuple[str, ...]], object],
) -> NetspecError:
    """The error with the nearest legal sizes at the first diagnostic that is about sizes.

    `free` builds the net with symbols for sizes, `given` with other inputs.
    """
    at = next((i for i, d in enumerate(error.diagnostics) if isinstance(d.problem, _OF_SIZES)), -1)
    if at < 0:
        return error
    freed, conditions = Freed(), Conditions()
    try:
        free(freed, conditions)
    except NetspecError as other:
        # A step that needs a fixed size says nothing of which: the nearest are tried below.
        if not all(isinstance(d.problem, shapes.UnknownSize) for d in other.diagnostics):
            return error
    found = tuple(conditions.found)
    # Where another size is left open, what is nearest depends on it.
    if not freed.sizes or any(not c.symbols <= freed.sizes.keys() for c in found):
        return error
    legal = legality(found, freed.sizes)
    if not legal.possible or legal.allows(freed.sizes):
        return error
    near = [freed.inputs(sizes) for sizes in legal.nearest(freed.sizes)]
    shown = [" and ".join(inputs) for inputs in near if _builds(given, inputs)]
    if not shown:
        return error
    now = " and ".join(freed.inputs(freed.sizes))
    note = f"the sizes nearest to {now} that fit: {', '.join(shown)}".replace("input:", "")
    for text in freed.inputs(freed.sizes):
        sizes = text.rpartition(":")[2].split("x")
        whole = [int(size) for size in sizes if size.isdigit()]
        if moved := channels_last(whole):
            asked = "x".join(map(str, moved))
            note = (
                f"sizes stand channels first: {'x'.join(sizes)} has {sizes[0]} channels; {asked}?"
            )
        elif moved := batch_first(whole):
            note = f"sizes are those of one sample, without a batch: {'x'.join(map(str, moved))}?"
    items = list(error.diagnostics)
    items[at] = replace(items[at], note=note)
    return NetspecError(tuple(items), status=error.status, more=error.more)


def _builds(given: Callable[[tuple[str, ...]], object], inputs: tuple[str, ...]) -> bool:
    try:
        given(inputs)
    except NetspecError:
        return False
    return True
