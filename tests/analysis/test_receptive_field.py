"""Receptive fields are those of the published nets, and those that gradients show."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
import torch
from support.places import DATA
from support.shelves import shipped

from netspec.analysis.receptive_field import (
    WHOLE,
    Field,
    Unknown,
    output_fields,
    receptive_fields,
)
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import shipped_names
from netspec.weights.sources import Seeded

RECORDS = json.loads((DATA / "records.json").read_text())
KNOWN = [name for name, record in RECORDS.items() if "receptive_field" in record]
# The published figure follows one branch where 1x3 and 3x1 fork; both forks together see a square,
# as the net does not change when height and width are exchanged.
SQUARE = {"inception_v3": (1311, 1311), "inception_v4": (2071, 2071)}


@pytest.mark.parametrize("name", sorted(set(KNOWN) & set(shipped_names())))
def test_the_field_of_the_last_map_is_that_of_the_record(name):
    expected = RECORDS[name]["receptive_field"]
    (output,) = output_fields(shipped(name))
    node, ((_, seen),) = output.maps[0]
    assert list(node.types[0].shape) == expected["shape"]
    assert isinstance(seen, Field)
    assert seen.size == SQUARE.get(name, tuple(expected["size"]))
    assert seen.stride == (expected["stride"],) * len(seen.size)


@pytest.mark.parametrize(
    "end",
    [
        *("gap; fc-5", "avgpool8", "maxpool8; fc-5", "maxpool9(pad=1); fc-5", "conv8-5", "fc-5"),
        *("adaptive_avgpool(1)", "adaptive_avgpool(2); fc-5", "dropout(0.5); gap; fc-5"),
        *("flatten; fc-5; dropout(0.5)", "conv8-5; conv1-5", "over_channels(mean); fc-5"),
        "concat { | gap | flatten }; fc-5",
    ],
)
def test_however_everything_is_seen_at_last_the_last_map_is_the_same(end):
    (output,) = output_fields(read(f"conv3-4/2(pad=1)\n{end}", "1x16x16"))
    assert [seen for _, seen in output.sees] == [WHOLE]
    fields = {seen for _, ((_, seen),) in output.maps}
    assert [(seen.size, seen.stride) for seen in fields] == [((3, 3), (2, 2))]


def test_a_window_smaller_than_the_map_is_not_global():
    # These leave the last row and column of 9x9 out, or slide; an empty border changes nothing.
    for text, size in (("avgpool8", 8), ("conv8-4", 8), ("avgpool2 x2", 4)):
        assert field_of(text, "1x9x9").size == (size, size)
    assert field_of("avgpool8(pad=((0, 1), (0, 1))); conv1-3", "1x7x7") == WHOLE
    # The only place of a map is seen by whatever reads it, and sees what it did.
    assert field_of("avgpool8; conv1-3", "1x9x9").size == (8, 8)
    assert field_of("avgpool8", "1xHxW").size == (8, 8)


def test_an_output_that_is_a_map_is_the_last():
    (output,) = output_fields(read("conv3-4; relu; dropout(0.5)"))
    assert [(node.path, seen) for node, seen in output.maps] == [("relu1", output.sees)]


def test_branches_that_end_in_maps_of_their_own_have_one_each():
    (output,) = output_fields(read("concat { | conv3-4; gap | conv5-4/2; gap }; fc-5"))
    assert [(node.path, seen.size) for node, ((_, seen),) in output.maps] == [
        *(("conv1", (3, 3)), ("conv2", (5, 5)))
    ]


def test_every_output_has_its_own_and_a_net_of_vectors_none():
    text = "conv3-4 as low; conv3-4; gap; fc-5 as scores\noutput scores, low"
    scores, low = output_fields(read(text))
    assert [seen for _, seen in scores.sees] == [WHOLE]
    assert [node.path for node, _ in scores.maps] == ["conv1"]
    assert [node.path for node, _ in low.maps] == ["low"]
    (vector,) = output_fields(read("fc-5", "8"))
    assert vector.maps == ()


def test_most_records_with_a_field_have_a_spec():
    assert len(set(KNOWN) & set(shipped_names())) >= 50


def read(text: str, input: str = "1x64x64") -> Graph:
    return build(Source("<test>", f"net t\ninput {input}\n{text}\n"))


def field_of(text: str, input: str = "1x64x64") -> Field | object:
    graph = read(text, input)
    return next(iter(receptive_fields(graph)[graph.outputs[0].value.node].values()))


def spans_by_gradient(text: str, size: int, outputs: range) -> list[tuple[int, int]]:
    """The first and last input element with a gradient, for each of some output elements."""
    graph = build(Source("<test>", f"net t\ninput 1x{size}\n{text}\n"))
    net = to_module(graph, Seeded(1)).double().eval()
    for parameter in net.parameters():
        parameter.data.fill_(1.0)
    found = []
    for index in outputs:
        given = torch.ones(1, 1, size, dtype=torch.float64, requires_grad=True)
        net(given)[0, 0, index].backward()
        places = given.grad[0, 0].nonzero().flatten()
        found.append((int(places[0]), int(places[-1])))
    return found


@pytest.mark.parametrize(
    "text",
    [
        "conv3-1(pad=same)",
        "conv5-1/2(pad=2); conv3-1(pad=1, dilation=2)",
        "conv3-1/2(pad=1); deconv4-1/2(pad=1)",
        "avgpool2; conv3-1(pad=1); deconv2-1/2",
        "conv3-1/2(pad=1); deconv3-1/2(pad=1, output_pad=1); conv3-1(pad=1)",
        "avgpool3/2(pad=1); deconv6-1/3(pad=1); avgpool2",
        "conv3-1/2(pad=1); deconv4-1/4; conv2-1/2",
        "add { | conv3-1(pad=1) | conv7-1(pad=3) }",
        "add { | avgpool2; deconv4-1/2(pad=1) | conv3-1(pad=1) }",
        "conv4-1(pad=((1, 2))); avgpool2",
        "conv3-1/2(pad=1); fc-1(over=5); fc-1(over=channels)",
        "conv3-1/2(pad=1); flip; conv4-1(pad=((1, 2)))",
        "conv3-1/2(pad=1); flip; deconv4-1/2(pad=1); conv2-1/2",
        "flip; deconv3-1/2; flip; conv3-1",
        "add { | conv3-1(pad=1) | flip; conv6-1(pad=((2, 3))); flip }",
    ],
)
def test_the_interval_of_every_inner_element_is_where_the_gradient_is(text):
    outputs = range(20, 32)
    seen = field_of(text, "1x128")
    assert isinstance(seen, Field)
    assert [seen.axes[0].at(i) for i in outputs] == spans_by_gradient(text, 128, outputs)


def test_the_axes_are_apart():
    seen = field_of("conv1x7-4/2x1(pad=same); maxpool3x1/3x1")
    assert seen.size == (5, 7)
    assert seen.stride == (6, 1)
    assert seen.start == (0, -3)


def test_upsampling_makes_strides_below_one():
    seen = field_of("conv3-1/2(pad=1); deconv2-1/2; deconv2-1/2")
    assert seen.stride == (Fraction(1, 2), Fraction(1, 2))
    assert seen.size == (3, 3)


def test_a_merge_takes_the_hull_of_what_its_branches_see():
    seen = field_of("concat { | conv1x5-2(pad=same) | conv3x1-2(pad=same) | identity }")
    assert seen.size == (3, 5)
    assert seen.start == (-1, -2)


def test_two_forks_of_flat_kernels_see_a_square_as_gradients_do():
    fork = "concat { | conv1x3-1(pad=same) | conv3x1-1(pad=same) }"
    text = f"{fork}; {fork}"
    net = to_module(build(Source("<test>", f"net t\ninput 1x9x9\n{text}\n")), Seeded(1)).double()
    for parameter in net.parameters():
        parameter.data.fill_(1.0)
    given = torch.ones(1, 1, 9, 9, dtype=torch.float64, requires_grad=True)
    net(given)[0, :, 4, 4].sum().backward()
    rows, columns = given.grad[0, 0].nonzero().T
    spans = [(int(places.min()), int(places.max())) for places in (rows, columns)]
    assert spans == [(2, 6), (2, 6)]
    assert field_of(text, "1x9x9").size == (5, 5)


def test_what_follows_a_global_step_sees_everything():
    assert field_of("mul { | conv3-4(pad=same) | gap; fc-4 }; conv3-4") == WHOLE


def test_a_step_that_cannot_say_gives_its_reason():
    seen = field_of("adaptive_avgpool(7); conv3-1")
    assert isinstance(seen, Unknown)
    assert "differ in size" in seen.reason


def test_every_input_has_a_field_of_its_own():
    graph = build(
        Source(
            "<test>",
            "net t\ninput a: 1x16\ninput b: 1x16\n"
            "@a; conv3-1(pad=1) as x; @b; conv5-1(pad=2) as y; add { | @x | @y }\n",
        )
    )
    seen = receptive_fields(graph)[graph.outputs[0].value.node]
    assert {name: field.size for name, field in seen.items()} == {"a": (3,), "b": (5,)}


def test_an_input_that_only_gives_its_size_is_not_seen():
    seen = field_of("conv7-2 as small; @input; conv3-2(pad=1); crop(@small)")
    assert seen.size == (3, 3)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("adaptive_avgpool(7)", "conv58-1", "differ in size"),
        ("maxpool2", "conv33-1", "it joins tensors of different strides"),
    ],
)
@pytest.mark.parametrize("after", ["", "; conv3-1", "; add { | identity | conv3-1(pad=same) }"])
def test_a_reason_is_kept_by_what_joins_and_follows(one, other, reason, after):
    for first, second in ((one, other), (other, one)):
        seen = field_of(f"add {{ | {first} | {second} }}{after}")
        assert isinstance(seen, Unknown)
        assert reason in seen.reason


def test_what_sees_everything_does_so_beside_a_field_in_any_order():
    for branches in ("conv3-4(pad=same) | gap; fc-4", "gap; fc-4 | conv3-4(pad=same)"):
        assert field_of(f"mul {{ | {branches} }}; conv3-4") == WHOLE


def test_one_window_that_leaves_part_of_the_map_out_does_not_see_everything():
    """Its padding lies before the map, and the map goes on behind it."""
    assert field_of("conv7-1/8(pad=2)", "1x8x8").size == (7, 7)
    assert field_of("conv7-1/8(pad=2)", "1x5x5") == WHOLE
    assert field_of("conv7-1/8(pad=2)", "1x6x6").size == (7, 7)


@pytest.mark.parametrize(
    ("text", "periods"),
    [
        ("conv3-1/2(pad=1); deconv4-1/2(pad=1)", 2),
        ("conv3-1/2(pad=1); deconv2-1/2", 2),
        ("conv3-1; deconv2-1/2; maxpool2", 1),
        ("deconv2-1/2; deconv3-1/3", 6),
        ("deconv4-1/4; maxpool2", 2),
        ("upsample(6); maxpool4/4", 3),
        ("upsample(3); flip; maxpool3", 1),
    ],
)
def test_what_repeats_is_said_once(text, periods):
    """Equal fields are equal records, whatever steps they come from."""
    seen = field_of(text, "1x24x24")
    assert [len(axis.intervals) for axis in seen.axes] == [periods] * 2
