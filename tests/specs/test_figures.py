"""Every shipped spec has exactly the figures recorded for its network."""

import json

import pytest
from support.places import DATA
from support.shelves import BLOCKS, LECTURES, shelved

from netspec.elaborate.build import build
from netspec.elaborate.expect import expected_value
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec

RECORDS = json.loads((DATA / "records.json").read_text())
NETS = [name for name in RECORDS if not name.startswith("blocks/")]
COUNTS = (
    "params",
    "params_frozen",
    "buffers",
    "macs",
    "depth",
    "params_training",
    "buffers_training",
    "macs_training",
)


def graph_of(name: str, **settings: object) -> Graph:
    return build(read_spec(name), settings)


def shapes(graph: Graph) -> tuple[list[list[int]], list[list[int]]]:
    inputs = [list(node.types[0].shape) for node in graph.inputs]
    return inputs, [list(output.value.shape) for output in graph.outputs]


@pytest.mark.parametrize("name", [name for name in RECORDS if name in (*LECTURES, *BLOCKS)])
def test_a_spec_has_the_recorded_figures(name: str) -> None:
    record = RECORDS[name]
    graph = graph_of(name)
    assert {key: expected_value(graph, key) for key in COUNTS if key in record} == {
        key: record[key] for key in COUNTS if key in record
    }
    assert shapes(graph) == (record["input"], record["output"])


@pytest.mark.parametrize("name", shelved(siblings=True))
def test_a_spec_says_what_it_is_and_what_it_expects(name: str) -> None:
    graph = graph_of(name)
    text = graph.source.text
    assert graph.name == name.rpartition("/")[2]
    assert "expect params=" in text
    assert "macs=" in text
    assert {key for key, _ in graph.metadata} >= {"paper", "year"}


def test_every_recorded_network_is_shipped() -> None:
    assert len(NETS) == 93
    assert sorted(set(RECORDS) - {*LECTURES, *BLOCKS}) == []


CLASSIFIERS = [name for name in NETS if RECORDS[name]["output"] in ([[1000]], [[10]])]


@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name in LECTURES])
def test_a_classifier_takes_another_number_of_classes(name: str) -> None:
    graph = graph_of(name, classes=7)
    assert [output.value.shape for output in graph.outputs] == [(7,)]
    assert all(head.value.shape == (7,) for head in graph.heads)


FAMILIES = [
    ("resnet20_cifar", {"n": 5}, 464_154),
    ("resnet34", {"shortcut": "pad"}, 21_623_848),
    ("resnext50_32x4d", {"n3": 23}, 44_177_704),
    ("resnext50_32x4d", {"n3": 23, "cardinality": 64}, 83_455_272),
    ("wrn50_2", {"n3": 23}, 126_886_696),
    ("wrn28_10", {"depth": 40, "width": 4}, 8_949_210),
    ("wrn28_10", {"depth": 16, "width": 8}, 10_961_370),
    ("wrn28_10", {"classes": 100}, 36_536_884),
    ("nin_cifar", {"classes": 100}, 984_356),
    ("bn_inception", {"project": 128}, 11_285_224),
    ("bn_inception", {"project": 128, "bias": True}, 11_295_240),
    ("resnet20_cifar", {"shortcut": "auto"}, 272_474),
    ("resnet110_cifar", {"shortcut": "auto"}, 1_730_714),
    ("vgg11", {"norm": "bn"}, 132_868_840),
    ("vgg13", {"norm": "bn"}, 133_053_736),
    ("vgg19", {"norm": "bn"}, 143_678_248),
]


@pytest.mark.parametrize(("name", "settings", "params"), FAMILIES)
def test_a_parameter_gives_another_member_of_the_family(
    name: str, settings: dict[str, object], params: int
) -> None:
    assert expected_value(graph_of(name, **settings), "params") == params


def test_the_stride_of_a_bottleneck_moves_multiply_adds_but_no_parameters() -> None:
    first, later = graph_of("se_resnet50"), graph_of("se_resnet50", v1_5=True)
    assert expected_value(later, "macs") == 4_091_699_200
    assert expected_value(later, "params") == expected_value(first, "params")
