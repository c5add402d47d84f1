"""The way back: gradients come and go while what was kept is freed."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.analysis.training.tensors import Tape, Tensor


def most_alive(tape: Tape, outputs: Iterable[Tensor]) -> tuple[int, str]:
    """The most bytes alive from the end of forward on, without the net's own, and in which step.

    Gradients of parameters stay, those of other tensors go when the function that made the tensor has
    been gone back through, and what was kept goes when the first function that keeps it has. Outputs are
    held by who called. Memory of kernels is not counted.
    """
    held = list(outputs)
    given = {tensor.storage.number for tensor in held}
    size = {
        store.number: store.bytes
        for store in tape.kept
        if not store.own and store.number not in given
    }
    last: dict[int, int] = {}
    for at, move in enumerate(tape.moves):
        for number in move.kept:
            last.setdefault(number, at)
    gradients = {tensor.storage.number: tensor.storage.bytes for tensor in held if tensor.needs}
    alive = tape.alive + sum(gradients.values())
    most = (alive, tape.place)
    for at in reversed(range(len(tape.moves))):
        move = tape.moves[at]
        made = gradients.pop(move.makes, None)
        if made is None:
            continue
        for number, amount, whole, own in move.reads:
            # A gradient of what was expanded is there until it is added up, a second one of a tensor
            # until it is added to the first; of a whole parameter both are while their sum is made.
            extra = whole if whole > amount else 0
            if number in gradients:
                extra = extra or amount * (1 + (own and whole == amount))
            else:
                gradients[number] = amount
                alive += amount
            if alive + extra > most[0]:
                most = (alive + extra, move.place)
        alive -= made
        for number in move.kept:
            if last.get(number) == at:
                alive -= size.pop(number, 0)
    return most
