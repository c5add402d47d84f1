"""torch's recurrent layers for channels-first sequences, (N, C, T)."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor, nn

from netspec.backends.torch.layers import leaf
from netspec.ops.declare.layers import over_channels_first


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
