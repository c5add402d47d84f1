"""Files that leave heights, widths and lengths open: symbols where the steps are the same at every size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional as F

import netspec
from netspec.cli.main import main
from netspec.importing.imported import Imported, import_file


class Resized(nn.Module):
    """Maps that are resized to the sizes of others, as segmentation does."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)

    def forward(self, x: Any) -> Any:
        a = F.relu(self.a(x))
        b = F.interpolate(self.b(a), size=a.shape[2:], mode="bilinear", align_corners=False)
        return F.interpolate(a * b, size=x.shape[2:], mode="bilinear", align_corners=False)


class Cropped(nn.Module):
    """U-Net's shortcut: the middle of a map."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 5)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)

    def forward(self, x: Any) -> Any:
        a = self.a(x)
        b = self.up(self.b(F.max_pool2d(a, 2)))
        top, left = ((m - n) // 2 for m, n in zip(a.shape[2:], b.shape[2:], strict=True))
        cut = a[:, :, top : top + b.shape[2], left : left + b.shape[3]]
        return torch.cat([cut, b], 1)


class Flattened(nn.Module):
    """A classifier that knows one size alone."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.f = nn.Conv2d(3, 2, 8, 8), nn.Linear(2 * 4 * 4, 5)

    def forward(self, x: Any) -> Any:
        return self.f(self.a(x).flatten(1))


class Placed(nn.Module):
    """Values for each place: they are right for their own size."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 32, 32), nn.Parameter(torch.randn(1, 4, 7, 7))

    def forward(self, x: Any) -> Any:
        return self.a(x) + self.b


class Sequence(nn.Module):
    """A recurrence over steps."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(3, 4, 3, padding=1), nn.LSTM(4, 5, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.b(self.a(x).transpose(1, 2))[0]


def read(module: nn.Module, path: Path, *size: int, **given: Any) -> Imported:
    names = {i + 2: "hwd"[i] for i in range(len(size))}
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape, generator=random) / 4)
    torch.onnx.export(
        module.eval(),
        (torch.randn(1, 3, *size),),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["x"],
        dynamic_axes={"x": {0: "n", **names}},
    )
    return import_file(path, **given)


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU()), ()),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            ("gap",),
        ),
        (Resized(), ("upsample(@maps)", "upsample(@input)")),
        (Cropped(), ("crop(@",)),
    ],
)
def test_open_heights_and_widths_are_symbols(
    module: nn.Module, words: tuple[str, ...], tmp_path: Path
) -> None:
    found = read(module, tmp_path / "m.onnx", 64, 64)
    assert "input 3xHxW" in found.text
    assert all(word in found.text for word in words)
    assert found.held == ()
    assert found.proof is not None
    assert len(set(found.proof.places)) == 2
    # And at a third, which nobody has tried.
    image = torch.randn(2, 3, 75, 90)
    again = netspec.load(found.text).to_torch(weights=found.weights)
    with torch.no_grad():
        torch.testing.assert_close(again(image), module(image), rtol=1e-5, atol=1e-5)


def test_open_lengths_are_symbols(tmp_path: Path) -> None:
    found = read(Sequence(), tmp_path / "m.onnx", 20)
    assert "input 3xT" in found.text
    assert found.proof is not None
    assert found.proof.places == ("224", "197")


class Leading(nn.Module):
    """A sequence whose channels stand last, turned at once; what is given is its last step."""

    def __init__(self, *, last: bool) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 4), nn.GRU(4, 5, batch_first=True)
        self.last = last

    def forward(self, x: Any) -> Any:
        y = self.b(self.a(x))[0]
        return y[:, -1] if self.last else y


class LastChannels(nn.Module):
    """A map whose channels stand last."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x: Any) -> Any:
        return self.a(x.permute(0, 3, 1, 2)).relu().permute(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("module", "shape", "declared", "step"),
    [
        (Leading(last=False), (1, 20, 8), "input (T, 8)", "gru-5; transpose"),
        (Leading(last=True), (1, 20, 8), "input (T, 8)", "slice(-1, axis=time)"),
        (LastChannels(), (1, 16, 12, 3), "input (H, W, 3)", "transpose((2, 0, 1))"),
    ],
)
def test_open_sizes_may_stand_before_the_channels(
    module: nn.Module, shape: tuple[int, ...], declared: str, step: str, tmp_path: Path
) -> None:
    path, names = tmp_path / "m.onnx", {i: f"s{i}" for i in range(1, len(shape) - 1)}
    axes = {"x": {0: "n", **names}}
    given = {"dynamo": False, "opset_version": 17, "input_names": ["x"], "dynamic_axes": axes}
    torch.onnx.export(module.eval(), (torch.randn(shape),), str(path), **given)
    found = import_file(path)
    assert declared in found.text
    assert step in found.text
    assert found.held == ()
    # At a size that nobody has tried.
    data = torch.randn(2, *(size + 7 for size in shape[1:-1]), shape[-1])
    again = netspec.load(found.text).to_torch(weights=found.weights)
    with torch.no_grad():
        torch.testing.assert_close(again(data), module(data), rtol=1e-5, atol=1e-5)
    netspec.load(found.text).to_onnx(path, optimize=False)
    assert import_file(path).text == found.text


def test_open_lengths_may_have_axes_of_one_place_beside_them(tmp_path: Path) -> None:
    text = (
        "input 6xT\nfc-8(over=channels); split(2); { | reshape((4, 1, -1)) | reshape((1, 4, -1)) }; mul\n"
        "reshape((2, 2, 4, -1)); over_channels(sum); reshape((8, -1)); fc-3(over=channels)"
    )
    netspec.load(text).to_onnx(tmp_path / "net.onnx", optimize=False)
    found = import_file(tmp_path / "net.onnx")
    assert "input 6xT" in found.text
    assert "(4, 1, -1)" in found.text
    assert found.proof is not None
    assert len(found.proof.places) == 2


def test_sizes_that_steps_depend_on_are_kept_and_told(tmp_path: Path) -> None:
    found = read(Placed(), tmp_path / "m.onnx", 224, 224)
    assert "input 3x224x224" in found.text
    assert found.held == ("h=224", "w=224")
    result = CliRunner().invoke(main, ["import", str(tmp_path / "m.onnx")])
    assert "leaves h and w open" in result.output


def test_files_that_are_right_at_one_size_are_read_at_it(tmp_path: Path) -> None:
    found = read(Flattened(), tmp_path / "m.onnx", 32, 32)
    assert "input 3x32x32" in found.text
    assert found.held == ("h=32", "w=32")
    found = import_file(tmp_path / "m.onnx", sizes={"h": 32, "w": 32})
    assert "input 3x32x32" in found.text
    assert found.held == ("h=32", "w=32")
    given = ["import", str(tmp_path / "m.onnx"), "--size", "h=32", "--size", "w=32"]
    assert "input 3x32x32" in CliRunner().invoke(main, given).output


def test_a_file_of_no_size_that_is_tried_asks_for_one(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    netspec.load("input 4xHxW\nsequence; position(rows=3); relu\n").to_onnx(path)
    with pytest.raises(netspec.NetspecError, match=r"NS801.*: --size H=N --size W=N says"):
        import_file(path)
    with pytest.raises(netspec.NetspecError, match=r"NS801.*: --size W=N says"):
        import_file(path, sizes={"H": 2})
    found = import_file(path, sizes={"H": 1})
    assert "input 4x1x3" in found.text
    assert found.held == ("H=1", "W=3")


def test_what_is_wrong_at_every_size_asks_for_none(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])]
    ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["y"], axis=7)], "g", ends[:1], ends[1:]
    )
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    with pytest.raises(netspec.NetspecError, match="NS801") as raised:
        import_file(tmp_path / "m.onnx")
    assert "--size" not in str(raised.value)


@pytest.mark.parametrize("sizes", [{"H": 32}, {"n": 2}, {"h": 0}])
def test_sizes_that_the_file_does_not_have_are_refused(
    sizes: dict[str, int], tmp_path: Path
) -> None:
    with pytest.raises(netspec.NetspecError, match=r"NS815.* h, w"):
        read(nn.ReLU(), tmp_path / "m.onnx", 8, 8, sizes=sizes)


@pytest.mark.parametrize("text", ["h", "=3", "h=x", "h=-1"])
def test_sizes_are_names_and_numbers(text: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["import", str(tmp_path / "m.onnx"), "--size", text])
    assert result.exit_code == 2
    assert "NAME=N" in result.output
