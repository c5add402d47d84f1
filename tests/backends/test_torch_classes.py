"""A module's blocks have classes, by which other programs wrap, print and profile them."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed.fsdp.wrap import _recursive_wrap, transformer_auto_wrap_policy

import netspec

UNIT = "block unit(n) {{ {body} }}\nunit(4); unit(6) x2; gap; fc-2\n"


class Wrapped(nn.Module):
    """What a policy puts around a module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.module(*tensors)


def unit(body: str = "conv3-n(pad=same); relu") -> netspec.Net:
    return netspec.load(UNIT.format(body=body), input="3x8x8")


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_a_block_has_the_class_that_the_spec_calls_it():
    model = netspec.load("resnet50").to_torch()
    kinds = {type(model.stage1.bottleneck1), type(model.stage4.bottleneck3)}
    assert [kind.__name__ for kind in kinds] == ["Bottleneck"]
    assert type(model).__name__ == "Resnet50"
    assert type(model.stage1) is type(model.stage2) is not type(model.stage1.bottleneck1)


def test_a_wrapping_policy_sees_every_bottleneck():
    model = netspec.load("resnet50").to_torch().eval()
    x = noise(1, 3, 64, 64)
    expected = model(x)
    kind = type(model.stage1.bottleneck1)
    policy = partial(transformer_auto_wrap_policy, transformer_layer_cls={kind})
    wrapped, _ = _recursive_wrap(
        model,
        auto_wrap_policy=policy,
        wrapper_cls=Wrapped,
        ignored_modules=set(),
        ignored_params=set(),
    )
    found = [inner for inner in wrapped.modules() if isinstance(inner, Wrapped)]
    assert len(found) == 16
    assert all(type(inner.module) is kind for inner in found)
    assert torch.equal(wrapped(x), expected)


def test_the_same_block_of_two_nets_is_one_class_and_another_of_its_name_is_not():
    first, again = unit().to_torch(), unit().to_torch()
    other = unit("conv1-n").to_torch()
    assert type(first.unit1) is type(again.unit3)
    assert type(first.unit1) is not type(other.unit1)
    assert type(other.unit1).__name__ == "Unit"


def test_blocks_of_one_name_from_two_files_are_two_classes(tmp_path: Path):
    for name, body in {"a": "conv3-n", "b": "conv1-n; relu"}.items():
        (tmp_path / f"{name}.ns").write_text(
            f"block unit(n) {{ {body} }}\nblock {name}(n) {{ unit(n) }}\n"
        )
    spec = tmp_path / "both.ns"
    spec.write_text("import block a from a\nimport block b from b\ninput 3x8x8\na(4); b(4); gap\n")
    model = netspec.load(spec).to_torch()
    assert type(model.a1.unit1).__name__ == type(model.b1.unit1).__name__ == "Unit"
    assert type(model.a1.unit1) is not type(model.b1.unit1)


@pytest.mark.parametrize("word", ["half", "train", "steps", "none", "_made"])
def test_a_block_may_have_any_name(word: str):
    text = f"block {word}(n) {{ conv3-n as {word} }}\n{word}(4); gap\n"
    model = netspec.load(text, input="3x8x8").to_torch().eval()
    x = noise(1, 3, 8, 8)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))


def test_copies_and_pickles_keep_the_class_and_the_answer():
    model = unit().to_torch().eval()
    x = noise(2, 3, 8, 8)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), loaded):
        assert type(other) is type(model)
        assert type(other.unit2) is type(model.unit2)
        assert torch.equal(other(x), model(x))
    assert type(copy.deepcopy(model.unit1)) is type(model.unit1)


def test_another_process_reads_a_pickle(tmp_path: Path):
    model = unit().to_torch().eval()
    x = noise(2, 3, 8, 8)
    torch.save((model, x, model(x)), tmp_path / "net.pt")
    script = (
        "import sys, torch\n"
        "model, x, expected = torch.load(sys.argv[1], weights_only=False)\n"
        "assert torch.equal(model(x), expected)\n"
        "print(type(model.unit1).__name__, type(model.unit1) is type(model.unit3))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "net.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "Unit True\n"


def test_blocks_compile_and_export_by_themselves():
    block = unit().to_torch().eval().unit1
    x = noise(1, 3, 8, 8)
    compiled = torch.compile(block, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), block(x))
    exported = torch.export.export(block, (x,))
    assert torch.equal(exported.module()(x), block(x))
