"""Feature maps as slabs: every layer is drawn or named, sizes are to scale, nothing covers words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, pairwise
from math import prod

import pytest
from support.generated_specs import spec
from support.pictures import Area, printed_by_seeds
from support.shelves import shelved, shipped
from support.watching import at_most

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.draw.metrics import text_width
from netspec.draw.scene import SIZES, Box, Group, Item, Polygon, Scene, Wire, Words
from netspec.draw.structure.elements import blocks_of
from netspec.draw.structure.labels import data_inputs
from netspec.draw.structure.reading import structure
from netspec.draw.styles.assumed import Assumed
from netspec.draw.styles.fold import outline
from netspec.draw.styles.volumes.page import volumes
from netspec.draw.styles.volumes.parts import Chain, Fork, Pin, Sign, Volume
from netspec.draw.styles.volumes.parts import Item as Member
from netspec.draw.styles.volumes.read import Reader
from netspec.draw.view import View
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.sizes.shapes import TensorType


def inside(items: tuple[Item, ...], path: str = "") -> Iterator[tuple[Item, str]]:
    """Every item that is drawn, with the path of the innermost group that has one."""
    for item in items:
        if isinstance(item, Group):
            yield from inside(item.members, item.path or path)
        else:
            yield item, path


def bounds(points: tuple[tuple[float, float], ...], name: str) -> Area:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Area(min(xs), min(ys), max(xs), max(ys), name)


def area(words: Words) -> Area:
    size = SIZES[words.size]
    width = text_width(words.text, size, bold=words.size in ("title", "head"))
    left = words.x - {"start": 0.0, "middle": width / 2, "end": width}[words.anchor]
    return Area(left, words.y - 0.72 * size, left + width, words.y + 0.2 * size, words.text)


def said(scene: Scene) -> list[str]:
    return [item.text for item, _ in inside(scene.items) if isinstance(item, Words)]


def fronts(scene: Scene) -> list[tuple[str, Area]]:
    """The front faces, with the path of what they show; of a stack of planes all of them."""
    return [
        (path, bounds(item.points, path))
        for item, path in inside(scene.items)
        if isinstance(item, Polygon) and item.look.endswith("-front")
    ]


def faults(scene: Scene) -> Iterator[str]:
    """What is wrong with the geometry, in words."""
    page = Area(0, 0, scene.width, scene.height, "page")
    drawn = list(inside(scene.items))
    labels = [area(item) for item, _ in drawn if isinstance(item, Words)]
    faces = [bounds(i.points, path) for i, path in drawn if isinstance(i, Polygon) and path]
    wires = [item for item, _ in drawn if isinstance(item, Wire)]
    for each in (*labels, *faces, *(bounds(wire.points, "wire") for wire in wires)):
        if not page.holds(each):
            yield f"{each} leaves the page"
    for a, b in combinations(labels, 2):
        if a.meets(b):
            yield f"labels overlap: {a} and {b}"
    for label in labels:
        for face in faces:
            if label.meets(face):
                yield f"the label {label} covers {face}"
    own = fronts(scene)
    for (path, a), (other, b) in combinations(own, 2):
        if path != other and a.meets(b):
            yield f"slabs overlap: {a} and {b}"
    for wire in wires:
        for a, b in pairwise(wire.points):
            for label in labels:
                if label.shrunk(1.0).crossed_by(a, b):
                    yield f"a line runs through the label {label}: {wire}"
            for path, face in own if wire.look != "thin" else ():
                if face.shrunk(1.2).crossed_by(a, b):
                    yield f"a line runs through {path}: {wire}"


def kinds(graph: Graph) -> dict[str, TensorType]:
    """What each layer and each block gives, by its path."""
    found = {node.path: node.types[0] for node in graph.nodes}
    found |= {block.path: block.type for block in blocks_of(structure(graph))}
    return found | {head.name: head.value.type for head in graph.heads}


def sizes(scene: Scene, graph: Graph) -> Iterator[tuple[str, int, float]]:
    """A size that the net has, and the points that it is drawn with."""
    types, assumed = kinds(graph), Assumed(graph)
    looks = [
        item.look.partition("-")[2]
        for item, path in inside(scene.items)
        if isinstance(item, Polygon)
        and path
        and len(types[path].shape) > 2
        and max(assumed.shape(types[path])[1:]) > 1
    ]
    planes = "front" in looks and "side" not in looks
    for path, face in fronts(scene):
        shape = assumed.shape(types[path])
        if len(shape) < 2:
            yield "units", prod(shape), face.bottom - face.top
        elif not planes:
            height = shape[-2] if len(shape) > 2 else shape[1]
            yield "sides", height, face.bottom - face.top
        elif max(shape[1:]) > 1:
            yield "sides", shape[1], face.bottom - face.top
            yield "sides", shape[2], face.right - face.left


def refusal(graph: Graph, **choices: object) -> str:
    with pytest.raises(NetspecError) as caught:
        draw([graph], style="volumes", **choices)  # type: ignore[arg-type]
    return str(caught.value)


def missing(graph: Graph, *, opened: bool) -> list[str]:
    """The nodes that are neither drawn nor named as not drawn, and those that are twice."""
    reader = Reader(View(graph), lambda block, path, depth: opened)
    try:
        reader.chain(outline(graph))
    except NetspecError:
        return []
    told = Counter([*reader.shown, *reader.omitted])
    return [node.path for node in graph.nodes if told[node] != 1]


class Connections:
    """Which volumes a chain leads from and to, as the picture shows it, by their paths."""

    def __init__(self, chain: Chain) -> None:
        self.found: set[tuple[str, str]] = set()
        self.paths: set[str] = set()
        self._chain(chain, set())

    def _chain(self, chain: Chain, coming: set[str]) -> tuple[set[str], set[str]]:
        """Connects what comes in with the items; gives what the chain reads with and leaves with."""
        ins: list[set[str]] = []
        outs: list[set[str]] = []
        current = coming
        for i, item in enumerate(chain.items):
            first, current = self._item(item, set() if i in chain.breaks else current)
            ins.append(first)
            outs.append(current)
        for a, b in chain.arcs:
            # A pin stands for what flows in.
            if isinstance(chain.items[b], Pin):
                outs[b] = outs[b] | outs[a]
                current = outs[-1]
            self.found |= {(x, y) for x in outs[a] for y in ins[b]}
        for i, head in chain.asides:
            path = head.parts[0].source.path
            self.paths.add(path)
            self.found |= {(x, path) for x in outs[i]}
        return (ins[0] if ins else set()), current

    def _item(self, item: Member, coming: set[str]) -> tuple[set[str], set[str]]:
        match item:
            case Pin():
                return set(), coming
            case Fork():
                ends = [self._chain(row, coming) for row in item.rows]
                return set().union(*(a for a, _ in ends)), set().union(*(b for _, b in ends))
            case Volume():
                path = item.parts[0].source.path
                coming = coming if item.reads else set()
            case Sign():
                path = item.source.path
        self.paths.add(path)
        self.found |= {(x, path) for x in coming}
        return {path}, {path}


def connections(graph: Graph, paths: set[str]) -> set[tuple[str, str]]:
    """The same as the graph has it: from volume to volume, through what is not drawn."""

    @cache
    def home(node: Node) -> str:
        parts = node.path.split(".")
        around = (".".join(parts[:i]) for i in range(len(parts), 0, -1))
        return next((path for path in around if path in paths), "")

    @cache
    def sources(node: Node) -> frozenset[str]:
        """The volumes that a node without one passes on."""
        own = home(node)
        if own:
            return frozenset({own})
        return frozenset().union(*(sources(value.node) for value in data_inputs(node)))

    found = set()
    for node in graph.nodes:
        own = home(node)
        if own:
            for value in data_inputs(node):
                found |= {(source, own) for source in sources(value.node) if source != own}
    return found


def astray(graph: Graph, *, opened: bool) -> set[tuple[str, str]]:
    """The connections that are in the net or in the picture of it without repeats, and not in both."""
    reader = Reader(View(graph), lambda block, path, depth: opened)
    try:
        chain = reader.chain(structure(graph))
    except NetspecError:
        return set()
    shown = Connections(chain)
    return shown.found ^ connections(graph, shown.paths)


# Nets of which more connections cross than lines over a row can show.
REFUSED = ("unetpp",)


@pytest.mark.parametrize("name", shelved())
def test_a_net_is_whole_and_to_scale_on_one_screen_or_refused_with_the_style_that_can(
    name: str,
) -> None:
    graph = shipped(name)
    assert missing(graph, opened=False) == missing(graph, opened=True) == []
    assert astray(graph, opened=False) == astray(graph, opened=True) == set()
    try:
        scene = volumes(View(graph))
    except NetspecError as refused:
        assert "--style fold" in str(refused)
        assert name in REFUSED
        return
    assert scene.width <= 1600
    assert scene.height <= 1000
    assert scene.height <= max(750.0, 0.72 * scene.width)
    assert list(faults(scene)) == []
    found: dict[tuple[str, int], set[float]] = {}
    for what, size, points in sizes(scene, graph):
        found.setdefault((what, size), set()).add(round(points, 3))
    assert found
    assert all(len(points) == 1 for points in found.values())
    for (what, small), (other, large) in pairwise(sorted(found)):
        if what == other:
            assert min(found[what, small]) <= min(found[what, large])


def test_lenet5_is_stacks_of_planes_as_lecun_drew_them() -> None:
    scene = volumes(View(shipped("lenet5_1998")))
    words = said(scene)
    for layer, maps in (("C1", "6@28×28"), ("S2", "6@14×14"), ("C3", "16@10×10"), ("S4", "16@5×5")):
        assert f"{layer}: feature maps" in words
        assert maps in words
    assert {"input", "1@32×32", "C5: layer", "120", "F6: layer", "84", "10"} <= set(words)
    planes = [path for path, _ in fronts(scene)]
    counts = {path: planes.count(path) for path in planes}
    assert counts == {"input": 1, "c1": 6, "s2": 6, "c3": 16, "s4": 16, "c5": 1, "f6": 1, "rbf1": 1}
    assert any("heights and widths are to scale" in text for text in words)
    assert any("not drawn, as they keep the size: tanh ×6" in text for text in words)


def test_alexnet_s_two_towers_are_two_rows_and_their_lines_cross() -> None:
    scene = volumes(View(shipped("alexnet_two_gpu")))
    words = said(scene)
    for size in ("55×55×48", "27×27×128", "13×13×192", "13×13×128", "6×6×128", "2048"):
        assert words.count(size) % 2 == 0
        assert size in words
    assert {"227×227×3", "11×11, /4", "3×3, /2", "1000", "conv ×2", "gpu1", "gpu2"} <= set(words)
    middles: dict[str, set[float]] = {"gpu1": set(), "gpu2": set()}
    for path, face in fronts(scene):
        row = path.partition(".")[0][:4]
        if row in middles:
            middles[row].add(face.bottom)
    assert max(middles["gpu1"]) < min(middles["gpu2"])
    joins = [node.path for node in shipped("alexnet_two_gpu").nodes if node.op.joins]
    lines: dict[str, list[Wire]] = {}
    for item, path in inside(scene.items):
        if isinstance(item, Wire) and path in joins:
            lines.setdefault(path, []).append(item)
    counts = [len(lines[path]) for path in joins]
    assert counts == [4, 4, 4, 2]


def test_vgg16_goes_from_thin_and_tall_to_thick_and_small() -> None:
    graph = shipped("vgg16")
    scene = volumes(View(graph))
    words = said(scene)
    stages = ((224, 64), (112, 128), (56, 256), (28, 512), (14, 512))
    assert all(f"{side}×{side}×{channels}" in words for side, channels in stages)
    assert words.count("conv ×2") == 2
    assert words.count("conv ×3") == 3
    assert words.count("fc") == 3
    assert words[-1].endswith("relu ×15, dropout ×2, softmax")
    paths = list(dict.fromkeys(path for path, _ in fronts(scene)))
    order = [node.path for node in graph.nodes if node.path in paths]
    assert paths == order
    lefts = [min(face.left for own, face in fronts(scene) if own == path) for path in paths]
    assert lefts == sorted(lefts)
    maps = [(path, face) for path, face in fronts(scene) if len(kinds(graph)[path].shape) > 1]
    widths = {kinds(graph)[path].channels: face.right - face.left for path, face in maps}
    assert list(widths.values()) == [widths[c] for c in sorted(widths, key=lambda c: int(str(c)))]
    assert widths[64] < widths[128] < widths[256] < widths[512]


def test_unet_is_a_u_with_what_is_copied_beside_what_came_up() -> None:
    graph = shipped("unet")
    scene = volumes(View(graph))
    words = said(scene)
    assert words.count("copy and crop") == 4
    assert max(face.bottom - face.top for _, face in fronts(scene)) > 125
    assert words.count("deconv") == 4
    for size in ("572×572×1", "568×568×64", "28×28×1024", "56×56×1024", "392×392×128", "388×388×2"):
        assert size in words
    places = dict(fronts(scene))
    for node in graph.nodes:
        if node.op.joins:
            up = node.inputs[1].node.path
            copied, came = places[node.path], places[up]
            assert (copied.top, copied.bottom) == (came.top, came.bottom)
            assert abs(copied.right - came.left) < 0.1
    down = [places[node.path].top for node in graph.nodes if node.name.startswith("maxpool")]
    up = [places[node.path].top for node in graph.nodes if node.op.joins]
    assert down == sorted(down)
    assert up == sorted(up, reverse=True)


def test_a_net_whose_indices_cross_is_level_as_noh_drew_it() -> None:
    graph = shipped("deconvnet")
    scene = volumes(View(graph))
    assert scene.height < 400
    axes = {round((face.top + face.bottom) / 2) for _, face in fronts(scene)}
    assert max(axes) - min(axes) < 40
    heights = [face.bottom - face.top for _, face in fronts(scene)]
    assert max(heights) == heights[0] == heights[-1] > 90
    skips = [i for i, _ in inside(scene.items) if isinstance(i, Wire) and i.look == "skip"]
    assert len(skips) == 5
    assert any("unpool reads the indices of its pool too" in text for text in said(scene))


def test_branches_are_no_tower(net: Callable[..., Graph]) -> None:
    branches = " | ".join(["conv3-8(pad=same)"] * 4)
    scene = volumes(View(net(f"concat {{ | {branches} }}; gap; fc-3", input="64x64x64")))
    assert scene.height < 725
    # What is in a row is as large as ever.
    assert any(
        face.bottom - face.top > 150 for _, face in fronts(volumes(View(shipped("alexnet"))))
    )


def test_captions_that_would_push_slabs_apart_stand_on_two_levels(
    net: Callable[..., Graph],
) -> None:
    def captions(count: int) -> tuple[float, set[float]]:
        steps = "; ".join(f"conv3-{100 + 8 * i}(pad=same)" for i in range(count))
        scene = volumes(View(net(steps, input="3x640x640")))
        drawn = [i for i, _ in inside(scene.items) if isinstance(i, Words)]
        assert list(faults(scene)) == []
        return scene.width, {i.y for i in drawn if i.text.startswith("640×640×1")}

    width, levels = captions(8)
    assert width < 1600
    assert len(levels) == 1
    width, levels = captions(24)
    assert width <= 1600
    assert len(levels) == 2


def test_a_closed_block_is_split_as_its_branches_and_a_residual_one_has_a_skip() -> None:
    scene = volumes(View(shipped("googlenet")))
    branches = [path for path, _ in fronts(scene)].count("inception3a")
    assert branches == 4
    assert {"aux1", "training only, loss × 0.3"} <= set(said(scene))
    scene = volumes(View(shipped("resnet50")))
    skips = [
        path for item, path in inside(scene.items) if isinstance(item, Wire) and item.look == "skip"
    ]
    assert [path.partition(".")[0] for path in skips] == ["stage1", "stage2", "stage3", "stage4"]
    assert {"stage1", "bottleneck ×6", "7×7×2048"} <= set(said(scene))


def test_depth_and_expand_open_blocks() -> None:
    graph = shipped("resnet18")
    closed = said(volumes(View(graph, depth=0)))
    assert "basic ×2" not in closed
    assert "stage1" in closed
    opened = volumes(View(graph, depth=0, expand=("basic",)))
    assert any("conv" in text for text in said(opened))
    assert sum(path.startswith("stage2.") for path, _ in fronts(opened)) >= 2
    assert "basic ×2, first: /2, + projection" in said(opened)
    assert list(faults(opened)) == []


def test_several_resolutions_of_one_layer_are_slabs_of_their_own(net: Callable[..., Graph]) -> None:
    words = said(volumes(View(net("deconv2-32/2 x3", input="32x4x4"))))
    assert {"8×8×32", "16×16×32", "32×32×32"} <= set(words)


def test_maps_of_one_and_of_three_dimensions_are_drawn(net: Callable[..., Graph]) -> None:
    scene = volumes(View(net("conv3-32; relu; maxpool2", input="8x64")))
    assert {"62×32", "31×32"} <= set(said(scene))
    assert list(faults(scene)) == []
    scene = volumes(View(net("conv3-32(pad=same); gap; fc-4", input="3x8x16x16")))
    assert "8×16×16×32" in said(scene)
    frames = [path for path, _ in fronts(scene)].count("conv1")
    assert frames == 4
    assert list(faults(scene)) == []
    assert any("frames as up to 4 slices" in text for text in said(scene))


def test_frames_of_a_map_take_no_more_room_than_its_channels(net: Callable[..., Graph]) -> None:
    """Each frame was as thick as all channels, so that nets of clips had the smallest slabs."""
    scene = volumes(View(shipped("c3d")))
    faces = [face for path, face in fronts(scene) if path == "input"]
    assert len(faces) == 4
    assert max(face.bottom - face.top for face in faces) > 150
    steps = "concat { | conv3-32(pad=same) | conv3-32(pad=same) }"
    found = fronts(
        volumes(View(net(f"block both {{ {steps} }}\nboth; gap; fc-4", input="64x8x16x16")))
    )
    widths = [face.right - face.left for path, face in found if path == "both1"]
    assert len(widths) == 8
    assert max(widths) < 10


def test_weights_that_are_shared_have_a_colour_and_a_name(net: Callable[..., Graph]) -> None:
    left, right = "@left; tower(8) as first", "@right; tower(8, weights=@first)"
    block = "block tower(n) { conv3-n; maxpool2; conv3-n; gap; fc-32 }"
    inputs = "input left: 3x64x64\ninput right: 3x64x64"
    text = f"{inputs}\n{block}\n{left}\n{right}\n{{ | @first | identity }}; sub; fc-1"
    graph = build(Source("t.ns", text))
    for depth in (None, 0):
        scene = volumes(View(graph, depth=depth))
        words = " ".join(said(scene))
        assert "weights of first" in words
        marks = [i for i, _ in inside(scene.items) if isinstance(i, Box) and i.role == "key"]
        assert [mark.look for mark in marks] == ["share0", "share0"]
        assert list(faults(scene)) == []
    words = said(volumes(View(shipped("gpt2"))))
    assert "weights of lookup" in words
    twice = "block twice { conv3-C(pad=same) as k; relu; conv3-C(pad=same, weights=@k) }"
    assert "k: feature maps" in said(volumes(View(net(f"{twice}\nconv1-8; twice"))))


@pytest.mark.parametrize(
    "steps",
    [
        "relu",
        "add { | identity | relu }; conv3-8",
        "add { | conv1-3 | conv3-3(pad=same) }; relu",
        "concat { | conv3-48(pad=same) | conv5-48(pad=same) }",
        "{ | conv3-48(pad=same); gap | conv5-48(pad=same); gap }",
        "conv3-64 as a; relu; conv1-64; add { | identity | @a }; conv1-64; add { | identity | @a }",
        "concat { | relu | conv3-64(pad=same); concat { | identity | conv3-8(pad=same) } }; gap; fc-3",
        "mul { | identity | gap; fc-3; reshape(3x1x1) }",
        "head early(loss=0.3) { gap; fc-4 }\nconv3-64; gap; fc-4",
        "conv3-64 as a\nhead one(loss=0.3) { @a; gap; fc-4 }\nhead two(loss=0.2) { @a; gap; fc-4 }\n"
        "@a; conv3-8; head three(loss=0.1) { gap; fc-4 }; gap; fc-4",
        "{ | relu | tanh; head early(loss=0.3) { gap; fc-4 } }; minimum; conv3-8; gap; fc-4",
        "avgpool2 as a; { | @a; gap | gap }; concat as b\noutput b, a",
    ],
)
def test_joins_forks_skips_and_heads_do_not_collide(steps: str, net: Callable[..., Graph]) -> None:
    graph = net(steps)
    scene = volumes(View(graph))
    assert fronts(scene)
    assert list(faults(scene)) == []
    assert astray(graph, opened=True) == set()
    assert missing(graph, opened=True) == []


def test_random_nets_are_whole_and_nothing_covers_words() -> None:
    shown = 0
    # Of 114 a line ran through the name right of a sum, to which it led from far below.
    for seed in (*range(60), 114):
        graph = spec(seed).graph
        try:
            scene = volumes(View(graph))
        except NetspecError as refused:
            assert "--style fold" in str(refused)
            continue
        shown += 1
        assert list(faults(scene)) == [], seed
        assert astray(graph, opened=True) == set(), seed
        assert missing(graph, opened=True) == [], seed
    assert shown > 30


LEVELS = "conv3-16(pad=same) as a; maxpool2; {}; maxpool2; {}; deconv2-16/2; {}; deconv2-16/2; {}"


@pytest.mark.parametrize("join", ["add {{ | identity | @{} }}", "concat {{ | identity | @{} }}"])
@pytest.mark.parametrize(
    ("step", "crossing"),
    [
        ("conv3-16(pad=same)", True),
        ("concat { | conv1-8 | conv3-8(pad=same) }", True),
        ("residual { conv3-16(pad=same); conv3-16(pad=same) }", False),
    ],
)
def test_a_u_has_skips_across_unless_something_passes_over_a_level(
    join: str, step: str, crossing: bool, net: Callable[..., Graph]
) -> None:
    levels = LEVELS.format(f"{step} as b", step, join.format("b"), join.format("a"))
    scene = volumes(View(net(f"{levels}; conv1-2", input="16x32x32")))
    assert (said(scene).count("copy") == 2) is crossing
    assert fronts(scene)
    assert list(faults(scene)) == []


@pytest.mark.parametrize("depth", [1, 9])
@pytest.mark.parametrize(
    "name",
    [
        "captioning",
        "googlenet",
        "inception_v4",
        "nasnet_mobile",
        "neocognitron",
        "vae",
        "vgg_ensemble",
    ],
)
def test_nothing_covers_words_however_far_blocks_are_opened(name: str, depth: int) -> None:
    graph = shipped(name)
    try:
        scene = volumes(View(graph, depth=depth))
    except NetspecError as refused:
        assert "more than a screen" in str(refused)
        return
    assert list(faults(scene)) == []


def test_outputs_on_the_way_are_named(net: Callable[..., Graph]) -> None:
    words = " ".join(said(volumes(View(shipped("vae")))))
    assert "outputs: image, mean, log_variance" in words


def test_a_chain_too_long_for_a_line_goes_on_below(net: Callable[..., Graph]) -> None:
    widths = [64 + 8 * (i % 7) for i in range(60)]
    graph = net("\n".join(f"conv3-{w}(pad=same)" for w in widths))
    scene = volumes(View(graph))
    assert scene.width <= 1600
    assert list(faults(scene)) == []
    assert len({path for path, _ in fronts(scene)}) == 61


def test_what_slabs_cannot_show_is_refused_with_a_way_out(net: Callable[..., Graph]) -> None:
    assert "--style fold" in refusal(shipped("unetpp"))
    many = "\n".join(f"conv1-{3 + i % 89}; conv1-{2 + i % 97}" for i in range(301))
    assert "603 boxes, the limit is 400" in refusal(net(many))
    long = "\n".join(f"conv1-{30 + i % 89}" for i in range(300))
    assert "more than a screen" in refusal(net(long))
    with pytest.raises(NetspecError, match="takes one net"):
        draw([net("relu"), net("relu")], style="volumes")


CROSSING = (
    "relu as x\n@x; conv3-8(pad=same) as a\n@x; conv5-8(pad=same) as b\n"
    "add { | @a | @b } as c\nmul { | @a | @b } as d\nconcat { | @c | @d | @b }; conv1-4"
)


@pytest.mark.parametrize(
    "steps",
    [
        CROSSING,
        # Nothing but what follows reads one of them a second time.
        "conv3-8 as a; gap as g\n@a; { | @g; fc-8; reshape(8x1x1) | identity }; mul as m; conv1-8 as k\n"
        "{ | @a | @k }; add; { | identity | @m }; add; gap; fc-3",
        # What begins inside has no line from before.
        "conv3-8 as a\nparameter(8x1x1) as p\n{ | @a | @p }; mul as m\n{ | @m | @p }; mul; conv1-8 as k\n"
        "{ | @k | @m | @p }; add; gap",
        # A sum that is followed by nothing that is drawn.
        "conv3-8 as a; relu as r; conv1-8 as b\n{ | @r | @b }; add as s; relu as t; conv1-8 as e\n"
        "{ | @b | @e | @t }; add; relu",
    ],
)
def test_what_crosses_is_a_row_with_lines_over_it(steps: str, net: Callable[..., Graph]) -> None:
    graph = net(steps)
    scene = volumes(View(graph))
    assert list(faults(scene)) == []
    assert astray(graph, opened=True) == set()
    assert missing(graph, opened=True) == []


def test_lines_lead_over_what_does_not_read_them(net: Callable[..., Graph]) -> None:
    scene = volumes(View(net(CROSSING)))
    skips = [i for i, _ in inside(scene.items) if isinstance(i, Wire) and i.look == "skip"]
    # Of the nine connections between the input, `a`, `b`, `c`, `d` and `concat`, three lead to what is next.
    assert len(skips) == 6


def test_branches_that_lead_on_to_nothing_have_no_line(net: Callable[..., Graph]) -> None:
    """A branch that only says a size was drawn as if its tensor were read."""
    placed = "block placed { add { | identity | slice(0, 4); waves(normalised=yes); conv1-C } }"
    graph = net(f"{placed}\nconv3-8(pad=same); placed; conv1-8")
    assert astray(graph, opened=True) == set()
    assert missing(graph, opened=True) == []


def test_equal_branches_one_after_the_other_are_drawn_once(net: Callable[..., Graph]) -> None:
    """A repeat of branches that no block holds was a defect."""
    unit = "residual { conv3-16(pad=same); conv3-16(pad=same) }"
    graph = net("\n".join(["conv3-16(pad=same)", *[unit] * 4, "gap; fc-4"]))
    scene = volumes(View(graph))
    assert "×4" in said(scene)
    assert list(faults(scene)) == []
    assert missing(graph, opened=True) == []


def test_open_sizes_are_told_and_drawn_for_legal_numbers(net: Callable[..., Graph]) -> None:
    words = said(volumes(View(build(Source("t.ns", "input 3xHxW\nconv3-8; maxpool2; gap; fc-4")))))
    assert {"3@H×W", "8@(H - 2)×(W - 2)"} <= set(words)
    assert any("drawn for H = 64, W = 64" in text for text in words)
    deep = "input 3xHxW\n" + "conv3-8/2(pad=same); " * 5 + "H = 32*3\ngap"
    assert Assumed(build(Source("t.ns", deep.replace("H = 32*3\n", "")))).sizes == {
        "H": 256,
        "W": 256,
    }
    tokens = said(volumes(View(shipped("gpt2"))))
    assert {"T ids", "T×768"} <= set(tokens)
    assert any("drawn for T = 64" in text for text in tokens)


def test_without_a_title_the_notes_go_too() -> None:
    svg = draw([shipped("vgg16")], style="volumes", title=False)
    assert isinstance(svg, str)
    assert "224×224×64" in svg
    assert "not drawn" not in svg
    tikz = draw([shipped("vgg16")], style="volumes", format="tikz")
    assert isinstance(tikz, str)
    assert tikz.count("-- cycle;") > 60


def test_what_is_shown_follows_show_and_heat() -> None:
    graph = shipped("alexnet")
    usual = said(volumes(View(graph)))
    assert "55×55×96" in usual
    assert "34.9 k" not in usual
    assert "34.9 k" in said(volumes(View(graph, show=("shape", "params"))))
    assert "105 M MACs" in said(volumes(View(graph, show=("macs",))))
    bare = said(volumes(View(graph, show=())))
    assert "55×55×96" not in bare
    assert "conv" in bare
    assert "11×11, /4" not in bare
    heated = draw([graph], style="volumes", heat="macs")
    assert isinstance(heated, str)
    assert 'class="h5-front"' in heated


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_every_face_has_a_colour_in_every_theme_and_format(theme: str) -> None:
    graph = shipped("googlenet")
    svg = draw([graph], style="volumes", theme=theme)
    assert isinstance(svg, str)
    for look in ("conv", "pool", "fc", "in", "shut", "head"):
        for face in ("front", "top", "side"):
            assert f'class="{look}-{face}"' in svg
            assert f"polygon.{look}-{face}{{fill:#" in svg
    pdf = draw([graph], style="volumes", theme=theme, format="pdf")
    assert isinstance(pdf, bytes)
    assert pdf.startswith(b"%PDF")
    html = draw([graph], style="volumes", theme=theme, format="html")
    assert isinstance(html, str)
    assert len(html.encode()) < 200_000


def test_pictures_are_the_same_from_run_to_run() -> None:
    script = (
        "import sys, hashlib; from netspec.elaborate.build import build;"
        "from netspec.syntax.files import read_spec; from netspec.draw import draw;"
        "found = [draw([build(read_spec(n))], style='volumes') for n in ('googlenet', 'unet')];"
        "print([hashlib.sha256(text.encode()).hexdigest() for text in found]);"
        "print({'torch', 'onnx', 'numpy', 'matplotlib'} & set(sys.modules))"
    )
    (printed,) = printed_by_seeds(script)
    assert printed.rstrip().endswith("set()")


def test_the_checks_find_what_is_wrong() -> None:
    slab = Polygon(((10, 10), (30, 10), (30, 40), (10, 40)), "conv-front")
    other = Polygon(((25, 10), (45, 10), (45, 40), (25, 40)), "conv-front")

    def wrong(*items: Item) -> int:
        return len(list(faults(Scene(items, 100, 100, "t", ""))))

    one = Group((slab,), path="a")
    assert wrong(one) == 0
    assert wrong(one, Group((other,), path="b")) == 1
    assert wrong(one, Words(12, 30, "covers")) == 1
    assert wrong(one, Words(90, 80, "leaves the page")) == 1
    assert wrong(Words(10, 80, "one"), Words(12, 82, "two")) == 1
    assert wrong(one, Wire(((0, 20), (60, 20)))) == 1
    assert wrong(Words(10, 80, "words"), Wire(((0, 77), (60, 77)))) == 1


def test_vectors_that_a_block_puts_together_are_one_bar_of_parts(net: Callable[..., Graph]) -> None:
    block = "block both of p, q { concat { | @p | @q; fc-C(over=channels); softsign } }"
    graph = net(f"input 4\n{block}\ntanh x3\n{{ | identity | prelu; identity }}; both")
    scene = volumes(View(graph))
    bar = next(area for path, area in fronts(scene) if path == "both1")
    assert bar.right > bar.left
    assert list(faults(scene)) == []


def test_branches_in_branches_are_laid_out_once() -> None:
    """Each fork was laid out twice, and so was each in it: thirty inside each other had no end."""
    deep = 30
    text = "input 3x8x8\n" + "add { | conv1-3 | " * deep + "relu" + " }" * deep + "\n"
    graph = build(Source("t.ns", text))
    with pytest.raises(NetspecError, match="its slabs take"), at_most(2_000_000):
        draw([graph], style="volumes")
