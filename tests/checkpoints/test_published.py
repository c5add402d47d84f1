"""Published checkpoints, matched to the shipped specs by structure, give the published answers.

Each file in `goldens/` lists a library's tensors by name and shape, and what its network answers
under weights that anyone can regenerate from the names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.published import (
    NAMES,
    checkpoint,
    golden,
    image_of,
    logits_of,
    meaningless,
    spec,
    tolerance,
)
from support.shelves import first, in_turn

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.checkpoints import load
from netspec.graph.checked import Graph

# Large, and like others that are in the plain suite: what their tensors are mapped to is held there too.
SLOW = {
    *(
        "densenet169",
        "inception_resnet_v2",
        "inception_v4",
        "nasnetalarge",
        "resnet34",
        "resnet101",
    ),
    *("resnext50_32x4d", "vgg11", "vgg16", "vgg16_bn", "vgg19", "wide_resnet50_2"),
}


def held_to(expected: dict[str, Any], logits: np.ndarray) -> None:
    size, most = expected["logits_l2"], tolerance(expected) * expected["logits_l2"]
    assert np.abs(logits[:8] - expected["logits_first8"]).max() <= most
    # A sum of 1,000 logits may be off by more than one of them.
    assert abs(logits.sum(dtype=np.float64) - expected["logits_sum"]) <= 10 * most
    assert abs(np.linalg.norm(logits.astype(np.float64)) - size) <= most
    assert int(logits.argmax()) == expected["argmax"]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in NAMES]
)
def test_a_published_checkpoint_gives_the_published_answer(name: str, tmp_path: Path) -> None:
    expected, graph = golden(name), spec(name)
    loaded = load(checkpoint(name, tmp_path), graph)
    assert not loaded.unused
    image = image_of(expected["input"])
    held_to(expected, logits_of(graph, loaded.source, image))
    path = tmp_path / "model.onnx"
    compile_graph(graph, path, FileOptions(logits=True), source=loaded.source)
    result = Session(path).run({graph.inputs[0].path: image})
    (logits,) = result.outputs.values()
    held_to(expected, logits[0])


def test_the_goldens_are_all_there() -> None:
    assert len(NAMES) == 22


# --- the mapping alone: shapes only, no numbers


class Shapes(dict[str, tuple[int, ...]]):
    """The shapes of a checkpoint, for the mapping."""


def shapes(name: str) -> Shapes:
    return Shapes({key: tuple(shape) for key, shape in golden(name)["tensors"]})


def planned(graph: Graph, file: Shapes) -> dict[str, str]:
    from netspec.checkpoints.mapping import by_structure

    plan = by_structure(graph, file, {})
    assert not plan.doubts, plan.doubts
    assert plan.missing + plan.surplus + plan.misshaped == []
    return {pair.ours: pair.theirs for pair in plan.pairs}


# The largest take many seconds, and are looked at sorted below.
LARGEST = ("inception_resnet_v2", "nasnetalarge")
MAPPED = [pytest.param(n, marks=pytest.mark.slow) if n in LARGEST else n for n in NAMES]


@pytest.mark.parametrize("name", MAPPED)
def test_meaningless_names_map_as_the_published_ones_do(name: str) -> None:
    """Only the tree, the order and the shapes are left of the names."""
    graph, file = spec(name), shapes(name)
    renamed = {key: meaningless(key) for key in file}
    plain = planned(graph, file)
    blind = planned(graph, Shapes({renamed[key]: shape for key, shape in file.items()}))
    assert blind == {ours: renamed[theirs] for ours, theirs in plain.items()}


@pytest.mark.parametrize(("name", "shuffled"), in_turn(NAMES, LARGEST))
def test_a_file_in_another_order_maps_the_same_or_is_refused(name: str, shuffled: bool) -> None:
    from netspec.checkpoints.mapping import by_structure

    graph, file = spec(name), shapes(name)
    keys = sorted(file)
    if shuffled:
        keys = [keys[i] for i in np.random.default_rng(1).permutation(len(keys))]
    else:
        keys.reverse()
    plan = by_structure(graph, Shapes({key: file[key] for key in keys}), {})
    if not plan.doubts:
        assert {pair.ours: pair.theirs for pair in plan.pairs} == planned(graph, file)


@pytest.mark.parametrize("name", MAPPED)
def test_a_sorted_file_of_a_published_network_is_not_refused(name: str) -> None:
    graph, file = spec(name), shapes(name)
    if name == "nasnetalarge":
        # Two separable convolutions of a reduction cell are alike, and the order of an alphabet says
        # nothing of them: which is which is asked.
        from netspec.checkpoints.mapping import by_structure

        doubts = by_structure(graph, Shapes(sorted(file.items())), {}).doubts
        assert {doubt.layer.name.split(".")[0] for doubt in doubts} <= {"reduction2", "reduction3"}
        assert doubts
        return
    assert planned(graph, Shapes(sorted(file.items()))) == planned(graph, file)


@pytest.mark.parametrize("seed", first(1, 3))
@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "inception_v4"])
def test_a_shuffled_file_maps_as_one_in_order_does(name: str, seed: int) -> None:
    """Of branches of one shape side by side, only some have numbers that tell them apart."""
    graph, file = spec(name), shapes(name)
    keys = sorted(file, reverse=True)
    keys = [keys[i] for i in np.random.default_rng(seed).permutation(len(keys))]
    assert planned(graph, Shapes((key, file[key]) for key in keys)) == planned(graph, file)
