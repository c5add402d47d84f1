"""Recurrences of other exporters: states in and out, the batch as the second axis, backwards, lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.foreign_files import Array, node, numbers, words, written
from torch import nn

import netspec
from netspec.importing.imported import Imported, import_file


class Of(nn.Module):
    """A recurrence with all that it gives, flat."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any, *states: Any) -> Any:
        given = () if not states else (states[0] if len(states) == 1 else tuple(states),)
        y, last = self.inner(x, *given)
        return (y, *last) if isinstance(last, tuple) else (y, last)


def exported(
    path: Path, module: nn.Module, example: tuple[Any, ...], second: tuple[int, ...]
) -> Imported:
    """A module by torch's older exporter; the batch is the second axis of the inputs at `second`."""
    torch.manual_seed(0)
    names = [f"x{i}" for i in range(len(example))]
    axes = {name: {1 if i in second else 0: "batch"} for i, name in enumerate(names)}
    torch.onnx.export(
        module.eval(),
        example,
        str(path),
        dynamo=False,
        input_names=names,
        dynamic_axes=axes,
        opset_version=17,
    )
    found = import_file(path)
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert found.proof.batches == (1, 3)
    return found


X = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
TORCH = {
    "layers and ways": (
        nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True),
        (X,),
        (),
        ["lstm", "lstm"],
    ),
    "a state that it starts from": (
        nn.GRU(5, 4, batch_first=True),
        (X, torch.randn(1, 2, 4)),
        (1,),
        ["gru"],
    ),
    "two states of two layers": (
        nn.LSTM(5, 4, 2, batch_first=True),
        (X, torch.randn(2, 2, 4), torch.randn(2, 2, 4)),
        (1, 2),
        ["lstm", "lstm"],
    ),
    "steps first": (nn.LSTM(5, 4), (X.transpose(0, 1),), (0,), ["lstm"]),
    "plain with relu": (
        nn.RNN(5, 4, batch_first=True, nonlinearity="relu", bias=False),
        (X,),
        (),
        ["rnn"],
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TORCH)
def test_states_of_torch_s(name: str, tmp_path: Path) -> None:
    inner, example, second, said = TORCH[name]
    found = exported(tmp_path / "net.onnx", Of(inner), example, second)
    assert [word for word in words(found) if word in ("lstm", "gru", "rnn")] == said
    assert found.proof is not None
    assert found.proof.outputs == len(Of(inner)(*example))
    assert "state=yes" in found.text


def weights(ways: int = 1, gates: int = 4) -> dict[str, Array]:
    return {
        "w": numbers(ways, gates * 4, 5),
        "r": numbers(ways, gates * 4, 4, seed=1),
        "b": numbers(ways, gates * 8, seed=2),
    }


def made(path: Path, op: str, *more: str, arrays: Any = None, out: str = "y", **given: Any) -> Path:
    """A recurrence over (steps, batch, channels) that reads `more` and gives y, or its state h."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    ways = 2 if given.get("direction") == "bidirectional" else 1
    names = ["", "h"] if out == "h" else ["y"]
    nodes = [node(op, ["x", "w", "r", "b", *more], names, hidden_size=4, **given)]
    return written(
        path,
        nodes,
        {**weights(ways, gates), **(arrays or {})},
        shape=[6, "batch", 5],
        out=[out],
    )


READ: dict[str, tuple[dict[str, Any], list[str]]] = {
    "backwards": ({"op": "GRU", "direction": "reverse", "linear_before_reset": 1}, ["flip", "gru", "flip"]),
    "backwards to its last state": ({"op": "RNN", "direction": "reverse", "out": "h"}, ["flip", "rnn"]),
    "both ways to their last states": ({"op": "LSTM", "direction": "bidirectional", "out": "h"}, ["lstm"]),
    "activations that are usual": ({"op": "LSTM", "activations": ["sigmoid", "Tanh", "tanh"]}, ["lstm"]),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_ways_and_states(name: str, tmp_path: Path) -> None:
    given, said = READ[name]
    given = dict(given)
    path = tmp_path / "net.onnx"
    found = import_file(made(path, given.pop("op"), **given))
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert [word for word in words(found) if word not in ("transpose", "reshape")][
        : len(said)
    ] == said


LENGTHS = {"n": np.array([6, 6], np.int32)}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another reset": ({"op": "GRU"}, "resets before the product"),
    "other activations": (
        {"op": "LSTM", "activations": ["Relu", "Tanh", "Tanh"]},
        "activations are",
    ),
    "shorter sequences": (
        {"op": "RNN", "more": ("n",), "arrays": {"n": np.array([6, 4], np.int32)}},
        "lengths of sequences",
    ),
    "gates that read the cell": (
        {"op": "LSTM", "more": ("", "", "", "p"), "arrays": {"p": numbers(1, 12)}},
        "gates read the state",
    ),
    "numbers to start from": (
        {"op": "RNN", "more": ("", "s"), "arrays": {"s": numbers(1, 2, 4)}},
        "differs from sample to sample",
    ),
    "clipped": ({"op": "LSTM", "clip": 1.0}, "attributes that no step has"),
    "no such way": ({"op": "LSTM", "direction": "sideways"}, "attributes that no step has"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_step_says_is_refused(name: str, tmp_path: Path) -> None:
    given, reason = dict(REFUSED[name][0]), REFUSED[name][1]
    path = made(tmp_path / "net.onnx", given.pop("op"), *given.pop("more", ()), **given)
    with pytest.raises(netspec.NetspecError, match=reason):
        import_file(path)


def test_a_fixed_batch_is_the_second_axis_too(tmp_path: Path) -> None:
    nodes = [node("LSTM", ["x", "w", "r"], ["y"], hidden_size=4)]
    arrays = {"w": numbers(1, 16, 5), "r": numbers(1, 16, 4)}
    found = import_file(written(tmp_path / "net.onnx", nodes, arrays, shape=[6, 2, 5]))
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert found.proof.batches == (2,)


def test_lengths_of_whole_sequences_are_none(tmp_path: Path) -> None:
    from netspec.importing.files.opened import open_file
    from netspec.importing.recognise.recognising import recognised

    path = made(tmp_path / "net.onnx", "RNN", "n", arrays=LENGTHS)
    assert recognised(open_file(path).program(), "net").unread == ()
