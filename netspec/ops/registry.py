"""All operators: importing this module declares every one, and `REGISTRY` maps spellings to them."""

from netspec.ops.arranging import channels, merge, reduce, shape
from netspec.ops.declare.operator import REGISTRY
from netspec.ops.elementwise import activation, arithmetic, norm, regular, response
from netspec.ops.spatial import (
    adaptive,
    border,
    conv,
    historic,
    pixels,
    pool,
    region,
    unpool,
    upsample,
)
from netspec.ops.vectors import attention, linear, product, recurrent, sequence

__all__ = [
    "REGISTRY",
    "activation",
    "adaptive",
    "arithmetic",
    "attention",
    "border",
    "channels",
    "conv",
    "historic",
    "linear",
    "merge",
    "norm",
    "pixels",
    "pool",
    "product",
    "recurrent",
    "reduce",
    "region",
    "regular",
    "response",
    "sequence",
    "shape",
    "unpool",
    "upsample",
]
