"""Did you mean."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# Words of other languages for what is spelt differently here.
ELSEWHERE = {
    "activation": "name the activation itself: relu, tanh, ...",
    "cat": "it is spelt `concat`",
    "conv1d": "it is spelt `conv`, for any number of axes",
    "conv2d": "it is spelt `conv`, for any number of axes",
    "conv3d": "it is spelt `conv`, for any number of axes",
    "convtranspose": "it is spelt `deconv`",
    "dense": "it is spelt `fc`",
    "fork": "braces alone fork: `{ | a | b }`",
    "globalavgpool": "it is spelt `gap`",
    "repeat": "write a repeat behind the step: `conv3-64 x3`, or `for i in 1..3 { ... }`",
    "resize": "it is spelt `upsample`",
    "separable": "write it as a block: `dwconv3; conv1-n`",
    "skip": "use `residual { ... }`, or `add(@name)`",
}

# Arguments as other libraries call them; suggested where the one meant exists.
_ARGUMENTS = {
    "activation": "act",
    "dilation_rate": "dilation",
    "filters": "width",
    "kernel_size": "kernel",
    "num_groups": "groups",
    "out_channels": "width",
    "out_features": "width",
    "padding": "pad",
    "strides": "stride",
    "units": "width",
    "use_bias": "bias",
}


class _Budget:
    """Comparisons left before words are no longer compared, so that many mistakes cost little."""

    ALLOWED = 100_000
    left = ALLOWED


def renew_budget() -> None:
    _Budget.left = _Budget.ALLOWED


def closest(word: str, known: Iterable[str]) -> str:
    """The one to three known words nearest to `word`, quoted and joined; empty if none is near."""
    names = sorted(set(known))
    _Budget.left -= len(names)
    if _Budget.left < 0:
        return ""
    meant = _ARGUMENTS.get(word)
    near = [meant] if meant in names else get_close_matches(word, names, n=3, cutoff=0.7)
    if not near:
        near = [name for name in names if name.lower() == word.lower()]
    return " or ".join(f"`{name}`" for name in near)
