"""Operators: one file a family, one class an operator. `REGISTRY` maps every spelling to its class."""

from netspec.ops import activation, border, channels, conv, linear, merge, norm, pool, regular, shape
from netspec.ops.base import REGISTRY, Operator

__all__ = [
    "REGISTRY",
    "Operator",
    "activation",
    "border",
    "channels",
    "conv",
    "linear",
    "merge",
    "norm",
    "pool",
    "regular",
    "shape",
]
