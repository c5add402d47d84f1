"""The names of classes: a line for each element of an output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.triton_schema import parse

from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.serving.deploy import deploy
from netspec.serving.interface import Interface, Tensor
from netspec.serving.labels import labels_of
from netspec.serving.settings import Serving

THREE = "net m\ninput 4\nfc-3 as a\nfc-2 as b\nfc-3 as c\noutput a, b, c"


def tensors(**sizes: tuple[int | str, ...]) -> Interface:
    outputs = tuple(Tensor(name, "TYPE_FP32", ("N", *given)) for name, given in sizes.items())
    return Interface((Tensor("x", "TYPE_FP32", ("N", 4)),), outputs)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    def made(*lines: str, name: str = "classes.txt") -> str:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    return made


def test_a_file_is_for_the_output_that_it_fits(
    net: Callable[..., Graph], file: Callable[..., str]
) -> None:
    graph = net(THREE)
    two, three = file("chat", "chien: grand"), file("a", "b", "ç", name="x=y.txt")
    found = labels_of(graph, tensors(a=(3,), b=(2,)), [two, f"a={three}"])
    assert found == {"a": ("a", "b", "ç"), "b": ("chat", "chien: grand")}
    assert labels_of(graph, tensors(b=(2, 1, 1), a=(3,)), [two]) == {"b": ("chat", "chien: grand")}
    assert labels_of(graph, tensors(a=(3,)), [three]) == {"a": ("a", "b", "ç")}


@pytest.mark.parametrize(
    ("lines", "given", "said"),
    [
        (("a", "b", "c"), "{}", "a, c have 3 elements each: write OUTPUT="),
        (("a", "b", "c", "d"), "{}", "no output so many elements: a has 3, b has 2, c has 3"),
        (("a", "b", "c"), "b={}", "3 lines, and b has 2 elements"),
        (("a", "b"), "B={}", "there is no output `B`: `b`"),
        (("a", ""), "{}", "line 2 is no label"),
        (("a", "\x1b[2J"), "{}", "line 2 is no label"),
        (("a", "b"), "{}.gone", "No such file"),
    ],
)
def test_what_does_not_fit(
    net: Callable[..., Graph],
    file: Callable[..., str],
    lines: tuple[str, ...],
    given: str,
    said: str,
) -> None:
    with pytest.raises(NetspecError) as error:
        labels_of(net(THREE), tensors(a=(3,), b=(2,), c=(3,)), [given.format(file(*lines))])
    assert said in str(error.value)


def test_open_sizes_have_no_labels(net: Callable[..., Graph], file: Callable[..., str]) -> None:
    with pytest.raises(NetspecError, match="a has open sizes"):
        labels_of(net(THREE), tensors(a=(3, "H")), [f"a={file('a', 'b')}"])


def test_a_dataset_that_is_known(net: Callable[..., Graph]) -> None:
    ten = net('net m\ndataset "CIFAR-10"\ninput 4\nfc-10')
    assert labels_of(ten, tensors(output=(10,)), ())["output"][3] == "cat"
    assert labels_of(ten, tensors(output=(11,)), ()) == {}
    assert labels_of(ten, tensors(a=(10,), b=(10,)), ()) == {}
    assert labels_of(net("fc-10", "4"), tensors(output=(10,)), ()) == {}


def test_labels_stay_with_the_versions(
    net: Callable[..., Graph], file: Callable[..., str], tmp_path: Path
) -> None:
    root, graph = tmp_path / "models", net("net m\npreprocess mean=0\ninput 3x4x4\ngap; fc-2")
    images = FileOptions(preprocess=True)
    cats = file("cat", "dog")
    for given in ([cats], [], [cats]):
        deploy(graph, root, images, Serving(), labels=given)
        for name in ("m", "m_images"):
            config = parse((root / name / "config.pbtxt").read_text())
            assert config.output[0].label_filename == "output_labels.txt"
            assert (root / name / "output_labels.txt").read_text() == "cat\ndog\n"
    with pytest.raises(NetspecError, match="the versions that are there have other labels"):
        deploy(graph, root, images, Serving(), labels=[file("dog", "cat")])
    assert sorted(p.name for p in (root / "m").iterdir() if p.is_dir()) == ["1", "2", "3"]
