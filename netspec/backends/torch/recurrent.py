"""torch's recurrent layers for channels-first sequences, (N, C, T)."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor, nn

from netspec.backends.torch.layers import leaf


class _OverTime:
    """Turns the axes as torch wants them and back; states are vectors, (N, layers x directions x H).

    With `last`, gives the final state of the last layer only; with `several`, the final states too.
    """

    last = False
    several = False
    bidirectional: bool
    num_layers: int

    @leaf
    def forward(self, input: Tensor, *states: Tensor) -> Any:
        shape = (self.num_layers, self.bidirectional, self.last, self.several)
        return over_channels_first(super().forward, shape, input, *states)  # type: ignore[misc]


def over_channels_first(
    layer: Any, shape: tuple[int, bool, bool, bool], input: Any, *states: Any
) -> Any:
    """What torch's layer gives for a sequence (N, C, T) or a step (N, C), and states as vectors.

    `shape` says how many layers it has, whether of both directions, and whether it gives the `last`
    state only and the final states too.
    """
    layers, both, last, several = shape
    parts = layers * (2 if both else 1)
    step = input.dim() == 2
    sequence = (input.unsqueeze(2) if step else input).permute(2, 0, 1)
    start = tuple(
        state.reshape(state.shape[0], parts, -1).transpose(0, 1).contiguous() for state in states
    )
    steps, final = layer(sequence, *((start,) if len(start) > 1 else start))
    finals = final if isinstance(final, tuple) else (final,)
    ending = _vector(finals[0][-2 if both else -1 :]) if last or step else None
    found = steps.permute(1, 2, 0) if ending is None else ending
    return (found, *(_vector(state) for state in finals)) if several else found


def _vector(state: Any) -> Any:
    """A state of torch's, (layers x directions, N, H), as one vector for each sample."""
    return state.transpose(0, 1).flatten(1)


class LSTM(_OverTime, nn.LSTM):
    """nn.LSTM over (N, C, T)."""


class ProjectedLSTM(LSTM):
    """The same, projected: torch warns that oneDNN has none, and computes it without."""

    @leaf
    def forward(self, input: Tensor, *states: Tensor) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LSTM with projections", UserWarning)
            return super().forward(input, *states)


class GRU(_OverTime, nn.GRU):
    """nn.GRU over (N, C, T)."""


class RNN(_OverTime, nn.RNN):
    """nn.RNN over (N, C, T)."""


KINDS: dict[str, type[nn.Module]] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}


def over_time(
    kind: str, into: int, width: int, *, last: bool, several: bool, **options: Any
) -> nn.Module:
    """The recurrent module of a kind: `LSTM`, `GRU` or `RNN`."""
    made = ProjectedLSTM if options.get("proj_size") else KINDS[kind]
    module = made(into, width, **options)
    module.last, module.several = last, several  # type: ignore[assignment]
    return module
