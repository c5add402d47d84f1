"""Summaries say what a net costs: exactly, in every form, under every convention."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from functools import cache
from importlib.resources import files

import jsonschema
import pytest
from support.places import DOCS
from support.shelves import others, shipped

from netspec.analysis.compare import compare
from netspec.analysis.costs import costs
from netspec.analysis.explain import explain
from netspec.analysis.quantities import formula
from netspec.analysis.summary import Summary, summarize
from netspec.analysis.training.memory import training_memory
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.passes.deploy import deploy
from netspec.sizes.dims import substitute
from netspec.syntax.files import read_spec

SCHEMA = json.loads(files("netspec").joinpath("schemas/summary.json").read_text())
# Of what a summary can hold: heads, inputs and outputs side by side, states, embeddings, choices, columns
# that are dropped, groups, several nets in one, windows, frozen and shared weights, lists of boxes.
PLAIN = (
    *("alexnet", "alexnet_two_gpu", "captioning", "densenet121", "fast_rcnn", "fcn8s"),
    *("fractalnet20", "googlenet", "neocognitron", "nasnet_mobile", "resnet50", "se_resnet50"),
    *("sentence_cnn", "shufflenet_v1", "squeezenet1_1", "tdnn", "unet", "vae", "vgg_ensemble"),
    *("window_tagger", "blocks/squeeze_excite", "blocks/contrast_norm"),
)


def text_net(text: str) -> Graph:
    return build(Source("<test>", f"net t\n{text}\n"))


@cache
def summarized(name: str, options: tuple[tuple[str, object], ...]) -> Summary:
    return summarize(shipped(name), **dict(options))


@pytest.fixture(scope="module")
def googlenet() -> Summary:
    return summarize(shipped("googlenet"))


def row(table: str, label: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.strip().startswith(label))
    return line.split()


# --- totals


def test_layers_add_up_to_the_totals(googlenet):
    assert sum(layer.params for layer in googlenet.layers) == googlenet.params == 6998552
    assert sum(layer.macs for layer in googlenet.layers) == googlenet.macs == 1582671872
    assert googlenet.depth == 22


def test_training_only_heads_are_apart(googlenet):
    assert [head.name for head in googlenet.heads] == ["aux1", "aux2"]
    assert sum(head.params for head in googlenet.heads) == 13378280 - 6998552
    assert sum(head.macs for head in googlenet.heads) == 1591044096 - 1582671872
    assert all(layer.path.startswith("aux") for layer in googlenet.training_layers)


def test_frozen_statistics_and_constants_are_apart():
    found = summarize(text_net("input 3x8x8\nconv3-4(frozen=yes); bn; fc-2"))
    assert (found.params_frozen, found.params, found.buffers) == (112, 8 + 290, 8)
    assert found.weight_bytes == 4 * (112 + 298 + 8)


def test_what_only_sampling_reads_is_not_in_the_deployed_net():
    found = summarize(text_net("input 6\n{ | fc-2 as mu | fc-3 as s; fc-2 }; sample"))
    assert found.params == 6 * 2 + 2
    assert {layer.path for layer in found.training_layers} == {"s", "fc1"}


def test_shared_weights_count_once_and_name_their_owner():
    found = summarize(text_net("input 4\nfc-4 as a; fc-4(weights=@a); fc-4(weights=@a)"))
    assert found.params == 20
    assert found.macs == 48
    assert [layer.shares for layer in found.layers] == [None, "a", "a"]


def test_symbolic_sizes_give_formulas():
    found = summarize(text_net("input 3xHxW\nconv3-8/2(pad=1); gap; fc-5"))
    assert "floor((H + 1)/2)*floor((W + 1)/2)" in str(found.macs)
    fixed = summarize(text_net("input 3x33x48\nconv3-8/2(pad=1); gap; fc-5"))
    assert substitute(found.macs, {"H": 33, "W": 48}) == fixed.macs
    assert substitute(found.peak_activation, {"H": 33, "W": 48}) == fixed.peak_activation


def test_tables_round_up_where_that_is_shorter():
    table = summarize(text_net("input 3xHxW\nconv3-8/2(pad=1); maxpool2")).to_text()
    assert "8x[ceil(H/2)]x[ceil(W/2)]" in table
    assert "216*ceil(H/2)*ceil(W/2)" in table
    assert "floor((H + 1)/4)" in table


# --- memory


def test_memory_is_freed_after_its_last_reader():
    # 4 KiB in, 8 KiB made: both are alive at the first step, then the input is free.
    found = summarize(text_net("input 1x32x32\nconv1-2; relu; avgpool32"))
    assert found.peak_activation == 4 * 1024 * (2 + 2)
    assert found.peak_at == "relu1"


@pytest.mark.parametrize("name", ["googlenet", "densenet121", "unet", "fcn8s", "nasnet_mobile"])
def test_the_peak_is_what_counting_at_every_step_gives(name):
    graph = deploy(shipped(name))
    step = {node: i for i, node in enumerate(graph.nodes)}
    ends = {output.value.node for output in graph.outputs}
    sizes = {node: 4 * math.prod(node.types[0].shape) for node in graph.nodes}
    alive = [
        sum(
            sizes[node]
            for node in graph.nodes
            if step[node] <= now
            and (node in ends or max(map(step.get, graph.consumers[node])) >= now)
        )
        for now in range(1, len(graph.nodes))
    ]
    assert summarize(shipped(name)).peak_activation == max(alive)


def test_a_skip_keeps_its_tensor_alive():
    through = summarize(text_net("input 1x32x32\nconv1-1; conv1-1; conv1-1"))
    skip = summarize(text_net("input 1x32x32\nconv1-1 as x; conv1-1; conv1-1; add(@x)"))
    assert through.peak_activation == 4 * 1024 * 2
    assert skip.peak_activation == 4 * 1024 * 3


def test_dropout_and_unread_pooling_indices_take_no_memory():
    plain = summarize(text_net("input 1x32x32\nmaxpool2; fc-4"))
    dropped = summarize(text_net("input 1x32x32\nmaxpool2; dropout; fc-4"))
    read = summarize(text_net("input 1x32x32\nmaxpool2 as p; unpool(@p)"))
    assert plain.peak_activation == dropped.peak_activation == 4 * (1024 + 256)
    # Unpooling reads the pooled map, its indices (8 bytes each) and the size of the first map.
    assert read.peak_activation == 4 * (1024 + 256 + 1024) + 8 * 256


# --- JSON


@pytest.mark.parametrize("name", [*PLAIN, *others(PLAIN)])
def test_json_of_every_shipped_net_follows_the_schema(name):
    graph = shipped(name)
    found = json.loads(json.dumps(summarize(graph).as_json()))
    jsonschema.validate(found, SCHEMA)
    assert found["params"] == sum(layer["params"] for layer in found["layers"])
    totals = costs(graph)
    if isinstance(totals.macs, int):
        assert found["macs"] == totals.macs == sum(layer["macs"] for layer in found["layers"])


def test_json_keys_are_those_that_are_promised(googlenet):
    found = googlenet.as_json()
    promised = "format_version name inputs outputs params params_frozen buffers macs depth layers"
    assert set(promised.split()) <= set(found)
    layer = next(item for item in found["layers"] if item["path"] == "inception3a.conv3")
    assert layer["op"] == "conv"
    assert layer["output"] == [128, 28, 28]
    assert layer["params"] == 110720
    assert layer["macs"] == 86704128
    assert layer["receptive_field"] == [43, 43]
    assert found["training_only"]["params"] == 6379728


def test_nets_are_compared_by_the_field_of_their_last_map():
    nets = [summarize(shipped(name)) for name in ("googlenet", "resnet50", "unet", "sentence_cnn")]
    lines = compare(nets).to_csv().splitlines()
    at = lines[0].split(",").index("field")
    assert [line.split(",")[at : at + 2] for line in lines[1:]] == [
        *(["715/32", "all"], ["483/32", "all"], ["204", "204"], ["3..5", "all"])
    ]
    assert "last map: 1024x7x7 at inception5b.concat1, field 715/32; the output sees all" in str(
        nets[0]
    )
    (output,) = nets[0].as_json()["receptive_fields"]
    assert (output["output"], output["receptive_field"]) == ("output", "all")
    (last,) = output["last_maps"]
    assert last["path"] == "inception5b.concat1"
    assert last["shape"] == [1024, 7, 7]
    assert last["receptive_field_stride"] == [32, 32]


def test_the_schema_refuses_what_is_not_a_summary(googlenet):
    found = googlenet.as_json()
    for spoilt in (
        {**found, "params": "many"},
        {**found, "extra": 1},
        {key: found[key] for key in found if key != "macs"},
        {**found, "layers": [{**found["layers"][0], "receptive_field": "wide"}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoilt, SCHEMA)


def test_json_of_symbolic_sizes_holds_formulas():
    found = summarize(text_net("input 3xHxW\nconv3-8(pad=1)")).as_json()
    jsonschema.validate(found, SCHEMA)
    assert found["outputs"][0]["shape"] == [8, "H", "W"]
    assert found["macs"] == "216*H*W"


# --- tables


def test_steps_are_grouped_by_block_and_repeats_folded():
    table = summarize(shipped("resnet50")).to_text()
    assert {"215,808", "667,942,912"} <= {cell.strip() for cell in row(table, "stage1")}
    assert "bottleneck2..3 x2" in table
    assert "bottleneck2..6 x5" in table
    assert len(table.splitlines()) < 80


def test_a_folded_line_shows_the_numbers_of_all_copies():
    table = summarize(text_net("input 4x9x9\nconv3-4(pad=1) x3")).to_text()
    cells = " ".join(row(table, "conv1..3 x3"))
    assert "444" in cells
    assert "34,992" in cells
    assert "3..7" in cells


def test_equal_branches_are_not_repeats():
    table = summarize(text_net("input 4x9x9\nconcat { | conv1-4 | conv1-4 }")).to_text()
    assert " x2" not in table


def test_flat_tables_have_a_line_for_every_layer():
    flat = summarize(shipped("resnet18"), flat=True)
    lines = flat.to_text().splitlines()
    assert sum(line.startswith("stage") for line in lines) == sum(
        layer.path.startswith("stage") for layer in flat.layers
    )


@pytest.mark.parametrize("options", [{}, {"flat": True}, {"depth": 1}])
@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 120])
@pytest.mark.parametrize("name", ["nasnet_mobile", "resnet18", "captioning", "luong_attention"])
def test_no_line_is_longer_than_the_width(name, width, options):
    lines = summarized(name, tuple(options.items())).to_text(width).splitlines()
    assert max(map(len, lines)) <= width


def test_long_formulas_wrap_and_lose_nothing():
    graph = build(read_spec("unet"), {}, ("1xHxW",))
    found = summarize(graph)
    lines = found.to_text(80).splitlines()
    assert max(map(len, lines)) <= 80
    flow = "".join("".join(lines).split())
    assert f"MACs:{''.join(formula(found.macs).split())}(" in flow
    memory = sum(layer.activation for layer in found.layers)
    assert f"memory:{''.join(formula(memory).split())}Bis" in flow
    assert "% of MACs" not in flow  # a formula has no shares


def test_names_are_shortened_after_all_else_and_say_their_ends():
    found = summarize(text_net("input 4\nfc-4 as a_very_long_name_of_a_layer_indeed"))
    assert "a_very_long_name_of_a_layer_indeed" in found.to_text(70)
    label = found.to_text(40).splitlines()[2].split()[0]
    assert label.startswith("a_very")
    assert label.endswith("indeed")
    assert "*" in label


def test_shares_are_those_of_the_deployed_net(googlenet):
    table = googlenet.to_text(160)
    assert row(table, "inception3a")[-6:-2] == ["163,696", "2.3", "128,049,152", "8.1"]
    assert row(table, "deployed")[1:5] == ["6,998,552", "100", "1,582,671,872", "100"]
    # What acts in training only is no part of the whole.
    assert row(table, "training only")[2:4] == ["6,379,728", "8,372,224"]


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "nasnet_mobile"])
def test_shares_of_all_layers_add_up_to_the_whole(name):
    lines = summarize(shipped(name), flat=True).to_markdown().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("|") and "**" not in line][2:]
    for column in (5, 7):
        shown = [cells[column].strip() for cells in rows]
        shares = [
            0.05 if text.endswith("<0.1") or "lt;" in text else float(text or 0) for text in shown
        ]
        assert abs(sum(shares) - 100) <= 0.05 * len(rows)


def test_depth_closes_blocks_and_keeps_their_sums():
    net = shipped("resnet50")
    tables = [summarize(net, depth=depth).to_text() for depth in (0, 1, 2)]
    labels = [
        [x.split("  ")[0] or x.strip().split("  ")[0] for x in t.splitlines()] for t in tables
    ]
    assert [len(x) for x in labels] == sorted({len(x) for x in labels})
    assert "    conv1" not in tables[1]
    assert "  bottleneck1" in tables[1]
    assert "  bottleneck1" not in tables[0]
    # A block that is closed says what it sees at its end, in the first and in the last of its copies.
    assert row(tables[0], "stage4")[-1] == "483/32"
    assert row(tables[1], "bottleneck2..3 x2")[-1] == "27/4..35/4"
    assert tables[2] == summarize(net).to_text()
    open_line = row(summarize(net).to_text(), "stage2")
    assert row(tables[0], "stage2")[: len(open_line)] == open_line


@pytest.mark.parametrize("name", ["googlenet", "resnet50", "lenet5", "captioning"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_depth_closes_blocks_in_json_and_csv_too(name, depth):
    net = shipped(name)
    whole, closed = summarize(net), summarize(net, depth=depth)
    jsonschema.validate(closed.as_json(), SCHEMA)
    for section in (lambda x: x, lambda x: x["training_only"]):
        every, rows = (section(x.as_json())["layers"] for x in (whole, closed))
        for key in ("params", "params_frozen", "buffers", "constants", "macs", "activation_bytes"):
            assert sum(row[key] for row in every) == sum(row[key] for row in rows)
        assert sum(row.get("layers", 1) for row in rows) == len(every)
        assert [row["path"].count(".") <= depth for row in rows] == [True] * len(rows)
        # What is in no closed block is as it was.
        assert all(row in every for row in rows if "layers" not in row)
    paths = [row[0] for row in csv.reader(closed.to_csv().splitlines())][1:]
    figures = closed.as_json()
    assert paths == [x["path"] for x in [*figures["layers"], *figures["training_only"]["layers"]]]


def test_a_closed_block_is_named_and_gives_what_its_last_layer_gives():
    rows = {row["path"]: row for row in summarize(shipped("resnet50"), depth=0).as_json()["layers"]}
    stage = rows["stage4"]
    assert (stage["op"], stage["detail"], stage["layers"]) == ("stage", "bottleneck, 512, 3", 32)
    assert stage["output"] == [2048, 7, 7]
    assert stage["receptive_field"] == [483, 483]
    assert (stage["params"], stage["shares"]) == (14_964_736, None)


def test_a_tool_is_named_only_where_it_counts_so():
    """torch's FlopCounterMode takes a connection table for a full convolution."""
    assert "FlopCounter" in str(summarize(shipped("lenet5")))
    assert "FlopCounter" not in str(summarize(shipped("lenet5_1998")))
    both = compare([summarize(shipped(name)) for name in ("lenet5", "lenet5_1998")])
    assert "FlopCounter" not in both.to_text()
    assert both.to_text().count("multiply-adds") == 1


def test_text_that_is_too_wide_names_what_it_leaves_out(googlenet):
    table = googlenet.to_text(width=70)
    assert "left out to fit 70 columns" in table
    body = table.split("\n\n")[0].splitlines()
    assert max(map(len, body)) <= 70


def test_colour_is_only_used_when_asked(googlenet):
    assert "\x1b" not in googlenet.to_text()
    assert "\x1b" in googlenet.to_text(color=True)


def test_csv_has_every_layer_with_exact_numbers(googlenet):
    lines = list(csv.DictReader(io.StringIO(googlenet.to_csv())))
    assert len(lines) == len(googlenet.layers) + len(googlenet.training_layers)
    found = next(line for line in lines if line["layer"] == "inception3a.conv3")
    assert found["params"] == "110720"
    assert found["MACs"] == "86704128"


def test_markdown_is_one_table_with_as_many_cells_in_each_line(googlenet):
    lines = [x for x in googlenet.to_markdown().splitlines() if x.startswith("|")]
    assert {line.count("|") for line in lines} == {10}
    assert "1,582,671,872" in googlenet.to_markdown()


def test_latex_escapes_and_closes_what_it_opens(googlenet):
    text = googlenet.to_latex()
    body = text.split(r"\endhead")[1].split(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {8}
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 1
    assert r"a\_b" in summarize(text_net("input 4\nfc-4 as a_b")).to_latex()


def test_notebooks_get_html(googlenet):
    page = googlenet._repr_html_()
    assert page.count("<tr>") == page.count("</tr>")
    assert "6,998,552" in page
    assert "<script" not in page


def test_printing_a_summary_shows_its_table(googlenet):
    assert str(googlenet) == googlenet.to_text()
    assert repr(googlenet) == "<Summary of googlenet: 6,998,552 params, 1,582,671,872 MACs>"


def test_the_convention_is_printed_with_the_number():
    graph = shipped("lenet5")
    for count in ("mac", "torchinfo", "fvcore"):
        found = summarize(graph, count=count)
        assert found.convention in found.to_text().replace("\n", " ")


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="mac, torchinfo, fvcore"):
        summarize(shipped("lenet5"), count="flops")


# --- several nets


def test_a_comparison_has_a_line_for_each_net():
    found = compare([summarize(shipped(name)) for name in ("alexnet", "vgg16")])
    table = found.to_text()
    assert "62,378,344" in table
    assert "138,357,544" in table
    assert "15,470,264,320" in table
    assert len(list(csv.reader(io.StringIO(found.to_csv())))) == 3
    jsonschema.validate(found.as_json(), SCHEMA)
    for text in (found.to_markdown(), found.to_latex(), found._repr_html_()):
        assert "138,357,544" in text


# --- one layer


def test_explain_prints_the_arithmetic_of_a_layer():
    text = explain(shipped("googlenet"), "inception3a.conv3")
    assert "floor((28 + 1 + 1 - 3) / 1) + 1 = 28" in text
    assert "128 * 96 * 3 * 3 = 110,592" in text
    assert "86,704,128" in text
    assert "27 + (3 - 1) * 8 = 43" in text


def test_explain_adds_up_a_block():
    text = explain(shipped("googlenet"), "inception3a")
    assert "sum: 163,696" in text
    assert "sum: 128,049,152" in text


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("input 2x9x9\nconv3-4(dilation=2)", "conv1", "floor((9 + 0 + 0 - ((3 - 1) * 2 + 1)) / 1)"),
        ("input 2x7x7\nmaxpool2(ceil=yes)", "maxpool1", "ceil((7 + 0 + 0 - 2) / 2) + 1 = 4"),
        ("input 2x5x5\nmaxpool2(ceil=yes, pad=1)", "maxpool1", "/ 2) + 1 - 1 = 3"),
        ("input 2x5x5\ndeconv3-4/2(pad=1, output_pad=1)", "deconv1", "* 2 + 3 - 1 - 1 + 1 = 10"),
        ("input 4x8x8\nconv3-4(groups=2)", "conv1", "2 input channels of each group"),
        ("input 4x8x8\ndwconv3", "dwconv1", "1 input channels each"),
        ("input 4x8x8\nfc-3(over=channels)", "fc1", "(8 * 8) places * 3 outputs * 4 inputs"),
        ("input 4\nfc-4 as a; fc-4(weights=@a)", "fc1", "those of a, counted there"),
    ],
)
def test_explain_knows_the_rules_of_each_operator(text, path, expected):
    assert expected in explain(text_net(text), path)


def test_every_layer_of_every_operator_family_can_be_explained():
    for name in ("googlenet", "deconvnet", "nasnet_mobile", "captioning", "vae", "c3d", "fcn8s"):
        graph = shipped(name)
        for layer in summarize(graph).layers:
            assert f"{layer.path}: " in explain(graph, layer.path)


def test_the_samples_in_the_documentation_are_what_is_printed():
    page = (DOCS / "summary.md").read_text()
    samples = re.findall(r"```text\n(.*?)```", page, re.S)
    printed = summarize(shipped("resnet50")).to_text()
    printed += explain(shipped("googlenet"), "inception3a.conv3")
    step = training_memory(shipped("resnet50"), batch=32)
    printed += summarize(shipped("resnet50"), training=step).to_text(120)
    lines = [line for sample in samples for line in sample.splitlines() if line != "..."]
    assert len(lines) > 15
    assert set(lines) <= set(printed.splitlines())


def test_a_layer_that_is_not_there_gets_a_suggestion():
    with pytest.raises(NetspecError, match=r"inception3a\.conv3"):
        explain(shipped("googlenet"), "inception3a.conv33")


def test_a_net_of_symbolic_size_says_which_sizes_are_legal() -> None:
    graph = build(read_spec("unet"), {}, ("1xHxW",))
    line = next(text for text in summarize(graph).to_text().splitlines() if "legal" in text)
    assert line == "legal sizes: H >= 188; W >= 188"


def test_a_computed_fraction_has_four_digits_in_the_table() -> None:
    text = "block drop(rate) { dropout(rate) }\nfor i in [2, 3] { drop(i / 11) }; dropout(1e-05)"
    table = summarize(text_net(f"input 3x8x8\n{text}")).to_text()
    assert "drop(0.1818)" in table
    assert "drop(0.2727)" in table
    assert "dropout 0.1818" in table
    assert "dropout 1e-05" in table
