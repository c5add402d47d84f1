"""Recurrent layers: what torch keeps of each step.

On a CPU an LSTM is one kernel of oneDNN's for each layer and direction, with a workspace; whatever else
is written step by step, as torch's `RNN.cpp` has it. On CUDA all are cuDNN's, whose reserve is not
documented: it is taken for the gates and two states of each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.analysis.training.gathering import cat, stack
from netspec.analysis.training.known import known
from netspec.analysis.training.pointwise import add, mul
from netspec.analysis.training.tensors import UINT8, Tape, Tensor
from netspec.analysis.training.views import as_contiguous, chunk, clone, unbind

Own = Mapping[str, Tensor]
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_PAGE = 4096


@known("recurrent")
def recurrent(
    tape: Tape,
    x: Tensor,
    states: Any,
    own: Own,
    kind: str,
    width: int,
    layers: int,
    both: bool,
) -> tuple[Tensor, Any]:
    """`torch.nn.LSTM`, `GRU` or `RNN` over (T, N, C): all steps, and the final state or two."""
    projected = own.get("weight_hr_l0")
    widths = [projected.shape[0] if projected is not None else width, width]
    count = layers * (2 if both else 1)
    given = states if isinstance(states, tuple) else (states,)
    starts = [
        given[i] if i < len(given) else tape.fresh((count, x.shape[1], widths[i]), x.dtype)
        for i in range(2 if kind == "LSTM" else 1)
    ]
    finals: list[list[Tensor]] = []
    steps = x
    for layer in range(layers):
        outs = []
        fused = tape.device == "cuda" or (kind == "LSTM" and projected is None)
        steps = as_contiguous(tape, steps) if fused else steps
        for ending in ("", "_reverse")[: 1 + both]:
            at = len(finals)
            start = [unbind(tape, state, 0)[at] for state in starts]
            own_here = _named(own, f"l{layer}{ending}")
            out, final = _direction(tape, steps, start, own_here, kind, width)
            outs.append(out)
            finals.append(final)
        steps = outs[0] if len(outs) == 1 else cat(tape, outs, -1)
    ends = [stack(tape, list(parts), 0) for parts in zip(*finals, strict=True)]
    return steps, (tuple(ends) if len(ends) > 1 else ends[0])


def _named(own: Own, suffix: str) -> dict[str, Tensor]:
    """A direction's tensors by what they are: `weight_ih`."""
    end = f"_{suffix}"
    return {name.removesuffix(end): t for name, t in own.items() if name.endswith(end)}


def _direction(
    tape: Tape, x: Tensor, start: list[Tensor], own: Own, kind: str, width: int
) -> tuple[Tensor, list[Tensor]]:
    if tape.device == "cuda" or (kind == "LSTM" and "weight_hr" not in own):
        matrices = [own["weight_ih"], own["weight_hh"]]
        # Without biases, zeros of the matrices' sizes take their place.
        biases = [own.get(f"bias_{part}") for part in ("ih", "hh")]
        added = [
            tape.fresh(matrix.shape) if bias is None else bias
            for matrix, bias in zip(matrices, biases, strict=True)
        ]
        space = (kind, _GATES[kind], width)
        name = "_cudnn_rnn" if tape.device == "cuda" else "mkldnn_rnn_layer"
        found: tuple[Tensor, list[Tensor]] = tape.call(name, x, start, (*matrices, *added), space)
        return found
    cell = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}[kind]
    read = tape.call("linear", x, own["weight_ih"], own.get("bias_ih"))
    outs, state = [], start
    for step in unbind(tape, read, 0):
        state = cell(tape, step, state, own)
        outs.append(state[0])
    return stack(tape, outs, 0), state


@known("mkldnn_rnn_layer", "_cudnn_rnn")
def _kernel(
    tape: Tape,
    x: Tensor,
    start: list[Tensor],
    own: tuple[Tensor, ...],
    space: tuple[str, int, int],
) -> tuple[Tensor, list[Tensor]]:
    """A layer that is one kernel: keeps what it reads and gives, and a space of its own."""
    _, gates, width = space
    inputs = [x, *start, *own]
    out = tape.result(inputs, (*x.shape[:2], *start[0].shape[1:]), itself=True)
    ends = [tape.result(inputs, state.shape, itself=True) for state in start]
    if out.needs:
        if tape.device == "cuda":
            room = tape.fresh((*x.shape[:2], (gates + 2) * width), x.dtype)
        else:
            room = tape.fresh((workspace(x, width),), UINT8)
        tape.keep(*inputs, room)
    return out, ends


def workspace(x: Tensor, width: int) -> int:
    """Bytes of oneDNN's workspace of an LSTM layer that trains."""
    steps, rows, into = x.shape
    wide, size = max(into, width), x.dtype.size
    # Gates and what leaves each step; then states before, between and after steps, and their gradients.
    sections = [
        steps * _row(4 * width, size),
        steps * _row(width, size),
        2 * (steps + 1) * _row(wide, size),
        *[2 * (steps + 1) * _row(wide, 4)] * 2,
        2 * (steps + 1) * width * size,
        2 * (steps + 1) * width * 4,
    ]
    return sum(-(-rows * section // _PAGE) * _PAGE for section in sections)


def _row(width: int, size: int) -> int:
    """Bytes from row to row in oneDNN: whole cache lines, and no multiple of 256 numbers."""
    line = 64 // size
    numbers = -(-width // line) * line
    return (numbers + line if numbers % 256 == 0 else numbers) * size


# --- cells: a step's part of what all steps read, and the state before it


def _read(tape: Tape, state: Tensor, own: Own) -> Tensor:
    read: Tensor = tape.call("linear", state, own["weight_hh"], own.get("bias_hh"))
    return read


def _rnn(tape: Tape, step: Tensor, state: list[Tensor], own: Own) -> list[Tensor]:
    # ReLU keeps its result as tanh does.
    return [tape.call("tanh", add(tape, _read(tape, state[0], own), step))]


def _gru(tape: Tape, step: Tensor, state: list[Tensor], own: Own) -> list[Tensor]:
    (hidden,) = state
    read = _read(tape, hidden, own)
    *_, fresh = chunk(tape, step, 3, 1)
    # Gates are written over what was read; what is multiplied in place is copied first.
    read.needs = read.needs or step.needs
    _, update, again = chunk(tape, read, 3, 1)
    if read.needs:
        tape.keep(read, clone(tape, again))
    made = tape.call("tanh", add(tape, fresh, again))
    rest = add(tape, hidden, made)
    return [add(tape, mul(tape, clone(tape, rest), update), made)]


def _lstm(tape: Tape, step: Tensor, state: list[Tensor], own: Own) -> list[Tensor]:
    hidden, cell = state
    gates = add(tape, _read(tape, hidden, own), step)
    into, forget, fresh, out = chunk(tape, gates, 4, 1)
    if gates.needs:
        tape.keep(gates)
    cell = add(tape, mul(tape, forget, cell), mul(tape, into, fresh))
    hidden = mul(tape, out, tape.call("tanh", cell))
    return [tape.call("matmul", hidden, own["weight_hr"].T), cell]
