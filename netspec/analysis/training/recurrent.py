"""Recurrent layers: what torch keeps of each step.

On a CPU an LSTM is one kernel of oneDNN's for each layer and direction, with a workspace; whatever else
is written step by step, as torch's `RNN.cpp` has it. On CUDA all are cuDNN's, whose reserve is not
documented: it is taken for the gates and two states of each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.analysis.training.gathering import cat, stack
from netspec.analysis.training.kernels import linear
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
    if tape.device == "cuda":
        steps, rows = x.shape[:2]
        reserve = (steps, rows, (_GATES[kind] + 2) * width)
        return _kernel(tape, x, start, own, tape.fresh(reserve, x.dtype))
    if kind == "LSTM" and "weight_hr" not in own:
        space = tape.fresh((_workspace(x, width),), UINT8)
        if "bias_ih" not in own:
            # Without biases the matrices are copied.
            own = {name: clone(tape, matrix) for name, matrix in own.items()}
        return _kernel(tape, x, start, own, space)
    cell = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}[kind]
    read = linear(tape, x, own["weight_ih"], own.get("bias_ih"))
    outs, state = [], start
    for step in unbind(tape, read, 0):
        state = cell(tape, step, state, own)
        outs.append(state[0])
    return stack(tape, outs, 0), state


def _kernel(
    tape: Tape, x: Tensor, start: list[Tensor], own: Own, space: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """A layer that is one kernel: keeps what it reads and gives, and a space of its own."""
    inputs = [x, *start, *own.values()]
    out = tape.result(inputs, (*x.shape[:2], *start[0].shape[1:]), itself=True)
    ends = [tape.result(inputs, state.shape, itself=True) for state in start]
    if out.needs:
        tape.keep(x, *start, *own.values(), space)
    return out, ends


def _workspace(x: Tensor, width: int) -> int:
    """Bytes of oneDNN's workspace of an LSTM layer that trains, in float32."""
    steps, rows, into = x.shape
    wide = _leading(max(into, width))
    sections = [
        steps * _leading(4 * width),
        steps * _leading(width),
        *[2 * (steps + 1) * wide] * 3,
        *[2 * (steps + 1) * width] * 2,
    ]
    return sum(-(-4 * rows * size // _PAGE) * _PAGE for size in sections)


def _leading(size: int) -> int:
    """oneDNN's step from row to row: whole cache lines, and no multiple of 1024 bytes."""
    lines = -(-size // 16) * 16
    return lines + 16 if lines % 256 == 0 else lines


# --- cells: a step's part of what all steps read, and the state before it


def _read(tape: Tape, state: Tensor, own: Own) -> Tensor:
    return linear(tape, state, own["weight_hh"], own.get("bias_hh"))


def _rnn(tape: Tape, step: Tensor, state: list[Tensor], own: Own) -> list[Tensor]:
    # ReLU keeps its result as tanh does.
    return [tape.call("tanh", add(tape, _read(tape, state[0], own), step))]


def _gru(tape: Tape, step: Tensor, state: list[Tensor], own: Own) -> list[Tensor]:
    (hidden,) = state
    read = _read(tape, hidden, own)
    *_, fresh = chunk(tape, step, 3, 1)
    reset, update, again = chunk(tape, read, 3, 1)
    # Gates are written over what was read; what is multiplied in place is copied first.
    if read.needs:
        tape.keep(reset, update, clone(tape, again))
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
    return [linear(tape, hidden, own["weight_hr"]), cell]

