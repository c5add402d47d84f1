"""Checkpoints of torchvision's networks answer through netspec as they do without it.

The recorded answers in `goldens/` hold the plain networks of `torchvision_layouts` to torchvision;
these then answer under numbers that carry the image to the logits, so that an exchange of any two early
layers shows, and are asked of files of other kinds and names than those recorded.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.places import DATA
from support.published import TOLERANCE, image_of, logits_of, values
from support.shelves import in_turn
from support.torchvision_layouts import NETS
from torch import Tensor, nn

from netspec.checkpoints import load
from netspec.diagnostics.limits import DEFAULT
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec

RECORDED = sorted(NETS.keys() & {path.stem for path in (DATA / "goldens").glob("*.json")})
SPECS = {
    "alexnet": "alexnet_owt",
    "resnet50": "resnet50_v1_5",
    "resnet152": "resnet152_v1_5",
    "wide_resnet50_2": "wrn50_2",
    "googlenet": "googlenet_bn",
    "shufflenet_v2_x1_0": "shufflenet_v2",
}
# Large, and like others that are in the plain suite: of fewer or smaller layers.
SLOW = {"vgg16", "vgg16_bn", "resnet152", "wide_resnet50_2"}
# Inception v3's training-only head needs its whole map, and so do matrices over maps here, which
# torchvision pools to their size; the others take any.
SIZES = {"inception_v3": 299, "alexnet": 224, "vgg16": 224, "vgg16_bn": 224}


def cases(names: Iterable[str], slow: Collection[str] = SLOW) -> list[Any]:
    return [pytest.param(n, marks=pytest.mark.slow) if n in slow else n for n in names]


def shape_of(name: str) -> tuple[int, int, int]:
    return 3, SIZES.get(name, 96), SIZES.get(name, 96)


def network(name: str, gain: float = 1.0) -> nn.Module:
    """In double precision, each tensor's numbers made from its name."""
    with torch.device("meta"):
        module = NETS[name]()
    module = module.to_empty(device="cpu").double().eval()
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(values(key, tensor.shape, gain)))
        else:
            tensor.zero_()
    return module


def answer(module: nn.Module, image: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(image).double())[0].numpy()


def agree(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.abs(found - expected).max() <= TOLERANCE * np.linalg.norm(expected))


@pytest.mark.parametrize("name", cases(RECORDED))
def test_the_plain_network_is_the_recorded_one(name: str) -> None:
    golden = json.loads((DATA / "goldens" / f"{name}.json").read_text())
    module = network(name, golden["gain"])
    tensors = [
        [key, list(tensor.shape)]
        for key, tensor in module.state_dict().items()
        if tensor.dim() and not key.lower().startswith("aux")
    ]
    assert tensors == golden["tensors"]
    logits = answer(module, image_of(golden["input"]))
    assert np.abs(logits[:8] - golden["logits_first8"]).max() <= 1e-8 * golden["logits_l2"]
    assert np.linalg.norm(logits) == pytest.approx(golden["logits_l2"], rel=1e-7)


@pytest.mark.parametrize(("name", "pickled"), in_turn([*NETS], SLOW))
def test_a_checkpoint_answers_as_its_network_does(name: str, pickled: bool, tmp_path: Path) -> None:
    module, image = network(name), image_of(shape_of(name))
    kind = "pt" if pickled else "safetensors"
    tensors = {key: tensor.float() for key, tensor in module.state_dict().items()}
    path = tmp_path / f"checkpoint.{kind}"
    if kind == "pt":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)  # sorted by name
    size = "x".join(map(str, shape_of(name)))
    graph = build(read_spec(SPECS.get(name, name), DEFAULT), {}, (size,))
    loaded = load(path, graph)
    assert not loaded.unused
    assert not loaded.initial
    assert agree(logits_of(graph, loaded.source, image), answer(module, image))
    for pair in loaded.pairs:
        assert ("aux" in pair.ours) == pair.theirs.lower().startswith("aux")


def twins(module: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Layers with the next that has tensors of the same names and shapes, from the image on."""
    last: dict[object, nn.Module] = {}
    for name, layer in module.named_modules():
        if any(layer.children()) or name.lower().startswith("aux"):
            continue
        kind = tuple((key, tensor.shape) for key, tensor in layer.state_dict().items())
        if kind in last:
            yield last[kind], layer
        if kind:
            last[kind] = layer


def exchange(first: nn.Module, second: nn.Module) -> None:
    def copied(layer: nn.Module) -> dict[str, Tensor]:
        return {key: tensor.clone() for key, tensor in layer.state_dict().items()}

    one, other = copied(first), copied(second)
    first.load_state_dict(other)
    second.load_state_dict(one)


@pytest.mark.parametrize(
    "name", cases((n for n in NETS if n != "alexnet"), {*SLOW, "inception_v3"})
)
def test_two_early_layers_exchanged_are_noticed(name: str) -> None:
    """AlexNet has no two layers of one shape; Inception v3 is the largest of those with branches."""
    module, image = network(name), image_of(shape_of(name))
    expected = answer(module, image)
    pairs = list(islice(twins(module), 12))
    assert pairs
    for first, second in pairs:
        exchange(first, second)
        assert not agree(answer(module, image), expected), (first, second)
        exchange(first, second)
