"""Lists beside each other that a net may run one after the other, or entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import netspec
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError

START = "default conv(pad=same)\ninput 6x9\n"
# HiFi-GAN's residual blocks: the file has `convs1.0`, `convs1.1`, `convs2.0`, `convs2.1`, in this order.
UNIT = "block unit { for d in [1, 3] { residual { leaky; conv3-6(dilation=d)%s; leaky; conv3-6%s } } }\n"
PLAIN = START + UNIT % ("", "") + "unit; tanh; unit\n"
CALLED = START + UNIT % (" as convs1", " as convs2") + "unit; tanh; unit\n"


def names(first: str, second: str) -> dict[str, str]:
    """The file's layers of two units of four, by what the net computes with which."""
    found = {}
    for unit in (1, 2):
        own = [f"unit{unit}.{name}{end}" for end in ("", "_2") for name in (first, second)]
        if first == "conv":
            own = [f"unit{unit}.conv{i}" for i in (1, 2, 3, 4)]
        theirs = [f"blocks.{unit - 1}.convs{j}.{i}" for i in (0, 1) for j in (1, 2)]
        found |= dict(zip(own, theirs, strict=True))
    return found


def saved(spec: str, layers: Mapping[str, str], path: Path, sort: bool) -> dict[str, np.ndarray]:
    """The net's weights under the file's names, saved in the order of definition or of names."""
    state = netspec.load(spec).to_torch(seed=3).state_dict()
    tensors = {}
    for name, tensor in state.items():
        layer, _, leaf = name.rpartition(".")
        tensors[f"{layers[layer]}.{leaf}"] = tensor.numpy()
    listed = dict(sorted(tensors.items()))
    if not sort:
        listed = {n: listed[n] for n in sorted(listed, key=lambda n: (n[:-6], "bias" in n))}
    np.savez(path, **listed)  # type: ignore[arg-type]
    return {name: tensor.numpy() for name, tensor in state.items()}


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("wrapper", ["", ".conv"])
def test_lists_that_may_run_entry_by_entry_are_refused(
    tmp_path: Path, sort: bool, wrapper: str
) -> None:
    """They loaded as if they ran one after the other, in silence: half of the layers were exchanged."""
    layers = {ours: theirs + wrapper for ours, theirs in names("conv", "conv").items()}
    saved(PLAIN, layers, tmp_path / "w.npz", sort)
    with pytest.raises(NetspecError, match="NS553") as error:
        load(tmp_path / "w.npz", netspec.load(PLAIN).graph)
    assert f'{{"unit1.conv2": "blocks.0.convs1.1{wrapper}"}}' in str(error.value)


@pytest.mark.parametrize("sort", [True, False])
def test_names_of_the_spec_say_how_lists_run(tmp_path: Path, sort: bool) -> None:
    """Of a name in a repeat, `convs1_2` is the second time that `convs1` runs."""
    state = saved(CALLED, names("convs1", "convs2"), tmp_path / "w.npz", sort)
    net = netspec.load(CALLED)
    loaded = load(tmp_path / "w.npz", net.graph)
    found = net.to_torch(weights=loaded).state_dict()
    assert all(np.array_equal(found[name].numpy(), array) for name, array in state.items())
    assert {pair.how for pair in loaded.pairs} >= {"names"}


def test_a_map_says_how_lists_run(tmp_path: Path) -> None:
    """One line takes lists of one kind one after the other, a map of all of them takes any order."""
    layers = names("conv", "conv")
    state = saved(PLAIN, layers, tmp_path / "w.npz", sort=False)
    net = netspec.load(PLAIN)
    whole = load(tmp_path / "w.npz", net.graph, mapping=layers)
    found = net.to_torch(weights=whole).state_dict()
    assert all(np.array_equal(found[name].numpy(), array) for name, array in state.items())
    one = load(tmp_path / "w.npz", net.graph, mapping={"unit1.conv2": "blocks.0.convs1.1"})
    told = {pair.ours: pair.theirs for pair in one.pairs}
    assert told["unit2.conv3.weight"] == "blocks.1.convs2.0.weight"
    with pytest.raises(NetspecError, match="NS553"):
        load(tmp_path / "w.npz", net.graph, mapping={"unit1.conv2": "blocks.0.convs2.0"})


@pytest.mark.parametrize(
    ("spec", "theirs"),
    [
        # With gaps, as in a Sequential; in units; side by side; of two shapes.
        ("conv3-6; relu; conv3-6; tanh; conv3-6; relu; conv3-6", "a.0 a.2 b.0 b.2"),
        ("conv3-6; relu; conv3-6; tanh; conv3-6; relu; conv3-6", "u1.x.0 u1.x.1 u2.x.0 u2.x.1"),
        ("add { | conv3-6; relu; conv3-6 | conv3-6; tanh; conv3-6 }", "a.0 a.1 b.0 b.1"),
        ("conv3-8; relu; conv3-6; tanh; conv3-8; relu; conv3-6", "a.0 a.1 b.0 b.1"),
    ],
)
def test_lists_that_run_in_one_way_are_not_refused(tmp_path: Path, spec: str, theirs: str) -> None:
    layers = dict(zip(("conv1", "conv2", "conv3", "conv4"), theirs.split(), strict=True))
    state = saved(START + spec, layers, tmp_path / "w.npz", sort=False)
    net = netspec.load(START + spec)
    found = net.to_torch(weights=load(tmp_path / "w.npz", net.graph)).state_dict()
    assert all(np.array_equal(found[name].numpy(), array) for name, array in state.items())


TOWERS = """
input 8x5
block look { transpose; fc-5(over=channels); relu; fc-5(over=channels); transpose }
block both { concat { | look%s | look%s }; fc-8(over=channels) }
both x2; gap; fc-3
"""


@pytest.mark.parametrize("sort", [True, False])
def test_names_that_the_spec_gives_calls_say_what_is_inside(tmp_path: Path, sort: bool) -> None:
    """`as rows` says which of two calls of a block the file's `rows` is, whatever is inside."""
    net = netspec.load(TOWERS % (" as rows", " as columns"))
    files = {
        "both1.rows": "stages.0.rows",
        "both1.columns": "stages.0.columns",
        "both2.rows": "stages.1.rows",
        "both2.columns": "stages.1.columns",
    }
    layers = {f"{ours}.fc{i}": f"{theirs}.{i}" for ours, theirs in files.items() for i in (1, 2)}
    # The file defines the columns first.
    layers = dict(sorted(layers.items(), key=lambda pair: pair[1]))
    layers |= {f"both{i}.fc1": f"stages.{i - 1}.mix" for i in (1, 2)} | {"fc1": "head"}
    state = saved(TOWERS % (" as rows", " as columns"), layers, tmp_path / "w.npz", sort)
    loaded = load(tmp_path / "w.npz", net.graph)
    found = net.to_torch(weights=loaded).state_dict()
    assert all(np.array_equal(found[name].numpy(), array) for name, array in state.items())
    with pytest.raises(NetspecError, match="NS553"):
        load(tmp_path / "w.npz", netspec.load(TOWERS % ("", "")).graph)
