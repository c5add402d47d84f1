"""What torch's modules are made with, as their constructors say."""

from __future__ import annotations

import inspect
from functools import cache

from torch import nn

from netspec.backends.torch.source.code import Signature

_DEVICE = {"device", "dtype", "inplace"}


@cache
def signature_of(name: str) -> Signature:
    """The parameters of a module of `torch.nn`, without where it lies."""
    kind = getattr(nn, name)
    recurrent = issubclass(kind, nn.RNNBase)
    params = inspect.signature(nn.RNNBase.__init__ if recurrent else kind.__init__).parameters
    left = {"self", "mode", *_DEVICE} | ({"proj_size"} if recurrent and name != "LSTM" else set())
    pairs = [
        (key, ... if param.default is param.empty else param.default)
        for key, param in params.items()
        if key not in left and param.kind is param.POSITIONAL_OR_KEYWORD
    ]
    if name == "RNN":
        pairs.append(("nonlinearity", "tanh"))
    return Signature(tuple(pairs), sum(default is ... for _, default in pairs))
