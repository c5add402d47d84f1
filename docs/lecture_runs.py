"""What statements of lectures measure by running a net: the further words of their formulas.

Nets are given as in `lecture_measures.py`.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

from lecture_measures import graph, summary

from netspec.backends.torch.modules import to_module
from netspec.weights.sources import Seeded


def run(net: str, *inputs: Any, seed: int = 0, **weights: Any) -> Any:
    """What a net makes of values without a batch, as nested lists; a weight is given by its key.

    Dots of a key are written as two underscores: `conv1__weight=[[[[1, 0]]]]`.
    """
    import torch

    module = _loaded(net, seed, weights)
    with torch.no_grad():
        found = module(*(torch.as_tensor(x, dtype=torch.float32)[None] for x in inputs))
    return _plain(found[0].tolist())


def _loaded(net: str, seed: int, weights: dict[str, Any]) -> Any:
    import torch

    module = to_module(graph(net), Seeded(seed)).eval()
    state = {key.replace("__", "."): value for key, value in weights.items()}
    own = module.state_dict()
    for key, value in state.items():
        own[key] = torch.as_tensor(value, dtype=torch.float32).reshape(own[key].shape)
    module.load_state_dict(own)
    return module


def matrix(net: str, seed: int = 0, **weights: Any) -> list[list[Any]]:
    """The matrix of a linear net: a row for each element that it makes, a column for each it reads."""
    import torch

    module = _loaded(net, seed, weights)
    read = summary(net).inputs[0].shape
    with torch.no_grad():
        made = module(torch.eye(prod(read)).reshape(-1, *read))
    return _plain(made.flatten(1).T.tolist())


def train(net: str, batch: Any, key: str = "", seed: int = 0, **weights: Any) -> Any:
    """What a net makes of a batch while it trains; with a key, what it then holds under it."""
    import torch

    module = _loaded(net, seed, weights).train()
    found = module(torch.as_tensor(batch, dtype=torch.float32))
    return _plain((module.state_dict()[key] if key else found).tolist())


def gradient(net: str, batch: Any, by: str = "", seed: int = 0, **weights: Any) -> Any:
    """The gradient of 1, 2, 3 … times a training net's outputs, by a weight or by its input."""
    import torch

    module = _loaded(net, seed, weights).train()
    given = torch.as_tensor(batch, dtype=torch.float32).requires_grad_()
    made = module(given).flatten()
    (made * torch.arange(1.0, len(made) + 1)).sum().backward()
    found = dict(module.named_parameters())[by] if by else given
    assert found.grad is not None
    return _plain(found.grad.tolist())


def near(found: Any, told: Any, tolerance: float = 1e-4) -> bool:
    """Whether nested lists of numbers agree, each to a tolerance."""
    if isinstance(told, list):
        return len(found) == len(told) and all(
            near(a, b, tolerance) for a, b in zip(found, told, strict=True)
        )
    return bool(abs(found - told) <= tolerance)


def times(factor: float, values: Any) -> Any:
    """Nested lists of numbers, each times a factor."""
    if isinstance(values, list):
        return [times(factor, item) for item in values]
    return factor * values


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if value == int(value) else value


def geometric_mean_of_thinned(hidden: int, seed: int = 0) -> float:
    """How far, at most, a net with one hidden layer and half of its outgoing weights is off the mean.

    The mean is the geometric one, renormalised, of what all 2^hidden nets predict of which some
    hidden units are left out.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    seen, matrix = random.normal(size=hidden), random.normal(size=(4, hidden))
    masks = np.array(list(product((0.0, 1.0), repeat=hidden)))
    logs = np.log(_softmax((masks * seen) @ matrix.T))
    return float(np.abs(_softmax(logs.mean(0)) - _softmax(matrix @ seen / 2)).max())


def _softmax(scores: Any) -> Any:
    import numpy as np

    powers = np.exp(scores)
    return powers / powers.sum(-1, keepdims=True)
