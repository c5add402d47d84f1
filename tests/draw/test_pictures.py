"""What pictures show, and what they never do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from support.pictures import Area, printed_by_seeds, read_picture
from support.shelves import shipped

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.draw.layout.arcs import chain_with_arcs
from netspec.draw.layout.pieces import LANE, Piece
from netspec.draw.layout.ushape import u_shape
from netspec.draw.structure.elements import Tangle
from netspec.draw.structure.reading import structure
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

HOSTILE = "<IMG SRC=x onerror=alert(1)>]]>&\"'; } n0 -> n1 {a|b} \\"


def words(svg: str) -> list[str]:
    """The text of a picture, in order."""
    root = ElementTree.fromstring(svg)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def fold(graph: Graph, **choices: Any) -> str:
    picture = draw([graph], **choices)
    assert isinstance(picture, str)
    return picture


def test_repeats_are_folded_and_say_how_the_first_differs() -> None:
    found = words(fold(shipped("resnet50")))
    assert "stage1: bottleneck ×3" in found
    assert "stage3: bottleneck ×6" in found
    assert found.count("first: /2, + projection") == 3
    assert found.count("first: + projection") == 1


def test_towers_stand_side_by_side_and_cross_where_one_reads_both() -> None:
    found = words(fold(shipped("alexnet_two_gpu")))
    assert [found.count(text) for text in ("gpu1", "gpu2", "5×5 conv, 128")] == [1, 1, 2]
    assert [text for text in found if "concat" in text] == [
        *("concat, 256", "concat, 256", "concat, 4096", "concat, 4096")
    ]


def test_what_forks_and_joins_bears_the_band_of_what_it_gives(net: Callable[..., Graph]) -> None:
    towers = net("input 3x9x9\nconcat { | conv3-4; conv3-4 | conv5-4 }; conv1-2")
    assert [text for text in words(fold(towers)) if text in ("9×9", "5×5")] == ["9×9", "5×5"]
    # Nothing forks at inputs of their own: they have no resolution in common.
    inputs = "input a: 3x9x9\ninput b: 3x7x7\n"
    apart = net(f"{inputs}concat {{ | @a; conv5-4 | @b; conv3-4 }}; gap")
    assert not [text for text in words(fold(apart)) if text == "5×5"]


def test_layers_that_start_differently_are_folded_and_those_that_act_differently_are_not() -> None:
    found = words(fold(shipped("alexnet")))
    assert "3×3 conv, 384 ×2" in found  # biases of zero, biases of one
    for first, second in (
        ("conv3-8(pad=same)", "conv3-8(pad=same, bias=no)"),
        ("dwconv3(fixed=binomial, pad=same)", "dwconv3(fixed=ones, pad=same)"),
    ):
        text = f"input 8x9x9\n{first}\n{second}\n"
        assert not any("×2" in word for word in words(fold(build(Source("a.ns", text)))))


def test_different_arguments_are_not_folded() -> None:
    found = words(fold(shipped("googlenet")))
    assert sum(text.startswith("inception") for text in found) == 9
    assert "concat, 256" in found
    assert "concat, 1024" in found


@pytest.mark.parametrize(
    "reads", ["add { | @second | @first }", "add { | @second | @before }", "@second; relu"]
)
def test_only_the_ends_of_a_repeat_are_connected_with_what_is_outside(
    reads: str, net: Callable[..., Graph]
) -> None:
    block = "block b { residual { conv3-8(pad=same) } }"
    steps = "conv3-8(pad=same) as before\nb as first\nb as second"
    found = words(fold(net(f"{block}\n{steps}\n{reads}")))
    assert ("b ×2" in found) is ("@first" not in reads)


def test_training_heads_hang_off_the_side() -> None:
    found = words(fold(shipped("googlenet")))
    assert found.count("training only, loss × 0.3") == 2


@pytest.mark.parametrize("style", ["fold", "flow"])
def test_a_block_tells_its_own_figures_and_not_those_of_a_head_in_it(
    style: str, net: Callable[..., Graph]
) -> None:
    text = "block b(n) { conv1-n; head aux { gap; fc-9 } }\nb(4); b(5) x2\ngap"
    svg = str(draw([net(text)], style=style))
    assert "b1: 4×32×32, 16 params" in svg
    # Of a repeat, that of all copies.
    assert ("b2…3 ×2: 5×32×32, 55 params" if style == "fold" else "b3: 5×32×32, 30 params") in svg
    assert "b1.aux: 9, 45 params" in svg


def test_a_recursive_net_is_drawn_as_a_u() -> None:
    picture = fold(shipped("unet"))
    at = {text: [] for text in ("2×2 max pool", "concat")}
    for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        if element.text in at:
            at[element.text].append((float(element.get("x", 0)), float(element.get("y", 0))))
    down, up = at["2×2 max pool"], at["concat"]
    assert len(down) == len(up) == 4
    assert max(x for x, _ in down) < min(x for x, _ in up)
    assert [y for _, y in down] == sorted(y for _, y in down)


def test_an_encoder_decoder_without_skips_is_drawn_as_a_u(net: Callable[..., Graph]) -> None:
    steps = [
        "conv3-8(pad=same); maxpool2/2",
        "conv3-16(pad=same); maxpool2/2",
        "conv3-32(pad=same)",
    ]
    steps += ["deconv2-16/2; conv1-16", "deconv2-8/2; conv1-3; softmax"]
    picture = read_picture(fold(net("\n".join(steps))))
    assert list(picture.faults()) == []
    at = {label.name: (label.left, label.top) for label in picture.labels}
    down = [at["3×3 conv, 8"], at["3×3 conv, 16"], at["3×3 conv, 32"]]
    up = [at["2×2 deconv, 16, /2"], at["2×2 deconv, 8, /2"], at["softmax"]]
    assert [y for _, y in down] == sorted(y for _, y in down)
    assert [y for _, y in up] == sorted((y for _, y in up), reverse=True)
    assert max(x for x, _ in down) < min(x for x, _ in up)


def test_a_bus_is_shared_only_where_each_reads_all_before() -> None:
    pieces = [Piece(10, 10, 5, lambda x, y: []) for _ in range(15)]
    full = tuple((a, b) for a in range(0, 12, 2) for b in range(3, 14, 2) if b - a > 1)
    assert chain_with_arcs(pieces, full).w == 10 + LANE
    some = tuple(arc for arc in full if arc != (4, 9))
    assert chain_with_arcs(pieces, some).w == 10 + 6 * LANE


@pytest.mark.parametrize(
    "name",
    [
        *("resnet50", "googlenet", "unet", "captioning"),
        pytest.param("nasnet_mobile", marks=pytest.mark.slow),
    ],
)
def test_pictures_are_the_same_from_run_to_run(name: str) -> None:
    script = (
        "import sys, hashlib; from netspec.elaborate.build import build;"
        "from netspec.syntax.files import read_spec;"
        "from netspec.draw import draw; g = build(read_spec(sys.argv[1]));"
        "print([hashlib.sha256(draw([g], format=f).encode()).hexdigest() for f in ('svg', 'dot')])"
    )
    assert len(printed_by_seeds(script, name)) == 1


def test_drawing_imports_nothing_heavy() -> None:
    script = (
        "import sys; from netspec.elaborate.build import build; from netspec.syntax.files import read_spec;"
        "from netspec.draw import draw; g = build(read_spec('resnet50'));"
        "[draw([g], format=f) for f in ('svg', 'dot', 'pdf', 'html')];"
        "print({'torch', 'onnx', 'numpy', 'matplotlib', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("name", "most"), [("resnet50", 18_000), ("googlenet", 50_000), ("densenet121", 60_000)]
)
def test_pictures_are_small(name: str, most: int) -> None:
    assert len(fold(shipped(name)).encode()) <= most


def test_every_box_leads_to_its_line() -> None:
    picture = fold(shipped("resnet50"))
    lines = {int(n) for n in re.findall(r'<g data-line="(\d+)" data-path', picture)}
    text = shipped("resnet50").source.text.splitlines()
    assert any("conv7-64/2" in text[line - 1] for line in lines)
    assert 'data-src="bottleneck.ns"' in picture


def test_user_text_stays_text_in_every_format(net: Callable[..., Graph]) -> None:
    graph = net("conv3-8; relu; gap").replace(name=HOSTILE, metadata=(("paper", HOSTILE),))
    picture = fold(graph)
    assert HOSTILE in "".join(words(picture)) or "<IMG" in "".join(words(picture))
    assert "<IMG" not in picture
    assert "<IMG" not in str(draw([graph], format="html"))


@pytest.mark.parametrize("with_dot", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "unet"])
def test_flow_shows_every_layer_with_and_without_graphviz(
    name: str, with_dot: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_dot and shutil.which("dot") is None:
        pytest.skip("Graphviz's dot is not installed")
    if not with_dot:
        monkeypatch.setattr("netspec.draw.layout.dot.has_dot", lambda: False)
    picture = fold(shipped(name), style="flow")
    leaves = read_picture(picture).leaves
    layers = [n for n in shipped(name).nodes if n.op.weights(*n.input_types) and n.inputs]
    assert len(leaves) >= sum(1 for n in layers if not n.name.startswith("bn"))
    assert ("install Graphviz" in picture) is not with_dot


@pytest.mark.parametrize("with_dot", [False, True])
def test_flow_frames_every_block_and_names_it(
    with_dot: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_dot and shutil.which("dot") is None:
        pytest.skip("Graphviz's dot is not installed")
    monkeypatch.setattr("netspec.draw.layout.dot.has_dot", lambda: with_dot)
    picture = read_picture(fold(shipped("googlenet"), style="flow"))
    frames = [words for block in picture.blocks if (words := picture.first_words(block))]
    modules = [f"inception{name}" for name in ("3a", "3b", *("4" + x for x in "abcde"), "5a", "5b")]
    assert sorted(frames) == ["aux1: aux", "aux2: aux", *modules]


def test_flow_shows_blocks_that_depth_closes_as_one_box() -> None:
    closed = read_picture(fold(shipped("googlenet"), style="flow", depth=0))
    opened = read_picture(fold(shipped("googlenet"), style="flow", expand=("aux",)))
    assert len(closed.blocks) == len(opened.blocks) == 11
    assert len(opened.leaves) == len(closed.leaves) + 2 * 5


def test_connections_that_cannot_be_laid_out_in_bounded_time_are_refused(
    net: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.draw.layout.dot.has_dot", lambda: False)
    steps = [f"relu as x{i}; add {{ | @x{i // 2} | @x{i} }}" for i in range(900)]
    with pytest.raises(NetspecError, match="its connections pass"):
        draw([net("\n".join(steps))], style="flow")


TREE = "input 4\nblock t(d) { if d > 0 { add { | t(d-1) | t(d-1) } } else { relu } }\nt(6)"


@pytest.mark.parametrize("style", ["fold", "columns"])
def test_where_branches_meet_is_counted_before_a_net_is_taken_apart(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(graph: Graph) -> None:
        raise AssertionError("the net was taken apart")

    monkeypatch.setattr("netspec.draw.styles.fold.MOST_JOINS", 62)
    for module in ("structure.opening", "styles.columns.page"):
        monkeypatch.setattr(f"netspec.draw.{module}.structure", never)
    with pytest.raises(NetspecError, match=r"NS624.*at 63 places"):
        draw([build(Source("t.ns", TREE))], style=style)


@pytest.mark.parametrize("style", ["fold", "columns", "flow"])
@pytest.mark.parametrize(
    "text",
    [
        "input 3x8x8\nmaxpool3(pad=((0,1),(1,2)),ceil=yes) as p; unpool(@p)",
        "input 3x8x8\nmaxpool2 as p; relu; { | identity | identity }; add; gap; fc-4",
        "input 3x8x8\nconv3-4; maxpool1 as p; unpool(@p); gap; fc-2",
        "input 3x8x8\nconv3-4 as a; identity as b\noutput a, b",
    ],
)
def test_wires_side_by_side_without_a_box_are_drawn_or_refused(text: str, style: str) -> None:
    try:
        assert draw([build(Source("t.ns", text))], style=style)
    except NetspecError as error:
        assert "NS621" in str(error)


def test_too_many_boxes_are_refused_in_flow_and_columns_and_summarised_in_fold(
    net: Callable[..., Graph],
) -> None:
    steps = "\n".join(f"conv1-{3 + i % 89}; conv1-{2 + i % 97}" for i in range(1001))
    graph = net(steps)
    with pytest.raises(NetspecError, match="2,003 boxes, the limit is 2,000"):
        draw([graph], style="flow")
    with pytest.raises(NetspecError, match="2,003 boxes, the limit is 2,000"):
        draw([graph], style="columns")
    found = words(fold(graph))
    assert "… 1,979 more layers …" in found


@pytest.mark.parametrize(
    "wrong",
    [
        {"style": "cubist"},
        {"format": "gif"},
        {"theme": "pink"},
        {"heat": "x"},
        {"show": ("x",)},
        {"expand": ("nothing*",)},
    ],
)
def test_unknown_choices_are_usage_errors(wrong: dict[str, Any], net: Callable[..., Graph]) -> None:
    with pytest.raises(NetspecError) as caught:
        draw([net("relu")], **wrong)
    assert caught.value.status == 2


def test_depth_and_expand_open_blocks_with_their_siblings() -> None:
    graph = shipped("inception_v3")
    closed = words(fold(graph, depth=0))
    opened = words(fold(graph, depth=0, expand=("module_a*",)))
    assert not any(text.startswith("concat") for text in closed)
    assert sum(text.startswith("concat") for text in opened) == 2
    assert words(fold(graph, expand=("module_a*",))) == opened
    assert any(text.startswith("concat") for text in words(fold(graph, depth=1)))


def test_show_and_heat_change_what_is_said() -> None:
    graph = shipped("vgg16")
    assert "64×224×224" not in "".join(words(fold(graph, show=("kernel",))))
    assert any("MACs" in text for text in words(fold(graph, show=("macs",)))[3:])
    hot = fold(graph, heat="params")
    assert 'class="leaf h5"' in hot
    assert any("parameters" in text for text in words(hot))


@pytest.mark.parametrize("heat", ["params", "macs", "memory"])
def test_the_hottest_layer_counts_what_is_drawn_with_it(heat: str) -> None:
    looks = set(
        re.findall(r'class="leaf (h\d)"', fold(shipped("resnet18"), heat=heat, style="flow"))
    )
    assert "h5" in looks
    assert looks <= {f"h{step}" for step in range(6)}


def test_a_repeated_layer_gives_the_sum_of_its_copies() -> None:
    found = words(fold(shipped("vgg16")))
    first = found.index("3×3 conv, 64 ×2")
    assert found[first + 1] == "64×224×224 · 38.7 k"
    assert "4096 · 103 M" in found
    assert "4096 · 16.8 M" in found


def test_themes_differ_in_colour_only() -> None:
    graph = shipped("resnet18")
    light, dark = fold(graph), fold(graph, theme="dark")
    assert light != dark
    assert re.sub("<style>.*?</style>", "", light) == re.sub("<style>.*?</style>", "", dark)
    assert "prefers-color-scheme:dark" in fold(graph, theme="auto")


def test_columns_align_nets_on_resolution() -> None:
    nets = [shipped(name) for name in ("vgg19", "plain34", "resnet34")]
    picture = draw(nets, style="columns")
    assert isinstance(picture, str)
    assert list(read_picture(picture).faults()) == []
    found = words(picture)
    bands = [text for text in found if re.fullmatch(r"\d+×\d+", text)]
    assert bands == ["224×224", "112×112", "56×56", "28×28", "14×14", "7×7"]
    assert {"vgg19", "plain34", "resnet34"} <= set(found)


STREAMS = """net streams
input frame: 3x64x64
input flow: 4x64x64
default conv(act=relu, pad=same)
block stream(k) { conv3-16; maxpool2; conv3-32 x(k); residual { conv3-32 }; maxpool2; gap; fc-10 }
mean { | @frame; stream(1) as spatial | @flow; stream(3) as temporal }
"""


@pytest.mark.parametrize("text", ["alexnet_two_gpu", STREAMS])
def test_columns_align_towers_on_resolution_too(text: str, net: Callable[..., Graph]) -> None:
    towers = net(text) if "\n" in text else shipped(text)
    picture = draw([shipped("alexnet"), towers], style="columns")
    assert isinstance(picture, str)
    assert list(read_picture(picture).faults()) == []
    root = ElementTree.fromstring(picture)
    found = [e for e in root.iter("{http://www.w3.org/2000/svg}text") if e.text]
    tops = {e.text: float(e.get("y", 0)) for e in found if re.fullmatch(r"\d+×\d+", e.text or "")}
    pooled = [float(e.get("y", 0)) for e in found if e.text in ("2×2 max pool", "3×3 max pool, /2")]
    # Each pool of a tower stands where its band begins, beside that of the other.
    sizes = ("27×27", "13×13", "6×6") if text == "alexnet_two_gpu" else ("32×32", "16×16")
    for size in sizes:
        beside = [y for y in pooled if 0 <= y - tops[size] < 30]
        assert len(beside) == (3 if text == "alexnet_two_gpu" else 2), size


SHORT = """net short
input 3x32x32
block two(n) { conv3-n(pad=same, act=relu); conv3-n(pad=same) }
block unit(n) { residual { two(n) } }
conv3-8(pad=same) as stem
unit(8); head aux(loss=0.3) { gap; fc-10 }
concat { | conv1-8 | conv3-24(pad=same) }; head second { gap; fc-5 }
conv1-8 as a; conv3-8(pad=same) as b; conv3-8(pad=same)
{ | identity | @a }; add; relu
{ | identity | @b }; add
gap; fc-10
"""


def test_columns_show_skips_heads_names_of_blocks_and_widths_of_concats() -> None:
    picture = draw([build(Source("short.ns", SHORT))], style="columns")
    found = words(str(picture))
    assert {"unit1", "aux", "training only, loss × 0.3", "second", "concat, 32"} <= set(found)
    assert found[-1] == "left out after layers: relu; blocks drawn as one: aux, second"
    assert list(read_picture(str(picture)).faults()) == []
    assert str(picture).count('class="w skip"') + str(picture).count('class="w a skip"') >= 1


def test_columns_of_nasnet_draw_every_skip_between_its_cells() -> None:
    picture = str(draw([shipped("nasnet_mobile")], style="columns"))
    assert picture.count('class="w skip"') == 5
    assert "each also reads the one before the last; first differs" in words(picture)


@pytest.mark.parametrize("style", ["fold", "columns"])
def test_an_output_that_others_read_ends_in_the_word(style: str, net: Callable[..., Graph]) -> None:
    graph = net("conv3-8 as low; gap; fc-4 as high\noutput low, high")
    assert words(str(draw([graph], style=style))).count("output") == 1


@pytest.mark.parametrize("style", ["fold", "columns"])
def test_nothing_leads_to_what_reads_nothing(style: str, net: Callable[..., Graph]) -> None:
    text = "conv3-8(pad=same); add { | identity | parameter(8x32x32) }; relu"
    picture = read_picture(str(draw([net(text)], style=style)))
    (table,) = [a for a in picture.leaves if "parameter" in picture.first_words(a)]
    assert not [w for w in picture.wires if table.holds(Area(*w[-1], *w[-1], "end"))]


def test_a_card_of_a_block_in_a_block_has_the_figures_of_all_copies(
    net: Callable[..., Graph],
) -> None:
    inner = "block inner { conv1-8(bias=no); relu }\nblock outer { inner }"
    found = words(fold(net(f"{inner}\nconv1-8; outer x3; gap", input="3x8x8")))
    assert found[found.index("outer ×3: inner") + 1] == "8×8×8 · 192"


def test_a_number_is_said_where_there_is_a_second_block_of_the_name(
    net: Callable[..., Graph],
) -> None:
    mlp = "block mlp(n) { conv1-n; lrn(5); conv1-8 }\ninline block twice { mlp(4) }"
    for style in ("fold", "flow"):

        def shown(steps: str, style: str = style) -> list[str]:
            text = f"{mlp}\nconv3-8(pad=same); {steps}; gap; fc-2"
            found = words(str(draw([net(text, input="3x8x8")], style=style)))
            return [word for word in found if word.startswith("mlp")]

        assert shown("mlp(16)") == ["mlp"]
        assert shown("mlp(16); lrn(5); mlp(24)") == ["mlp1", "mlp2"]
        # Calls of inline blocks are no level of the path.
        assert shown("twice; lrn(5); mlp(24)") == ["mlp1", "mlp2"]


def test_an_output_on_the_way_stands_beside_what_gives_it(net: Callable[..., Graph]) -> None:
    steps = "conv3-8 as codes; maxpool2; conv3-8(pad=same) x2; lrn(5) as sound"
    picture = fold(net(f"{steps}\noutput codes, sound", input="3x8x8"))
    assert [*read_picture(picture).faults()] == []
    (mark,) = (area for area in read_picture(picture).labels if area.name == "output")
    pool = next(area for area in read_picture(picture).labels if "max pool" in area.name)
    conv = next(area for area in read_picture(picture).labels if "conv" in area.name)
    assert mark.top < pool.top
    assert mark.left > conv.right
    # What follows is drawn as the net, with its shapes, and not as a branch.
    assert sum(word.startswith("8×3×3") for word in words(picture)) >= 2
    # Each mark is that of its own output.
    steps = "conv3-8 as a; maxpool2; conv3-8(pad=same) as b; gap; fc-3 as c"
    picture = fold(net(f"{steps}\noutput a, b, c", input="3x8x8"))
    assert [*read_picture(picture).faults()] == []
    paths = re.findall(r'data-path="(\w+)"[^>]*><title>output<', picture)
    assert paths == ["a", "b"]


def test_nets_side_by_side_fit_one_screen_where_closed_blocks_let_them() -> None:
    def size(*names: str) -> tuple[float, float]:
        view = read_picture(str(draw([shipped(name) for name in names]))).view
        return view.right, view.bottom

    alone, other = size("resnet50"), size("se_resnet50")
    assert alone[0] + other[0] > 2000
    wide, high = size("resnet50", "se_resnet50")
    assert wide <= 2000
    assert high <= 1100
    # What does not fit either way is as narrow as it can be.
    assert size("googlenet", "inception_v3")[0] < size("googlenet")[0] + size("inception_v3")[0]


def test_a_head_says_where_in_a_block_it_begins(net: Callable[..., Graph]) -> None:
    text = "block body { conv1-8 as low; maxpool2; conv1-8 }\nbody as b\nhead aux { @b.low; gap; fc-4 }\ngap"
    assert "reads b.low" in words(fold(net(text)))
    assert not [w for w in words(fold(shipped("googlenet"))) if w.startswith("reads")]


def test_a_first_copy_that_alone_activates_says_so(net: Callable[..., Graph]) -> None:
    text = "block b(act=none) { conv1-8(act=act); lrn(5) }\nb(relu); b x2; gap"
    assert "first: + relu" in words(fold(net(text)))
    text = "block b(n=1) { conv3-8(pad=n, dilation=n); lrn(5) }\nb(n=2); b x2; gap"
    assert any(w.startswith("first") for w in words(fold(net(text))))


def test_columns_fold_what_takes_more_than_a_screen_and_nothing_else() -> None:
    found = words(
        str(draw([shipped(n) for n in ("vgg19", "plain34", "resnet34")], style="columns"))
    )
    assert {"3×3 conv, 256 ×4", "3×3 conv, 128 ×7", "basic ×6", "stage3"} <= set(found)
    found = words(str(draw([shipped("vgg16")], style="columns")))
    assert found.count("3×3 conv, 64") == 2


PLAIN = "net plain\ninput 8x9x9\nconv3-8(pad=1, act=relu); conv3-8(pad=1); relu"
RESIDUAL = (
    "net residual_unit\ninput 8x9x9\nresidual { conv3-8(pad=1, act=relu); conv3-8(pad=1) }; relu"
)


def test_folded_nets_stand_next_to_each_other_under_one_title() -> None:
    graphs = [build(Source("a.ns", PLAIN)), build(Source("b.ns", RESIDUAL)), shipped("googlenet")]
    picture = str(draw(graphs))
    read = read_picture(picture)
    assert list(read.faults()) == []
    assert not read.without_source
    root = ElementTree.fromstring(picture)
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    (title,) = [e.text for e in texts if e.get("class") == "t"]
    assert title == "plain, residual_unit and googlenet"
    heads = [e for e in texts if e.text in ("plain", "residual_unit", "googlenet")]
    assert len({e.get("y") for e in heads}) == 1
    assert [float(e.get("x", 0)) for e in heads] == sorted({float(e.get("x", 0)) for e in heads})
    first = [e.get("y") for e in texts if e.text == "input"]
    assert len(first) == 3
    assert len(set(first)) == 1
    assert len(read.leaves) == sum(len(read_picture(fold(g)).leaves) for g in graphs)


@pytest.mark.parametrize(("style", "form"), [("flow", "svg"), ("fold", "html")])
def test_what_shows_one_net_refuses_two_and_says_what_shows_both(style: str, form: str) -> None:
    with pytest.raises(NetspecError, match="draw them one by one, or") as caught:
        draw([shipped("lenet5"), shipped("mlp")], style=style, format=form)
    assert caught.value.status == 2


def test_names_of_bands_have_room_beside_a_column(net: Callable[..., Graph]) -> None:
    graph = net("conv3x3x3-2(pad=same); maxpool2; gap; fc-2", input="1x512x1120x1120")
    picture = read_picture(str(draw([graph], style="columns")))
    (name,) = [label for label in picture.labels if label.name == "512×1120×1120"]
    assert name.right + 4 <= min(leaf.left for leaf in picture.leaves)


def test_columns_leave_branches_whole_that_are_not_in_step(net: Callable[..., Graph]) -> None:
    for branches in ("conv3-4/2 | conv3-4; maxpool2", "identity | conv3-2(pad=1)"):
        found = net(f"input 3x32x32\ndefault conv(pad=1)\nconcat {{ | {branches} }}; gap")
        picture = draw([found], style="columns")
        assert isinstance(picture, str)
        assert list(read_picture(picture).faults()) == []


def test_columns_refuse_a_net_whose_resolution_rises_again() -> None:
    with pytest.raises(NetspecError, match="unet rises again"):
        draw([shipped("vgg16"), shipped("unet")], style="columns")


def test_several_outputs_end_where_they_are() -> None:
    series = structure(shipped("vae"))
    (tangle,) = [item for item in series.items if isinstance(item, Tangle)]
    assert len(shipped("vae").outputs) == 3
    assert all(end < len(tangle.items) for _, end in tangle.edges)


def test_a_fixed_kernel_is_called_so_and_has_the_size_of_its_lists(
    net: Callable[..., Graph],
) -> None:
    found = words(fold(net("dwconv(fixed=[[1, 2, 1]], bias=no); conv3-4; conv5-4(fixed=ones)")))
    assert "1×3 dwconv, fixed" in found
    assert "3×3 conv, 4" in found
    assert "5×5 conv, 4, fixed" in found


def test_a_value_that_a_merge_repeats_is_no_way_down_and_up_again(
    net: Callable[..., Graph],
) -> None:
    def shape(branch: str) -> object:
        graph = net(f"conv1-3; add {{ | identity | {branch} }}; relu")
        return u_shape(structure(graph), graph)

    assert shape("maxpool2; conv3-8(pad=same); upsample(2); conv1-3") is not None
    scaled = "conv1-8; maximum { | identity | gap(keep=yes); conv1-8 }; conv1-3"
    assert shape(scaled) is None


def test_what_comes_of_no_input_is_no_way_down_and_up_again(net: Callable[..., Graph]) -> None:
    text = (
        "input 8x9\nblock kept { identity as y; parameter(8); exp; reshape((8, 1)) as keep\n"
        "@y; relu; scan(@keep); conv1-8 }\nconv1-8; add { | identity | kept }; relu"
    )
    graph = net(text)
    assert u_shape(structure(graph), graph) is None


def test_what_a_block_does_inside_is_no_way_down_and_up_again(net: Callable[..., Graph]) -> None:
    steps = "maxpool2; conv1-8; upsample(2); conv1-8"
    skip = "conv1-8 as one; {steps}; {steps} as two; concat {{ | @one | @two }}; relu"
    graph = net("input 3x32\n" + skip.format(steps=steps))
    assert u_shape(structure(graph), graph) is not None
    within = net(f"input 3x32\nblock kept {{ {steps} }}\n" + skip.format(steps="kept"))
    assert u_shape(structure(within), within) is None
