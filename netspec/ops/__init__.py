"""Operators: one file a family, one class an operator. `REGISTRY` maps every spelling to its class."""

from netspec.ops import (
    activation,
    arithmetic,
    border,
    channels,
    conv,
    linear,
    merge,
    norm,
    pool,
    recurrent,
    region,
    regular,
    response,
    sequence,
    shape,
    unpool,
)
from netspec.ops.base import REGISTRY, Operator

__all__ = [
    "REGISTRY",
    "Operator",
    "activation",
    "arithmetic",
    "border",
    "channels",
    "conv",
    "linear",
    "merge",
    "norm",
    "pool",
    "recurrent",
    "region",
    "regular",
    "response",
    "sequence",
    "shape",
    "unpool",
]
