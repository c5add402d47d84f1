"""torch's recurrent layers for channels-first sequences, (N, C, T)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from netspec.backends.torch.layers import leaf


class _OverTime:
    """Turns the axes as torch wants them and back; with `last`, gives the final state only."""

    last = False
    bidirectional: bool

    @leaf
    def forward(self, input: Tensor) -> Tensor:
        steps, state = super().forward(input.permute(2, 0, 1))  # type: ignore[misc]
        if not self.last:
            found: Tensor = steps.permute(1, 2, 0)
            return found
        hidden: Tensor = state[0] if isinstance(state, tuple) else state
        return hidden[-2 if self.bidirectional else -1 :].transpose(0, 1).flatten(1)


class LSTM(_OverTime, nn.LSTM):
    """nn.LSTM over (N, C, T)."""


class GRU(_OverTime, nn.GRU):
    """nn.GRU over (N, C, T)."""


class RNN(_OverTime, nn.RNN):
    """nn.RNN over (N, C, T)."""


KINDS: dict[str, type[nn.Module]] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}


def over_time(kind: str, into: int, width: int, *, last: bool, **options: Any) -> nn.Module:
    """The recurrent module of a kind: `LSTM`, `GRU` or `RNN`."""
    module = KINDS[kind](into, width, **options)
    module.last = last  # type: ignore[assignment]
    return module
