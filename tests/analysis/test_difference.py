"""What two nets compute otherwise: each change at its line and nothing else, and what is no change."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from support.shelves import sources
from support.watching import counting

import netspec
from netspec.analysis.difference.difference import difference
from netspec.analysis.difference.sequences import aligned, paired, rising
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.written import written
from netspec.syntax.files import read_spec

SCHEMA = json.loads(files("netspec").joinpath("schemas/diff.json").read_text())


def of(text: str, name: str = "net.ns") -> Graph:
    return build(Source(name, text))


def said(before: str, after: str) -> list[tuple[str, str, int]]:
    """Each change as its texts and its line."""
    found = difference(of(before, "old.ns"), of(after, "new.ns"))
    return [(c.before, c.after, c.place.line) for c in found.changes]


# --- no difference

BLOCKS = """\
net tiny
input 3x32x32
default conv(pad=same, act=relu)
block unit(n, s=1) { residual { conv3-n/s as first; conv3-n(act=none) }; relu }
conv3-16 as stem
unit(16) x2
unit(32, s=2) as last
concat { | @last; gap | @stem; gap }
fc-10; softmax
"""

SAME = {
    "layout and comments": BLOCKS.replace("; ", "   ;\n  ").replace(
        "net tiny", "net tiny  # so small"
    ),
    "names of steps": BLOCKS.replace("first", "one").replace("stem", "root").replace("last", "end"),
    "names of blocks": BLOCKS.replace("unit", "bricks"),
    "the net's name": BLOCKS.replace("tiny", "small"),
    "the order of declarations": """\
block unit(n, s=1) { residual { conv3-n/s as first; conv3-n(act=none) }; relu }
net tiny
default conv(act=relu, pad=same)
input 3x32x32
"""
    + BLOCKS[BLOCKS.index("conv3-16 as stem") :],
    "defaults as arguments": BLOCKS.replace("default conv(pad=same, act=relu)\n", "")
    .replace("conv3-16 as", "conv3-16(pad=same, act=relu) as")
    .replace("conv3-n/s", "conv3-n/s(pad=same, act=relu)")
    .replace("(act=none)", "(pad=same)"),
    "a block written out": BLOCKS.replace(
        "unit(32, s=2) as last",
        "residual { conv3-32/2; conv3-32(act=none) }; relu as last",
    ),
    "a repeat written out": BLOCKS.replace("unit(16) x2", "unit(16); unit(16)"),
    "an activation as a step": BLOCKS.replace(
        "conv3-16 as stem", "conv3-16(act=none); relu as stem"
    ),
    "figures": BLOCKS.replace("input", 'paper "Somebody, 2020"\nyear 2020\ninput', 1),
    "every step by itself": written(of(BLOCKS)),
}


@pytest.mark.parametrize("what", SAME)
def test_this_is_no_difference(what: str) -> None:
    assert SAME[what] != BLOCKS
    assert said(BLOCKS, SAME[what]) == []
    assert said(SAME[what], BLOCKS) == []


def test_the_order_of_steps_that_do_not_read_each_other_is_no_difference() -> None:
    start = "input 3x8x8\nrelu as x\n"
    one, other = "@x; conv3-8(pad=same) as a\n", "@x; conv5-8(pad=same) as b\n"
    end = "concat { | @a | @b }\n"
    assert said(start + one + other + end, start + other + one + end) == []
    assert said(start + one + other + end, start + one + other + "concat { | @b | @a }\n") == [
        ("concat", "concat", 5)
    ]


def test_the_order_of_what_is_added_is_no_difference() -> None:
    assert said("input 3x8x8; add { | relu | tanh }", "input 3x8x8; add { | tanh | relu }") == []
    assert said("input 3x8x8; sub { | relu | tanh }", "input 3x8x8; sub { | tanh | relu }") != []


def test_a_shipped_net_is_what_it_is_as_plain_steps() -> None:
    for source in sources(plain=True)[::2]:
        graph = build(source)
        if len(graph.nodes) < 300:
            flat = of(written(graph))
            assert [str(c.place) for c in difference(graph, flat).changes] == [], source.name


@pytest.mark.slow
def test_every_shipped_net_is_what_it_is_as_plain_steps() -> None:
    for source in sources():
        graph = build(source)
        assert difference(graph, of(written(graph))).changes == (), source.name


# --- in the words of a person


def test_a_block_that_is_run_more_often() -> None:
    found = netspec.diff("resnet101", "resnet152")
    assert [change.effects for change in found.changes] == [
        ("stage2: bottleneck x4 → x8",),
        ("stage3: bottleneck x23 → x36",),
    ]
    assert found.changes[1].place.text == "stage(bottleneck, 256, 36)"
    assert found.tensors.renamed == ()
    assert len(found.tensors.same) == 522


def test_a_block_is_inserted_once_and_not_by_its_steps() -> None:
    after = BLOCKS.replace("unit(32", "squeeze_excite(4)\nunit(32")
    found = difference(of(BLOCKS), of(after))
    assert [(c.kind, c.after, c.place.line) for c in found.changes] == [
        ("inserted", "squeeze_excite(4)", 7)
    ]
    assert found.changes[0].inserted[0] == "squeeze_excite1.gap1"


def test_a_residual_put_around_steps_is_inserted_and_they_are_not() -> None:
    plain = "input 8x8x8\nconv3-8(pad=same); relu\n"
    assert said(plain, plain.replace("conv3-8(pad=same)", "residual { conv3-8(pad=same) }")) == [
        ("", "residual { conv3-8(pad=same) }", 2)
    ]


def test_a_change_in_a_block_is_said_once_for_all_its_calls() -> None:
    found = difference(of(BLOCKS), of(BLOCKS.replace("conv3-n/s", "conv5-n/s")))
    assert [(c.before, c.after, c.place.line, c.effects) for c in found.changes] == [
        ("conv3-n/s", "conv5-n/s", 4, ("kernel 3 → 5 in 3 layers",))
    ]


def test_what_follows_from_a_change_is_not_repeated() -> None:
    before = "input 3x8x8\nconv1-4\nresidual(shortcut=auto) { conv1-(2*C); conv1-4 }\nconv1-C\n"
    assert said(before, before.replace("conv1-4\nresidual", "conv1-8\nresidual")) == [
        ("conv1-4", "conv1-8", 2)
    ]


def test_two_edits_far_apart_leave_what_is_between_them_alone() -> None:
    middle = "conv3-8(pad=same); relu\n" * 60
    before = f"input 3x8x8\nconv3-4(pad=same)\n{middle}gap; fc-10\n"
    after = before.replace("conv3-4", "conv3-5").replace("fc-10", "fc-11")
    assert said(before, after) == [
        ("conv3-4(pad=same)", "conv3-5(pad=same)", 2),
        ("fc-10", "fc-11", 63),
    ]


def test_a_default_is_said_once_with_what_came_or_went() -> None:
    before = "input 3x8x8\ndefault conv(pad=same, norm=bn)\n" + "conv3-8\n" * 9
    found = difference(of(before), of(before.replace(", norm=bn", "")))
    assert [(c.kind, c.place.line, c.effects) for c in found.changes] == [
        ("default", 2, ("9 bn removed",))
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("input 3x8x8; conv3-4(pad=1)", "input 3x8x8; conv3-4(pad=same)"),
        ("input 3xHxW; conv5-4(pad=2)", "input 3xHxW; conv5-4(pad=same)"),
        ("input 3x8x8; maxpool3/2(ceil=yes)", "input 3x8x8; maxpool3/2(pad=tf_same)"),
        ("input 3x8x8; avgpool3/1(pad=1)", "input 3x8x8; avgpool3/1(pad=same)"),
        ("input 3x8x8; conv-4(kernel=(3, 3))", "input 3x8x8; conv3-4"),
    ],
)
def test_windows_that_come_to_the_same_are_no_difference(one: str, other: str) -> None:
    assert one != other
    assert said(one, other) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("input 3x8x8; avgpool3/2(ceil=yes)", "input 3x8x8; avgpool3/2(pad=tf_same)"),
        ("input 3x9x9; conv3-4/2", "input 3x9x9; conv3-4/2(pad=(0, 1))"),
        ("input 3xHxW; maxpool3/2(ceil=yes)", "input 3xHxW; maxpool3/2"),
    ],
)
def test_windows_that_do_not_are_a_difference(one: str, other: str) -> None:
    (change,) = said(one, other)
    assert change[2] == 1


def test_what_was_moved_is_one_change_with_both_places() -> None:
    after = BLOCKS.replace("conv3-16 as stem\n", "lrn(5); conv3-16 as stem\n")
    before = BLOCKS.replace("conv3-16 as stem\n", "conv3-16 as stem; lrn(5)\n")
    (change,) = difference(of(before, "old.ns"), of(after, "new.ns")).changes
    assert (change.kind, change.after, change.place.line) == ("moved", "lrn(5)", 5)
    assert change.old is not None
    assert (change.old.line, change.old.column) == (5, 19)
    text = str(difference(of(before, "old.ns"), of(after, "new.ns")))
    assert "~ lrn(5) moved (new.ns:5:1)\n    from old.ns:5:19\n" in text


def test_a_moved_block_keeps_its_weights_and_what_it_is_told_otherwise_is_said() -> None:
    text = "input 4x8x8\nblock u(n) { conv3-n(pad=same); bn }\nu(4); tanh; u(8)\n"
    found = difference(of(text), of(text.replace("u(4); tanh; u(8)", "tanh; u(4); u(8)")))
    assert [change.kind for change in found.changes] == ["moved"]
    assert found.tensors.verdict == "load"
    both = difference(
        of("net x(c=3)\ninput 4\nfc-5; fc-c; tanh\n"),
        of("net x(c=4)\ninput 4\nfc-c; fc-5; tanh\n"),
    )
    assert [(c.kind, c.after, c.place.line) for c in both.changes] == [
        ("parameter", "c=4", 1),
        ("moved", "fc-c", 3),
    ]


def test_equal_steps_in_a_row_came_where_the_text_says_so() -> None:
    before = "input 3x8x8\nconv3-8(pad=same)\nconv3-8(pad=same) x3; relu\nfc-5\n"
    after = before.replace("conv3-8(pad=same)\n", "conv3-8(pad=same) x2\n", 1)
    assert [line for _, _, line in said(before, after)] == [2]
    assert [line for _, _, line in said(before, after.replace("fc-5", "fc-6"))] == [2, 4]


def test_lines_are_paired_with_those_most_like_them() -> None:
    rows = "conv3-8; maxpool2\nconv3-8; maxpool2\nconv3-8; relu\n"
    before = f"input 3x64x64\ndefault conv(pad=same, act=relu)\n{rows}"
    after = before.replace("maxpool2", "maxpool4", 1).replace("relu\n", "relu; tanh\n")
    assert said(before, after.replace("act=relu", "act=elu")) == [
        ("default conv(pad=same, act=relu)", "default conv(pad=same, act=elu)", 2),
        ("maxpool2", "maxpool4", 3),
        ("", "tanh", 5),
    ]


def test_whose_weights_a_block_has_is_said_once() -> None:
    text = "input 4x8x8\nblock u(n) { conv3-n(pad=same); bn }\nu(4) as a; tanh; u(4, weights=@a)\n"
    apart = text.replace(", weights=@a", "")
    assert [c.effects for c in difference(of(text), of(apart)).changes] == [
        ("u1 has weights of its own, not those of a",)
    ]
    assert [c.effects for c in difference(of(apart), of(text)).changes] == [
        ("u1 has the weights of a, not its own",)
    ]


def test_the_order_of_what_is_joined_is_said_by_number() -> None:
    before = "input 3x8x8\nconcat { | relu | tanh | sigmoid }\n"
    found = difference(of(before), of(before.replace("relu | tanh", "tanh | relu")))
    assert [c.effects for c in found.changes] == [
        ("concat1 reads the same in another order: 2, 1, 3",)
    ]


def test_how_often_is_not_said_twice() -> None:
    found = difference(of(BLOCKS), of(BLOCKS.replace("unit(16) x2", "unit(16) x3")))
    assert [(c.after, c.effects) for c in found.changes] == [("unit(16) x3", ())]


def test_what_a_net_reads_says_which_tensor_of_several() -> None:
    before = "input 4x8x8\nsplit(2)\n{ | identity as a | identity as b }\n@a; conv1-4 as c\n@b; add(@c)\n"
    before = before.replace("conv1-4", "conv1-2")
    found = difference(of(before), of(before.replace("@a; conv", "@b; conv")))
    assert [c.effects for c in found.changes] == [("c reads split1[2], not split1[1]",)]


def test_a_scale_of_all_widths_is_one_change() -> None:
    text = read_spec("shufflenet_v1").text
    text = "\n".join(line for line in text.split("\n") if not line.startswith("expect"))
    found = difference(of(text), of(text.replace("width=240", "width=480")))
    assert [(c.kind, c.after, c.place.line) for c in found.changes] == [
        ("parameter", "width=480", 1)
    ]


def test_a_variation_is_compared_with_its_net_at_its_line() -> None:
    text = "net one(n=4)\ninput 3x8x8\nconv1-n\n\nnet two = one(n=8)\n"
    one, two = (build(Source("net.ns", text, net=name)) for name in ("one", "two"))
    assert [(c.after, c.place.line) for c in difference(one, two).changes] == [("n=8", 5)]


def test_a_branch_that_reads_something_else() -> None:
    before = "input 3x8x8\nrelu as a; tanh as b\nadd { | @b | @a; conv1-3 }\n"
    found = difference(of(before), of(before.replace("@a; conv", "@b; conv")))
    assert [(c.kind, c.place.line) for c in found.changes] == [("rewired", 3)]
    assert found.changes[0].effects == ("conv1 reads b, not a",)


def test_a_condition_that_chooses_other_steps() -> None:
    before = "net x(deep=no)\ninput 3x8x8\nif deep { conv1-8 } else { relu }\nif deep { tanh }\n"
    assert said(before, before.replace("deep=no", "deep=yes")) == [("deep=no", "deep=yes", 1)]


def test_names_that_others_see_are_differences() -> None:
    before = "input image: 3x8x8\nhead aux(loss=0.3) { gap; fc-2 }\nconv1-4 as map\noutput map\n"
    assert said(before, before.replace("image", "photo")) == [
        ("input image: 3x8x8", "input photo: 3x8x8", 1)
    ]
    assert said(before, before.replace(" map", " scores")) == [("map", "scores", 4)]
    assert said(before, before.replace("0.3", "0.5")) == [
        ("head aux(loss=0.3)", "head aux(loss=0.5)", 2)
    ]


def test_steps_that_are_no_longer_trained() -> None:
    before = "input 3x8x8\nconv1-4\nconv1-4 x3\n"
    after = before.replace("conv1-4 x3", "freeze { conv1-4 x3 }")
    found = difference(of(before), of(after))
    assert [(c.after, c.place.line, c.effects) for c in found.changes] == [
        ("freeze", 3, ("3 layers no longer trained",))
    ]


def test_steps_of_which_all_are_kept() -> None:
    before = "input 3x8x8\nconv1-4 x2; concat\n"
    after = before.replace("conv1-4 x2", "every { conv1-4 x2 }")
    found = difference(of(before), of(after))
    assert [(c.after, c.place.line, c.effects) for c in found.changes] == [
        ("every", 2, ("concat1 reads input, conv1 too",))
    ]
    found = difference(of(after), of(before))
    assert [(c.before, c.effects) for c in found.changes] == [
        ("every", ("concat1 no longer reads input, conv1",))
    ]


# --- figures and weights


def test_figures_are_those_of_both_nets() -> None:
    found = netspec.diff("vgg16", "vgg19")
    plain = found.as_json()
    assert plain["params"] == [netspec.load(name).params for name in ("vgg16", "vgg19")]
    assert plain["macs"][1] - plain["macs"][0] == sum(
        layer.macs
        for layer in netspec.load("vgg19").summary(flat=True).layers
        if layer.path in {path for change in found.changes for path in change.inserted}
    )


def test_weights_are_compared_by_layer_and_not_by_name() -> None:
    before = "input 3x8x8\nconv3-8(pad=same); conv3-8(pad=same)\ngap; fc-10\n"
    after = before.replace(
        "conv3-8(pad=same); conv", "conv3-8(pad=same); conv3-8(pad=same, act=relu); conv"
    )
    found = difference(of(before), of(after)).tensors
    assert found.verdict == "partly"
    assert found.same == ("conv1.weight", "conv1.bias", "fc1.weight", "fc1.bias")
    assert found.renamed == (("conv2.weight", "conv3.weight"), ("conv2.bias", "conv3.bias"))
    assert found.new == ("conv2.weight", "conv2.bias")
    # A state_dict has these names in these shapes, of what is now the third layer.
    assert set(found.misled) == {"conv2.weight", "conv2.bias"}


def test_weights_load_where_only_what_has_none_changed() -> None:
    found = netspec.diff("input 3x8x8; conv3-8; relu", "input 3x9x9; conv3-8; elu")
    assert found.tensors.verdict == "load"
    assert "old weights: load as they are" in str(found)


# --- how it is said


def test_the_json_is_what_the_schema_says() -> None:
    for pair in (("resnet50", "se_resnet50"), ("googlenet", "googlenet_bn"), ("vgg16", "vgg16")):
        jsonschema.validate(netspec.diff(*pair).as_json(), SCHEMA)


def test_json_that_says_less_is_not_the_schemas() -> None:
    plain = netspec.diff("vgg16", "vgg19").as_json()
    del plain["changes"][0]["old"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, SCHEMA)


def test_the_text_has_each_place_and_both_totals() -> None:
    text = str(netspec.diff("input 3x8x8; conv3-8", "input 3x8x8; conv3-8/2; relu"))
    assert "~ conv3-8 → conv3-8/2 (<text>:1:14)" in text
    assert "+ relu (<text>:1:25)" in text
    assert "parameters: 224, unchanged" in text
    assert "MACs: 7,776 → 1,944 (-5,832, -75.0%)" in text
    assert "\x1b" not in text
    assert "\x1b[32m+" in netspec.diff("input 3x8x8; tanh", "input 3x8x8; tanh; relu").to_text(
        color=True
    )


def test_a_difference_is_true_where_there_is_one() -> None:
    assert not netspec.diff("lenet5", "lenet5")
    assert netspec.diff("lenet5", "mlp")


# --- sequences


def test_equal_items_are_paired_in_order() -> None:
    assert aligned("abcxd", "abycd") == [(0, 0), (1, 1), (2, 3), (4, 4)]
    assert aligned("", "abc") == []
    a = list(range(3000))
    b = [*a[:1000], -1, *a[1000:2000], *a[2001:]]
    assert len(aligned(a, b)) == 2999


def test_repeated_items_are_paired_with_the_fewest_edits() -> None:
    a, b = "xy" * 300, "xy" * 100 + "z" + "xy" * 201
    assert len(aligned(a, b)) == 600
    found = aligned(a, b)
    assert all(a[i] == b[j] for i, j in found)
    assert found == rising(found)


def test_alike_items_are_paired_by_the_largest_sum() -> None:
    scores = [[1.0, 3.0], [3.0, 1.0]]
    assert paired((2, 2), lambda i, j: scores[i][j], lambda i, j: True) in ([(0, 1)], [(1, 0)])
    assert paired((1, 1), lambda i, j: 0.0, lambda i, j: True) == []


# --- how much work it is


def test_twice_the_layers_are_twice_the_work() -> None:
    text = "input 3x8x8\ndefault conv(pad=same, act=relu)\nblock u(n) { residual { conv3-n; conv3-n } }\n"
    calls = []
    for count in (60, 120):
        rows = "".join(f"u({8 + i % 5}); maxpool3/1(pad=1)\n" for i in range(count))
        pair = of(text + rows), of((text + rows).replace("act=relu", "act=elu"))
        with counting() as work:
            assert [change.place.line for change in difference(*pair).changes] == [2]
        calls.append(work.calls)
    assert calls[1] < 2.6 * calls[0]
