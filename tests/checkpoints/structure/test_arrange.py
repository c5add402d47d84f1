"""Arrangements of layers of one shape: which is taken, which is refused, and what then settles it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import netspec
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError

START = "default conv(pad=same, bias=no)\ninput 6x5x5\n"
ROW = "input 6\nfc-4; fc-4; relu; fc-4; fc-3\n"


def taken(spec: str, names: Mapping[str, str], path: Path, **options: object) -> dict[str, str]:
    """The layers of the net with the file's names, for a file in order of its names.

    Of `names`, those of the net and of the file, only which tensors there are is told.
    """
    net, tensors = netspec.load(spec), dict[str, np.ndarray]()
    for name, tensor in net.to_torch(seed=0).state_dict().items():
        layer, _, leaf = name.rpartition(".")
        if leaf != "num_batches_tracked":
            tensors[f"{names[layer]}.{leaf}"] = tensor.numpy()
    np.savez(path / "w.npz", **dict(sorted(tensors.items())))  # type: ignore[arg-type]
    loaded = load(path / "w.npz", net.graph, **options)  # type: ignore[arg-type]
    pairs = {(p.ours.rpartition(".")[0], p.theirs.rpartition(".")[0]) for p in loaded.pairs}
    return dict(pairs)


def layers(spec: str) -> list[str]:
    return list(
        dict.fromkeys(n.rpartition(".")[0] for n in netspec.load(spec).to_torch().state_dict())
    )


# A net, and names of the file for the layers of it, in its order.
TOLD = [
    (ROW, "a b c d"),
    (START + "concat { | conv1-6; relu | conv1-6; tanh }; conv1-4", "w1 w2 w3"),
    (START + "concat { | conv1-6; relu | conv1-6; tanh }; conv1-4", "b.0.c b.1.c last"),
    (START + "concat { | conv1-6 | conv1-6 | conv1-6 }; conv1-4", "b.0 b.1 b.2 last"),
    (START + "concat { | conv1-6 | conv1-6 | conv1-6 }; conv1-4", "b.0.c1 b.0.c2 b.1.c1 last"),
    (START + "conv1-6; concat { | conv1-6; bn | conv1-6; bn; relu }; conv1-4", "w1 w2 n1 w3 n2 w4"),
    (START + "concat { | bn; conv1-6 | bn; conv1-6; relu }; conv1-4", "n1 w1 n2 w2 w3"),
    (START + "concat { | bn | bn | bn }; conv1-4", "n1 n2 n3 last"),
    (START + "conv1-6; bn; relu; conv1-6; bn; conv1-6; bn", "c1 n1 c2 n2 c3 n3"),
    (START + "conv1-6; conv1-6; relu; conv1-6; conv1-6", "u.0.a1 u.0.a2 u.1.a1 u.1.a2"),
    (START + "conv1-6; conv1-6; relu; conv1-6; conv1-6", "u1.x.0 u1.x.1 u2.x.0 u2.x.1"),
]


@pytest.mark.parametrize(("spec", "names"), TOLD[1:])
def test_numbers_tell_layers_of_one_shape(spec: str, names: str, tmp_path: Path) -> None:
    expected = dict(zip(layers(spec), names.split(), strict=True))
    assert taken(spec, expected, tmp_path) == expected


# What is refused, and the doubt that is told.
DOUBTED = [
    (
        START + "concat { | conv1-6; relu; conv1-6 | conv1-6 }; conv1-4",
        "w1 w2 w3 w4",
        "conv1 is w1 or w2; conv2 is w2 or w3; conv3 is w3 or w1",
    ),
    (
        START + "concat { | bn | bn | bn }; conv1-4",
        "q o c last",
        "bn2 is o or q; bn3 is q or o",
    ),
    (ROW, "q c o d", "fc2 is "),
]


@pytest.mark.parametrize(("spec", "names", "doubt"), DOUBTED)
def test_what_nothing_tells_is_refused_and_a_map_settles_it(
    spec: str, names: str, doubt: str, tmp_path: Path
) -> None:
    expected = dict(zip(layers(spec), names.split(), strict=True))
    with pytest.raises(NetspecError) as caught:
        taken(spec, expected, tmp_path)
    assert [d.code for d in caught.value.diagnostics] == ["NS553"]
    assert doubt in str(caught.value)
    assert taken(spec, expected, tmp_path, mapping=expected) == expected
    # The map that the message shows takes the first of each.
    (shown,) = re.findall(r"a file with (\{.*?\})", str(caught.value))
    assert len(json.loads(shown)) < len(expected)
    settled = taken(spec, expected, tmp_path, mapping=json.loads(shown))
    said = re.findall(r"(\w+) is (\w+) or ", str(caught.value))
    assert said
    assert {ours: settled[ours] for ours, _ in said} == dict(said)
    # What is settled for some layers leaves those of another place to what their names say.
    first = next(layer for layer in expected if f"{layer} is " in doubt)
    try:
        some = taken(spec, expected, tmp_path, mapping={first: expected[first]})
    except NetspecError as error:
        assert f"{first} is " not in str(error)
    else:
        assert some[first] == expected[first]


@pytest.mark.parametrize("mapping", [{"fc2": "a"}, {"fc2": "b", "fc3": "b"}])
def test_a_map_that_fits_no_arrangement_is_refused(mapping: dict[str, str], tmp_path: Path) -> None:
    expected = dict(zip(layers(ROW), "abcd", strict=True))
    with pytest.raises(NetspecError, match="NS550"):
        taken(ROW, expected, tmp_path, mapping=mapping)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_map_goes_before_what_names_say(swapped: bool, tmp_path: Path) -> None:
    expected = dict(zip(layers(ROW), "abcd", strict=True))
    mapping = {"fc2": "c", "fc3": "b"} if swapped else {"fc2": "b", "fc3": "c"}
    assert taken(ROW, expected, tmp_path, mapping=mapping) == expected | mapping
