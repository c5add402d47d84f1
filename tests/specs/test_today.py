"""Nets of today's libraries have those libraries' figures, every constructor by a name.

`data/today.json` has what torchvision's and timm's networks count: `python benchmarks/today.py
--record tests/data/today.json`. Each spec says the same in its `expect` lines, which are read here;
that the nets have what their lines say is checked by building them, the variations under `slow`.
Outputs are compared by the same script, and for the recorded ones in `checkpoints/test_published_today.py`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from support.places import DATA, ROOT
from support.shelves import BLOCKS, LECTURES, TODAY

import netspec
from netspec.elaborate.build import build
from netspec.elaborate.expect import expected_value
from netspec.syntax.files import read_shipped, shipped_file, shipped_folder
from netspec.syntax.units import variation_text, variations_of

RECORDED = json.loads((DATA / "today.json").read_text())
NETWORKS = {name: figures for library in RECORDED.values() for name, figures in library.items()}
CLASSIFIERS = [name for name, figures in NETWORKS.items() if "gigamacs" in figures]
SEGMENTING = [name for name in CLASSIFIERS if name.startswith(("deeplabv3", "fcn", "lraspp"))]
# As yolov8.yaml prints them: parameters, among which are 16 fixed ones that decode distances, and
# those that have gradients.
YOLO = {
    "n": (3_157_200, 3_157_184),
    "s": (11_166_560, 11_166_544),
    "m": (25_902_640, 25_902_624),
    "l": (43_691_520, 43_691_504),
    "x": (68_229_648, 68_229_632),
}
DECODING = 16


def expected(name: str) -> dict[str, int]:
    """What the lines of a spec say that it has."""
    pairs = re.findall(r"(\w+)=(\d+)", " ".join(_expecting(variation_text(read_shipped(name)))))
    return {key: int(value) for key, value in pairs}


def _expecting(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("expect ")]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_spec_says_what_its_librarys_network_counts(name: str) -> None:
    recorded: dict[str, Any] = NETWORKS[name]
    says = expected(recorded["spec"])
    heads, buffers = recorded.get("params_heads", 0), recorded.get("buffers_heads", 0)
    # Scales and shifts of frozen norms are trained where a library makes them without weights.
    frozen = says.get("params_frozen", 0)
    assert says["params"] + frozen == recorded["params"]
    assert says.get("buffers", 0) == recorded.get("buffers", 0)
    assert says.get("params_training", says["params"]) + frozen == recorded["params"] + heads
    assert says.get("buffers_training", says.get("buffers", 0)) == says.get("buffers", 0) + buffers
    if name in CLASSIFIERS and name not in SEGMENTING:
        assert says["macs"] / 1e9 == pytest.approx(recorded["gigamacs"], abs=0.00051)


@pytest.mark.parametrize("name", SEGMENTING)
def test_a_segmenting_net_multiplies_as_often_as_its_library_says(name: str) -> None:
    graph = build(read_shipped(name), {}, ("3x520x520",))
    assert expected_value(graph, "macs_training") / 1e9 == pytest.approx(
        NETWORKS[name]["gigamacs"], abs=0.00051
    )


@pytest.mark.parametrize("size", YOLO)
def test_yolov8_says_what_ultralytics_counts(size: str) -> None:
    trained = expected(f"yolov8{size}")["params"]
    assert (trained + DECODING, trained) == YOLO[size]


@pytest.mark.parametrize(
    ("name", "params", "gigamacs"),
    [
        ("fasterrcnn_resnet50_fpn", 41_755_286, 134.38),
        ("maskrcnn_resnet50_fpn", 44_401_393, None),
        ("keypointrcnn_resnet50_fpn", 59_137_258, None),
        ("retinanet_resnet50_fpn", 34_014_999, 151.54),
        ("fcos_resnet50_fpn", 32_269_600, 128.207),
        ("ssd300_vgg16", 35_641_826, 34.858),
    ],
)
def test_a_detector_says_what_torchvision_counts(
    name: str, params: int, gigamacs: float | None
) -> None:
    """Its weights' `num_params`, which leave frozen scales and shifts to the buffers, and `_ops`."""
    says = expected(name)
    scales_and_shifts = says.get("buffers", 0)
    assert says["params"] + says.get("params_frozen", 0) - scales_and_shifts == params
    if gigamacs is not None:
        assert says["macs"] / 1e9 == pytest.approx(gigamacs, abs=0.005)


# As the authors of YOLOv5 (release 6.1), CycleGAN and HiFi-GAN print them, and as their code counts.
PRINTED = {
    "yolov5n": 1_872_157,
    "yolov5s": 7_235_389,
    "yolov5m": 21_190_557,
    "yolov5l": 46_563_709,
    "yolov5x": 86_749_405,
    "cyclegan": 11_378_179,
    "dcgan": 3_576_704,
    "dcgan_discriminator": 2_765_568,
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_net_says_what_its_authors_code_counts(name: str) -> None:
    assert expected(name)["params"] == PRINTED[name]


def test_faster_rcnn_reads_a_region_from_the_level_that_torchvision_takes() -> None:
    """Regions of each last and first area in float32 among them; maps hold their level's number."""
    sides = np.float32([112, 224, 448])
    areas = np.concatenate([sides**2 * (1 + k * np.float32(2**-23)) for k in range(-40, 40)])
    areas = np.concatenate([areas, np.geomspace(1, 4e5, 50), [0]]).astype(np.float32)
    zero = np.zeros_like(areas)
    # A side is a power of two, so that the other makes the area exactly.
    rois = np.stack([zero, zero, zero, areas / 512, zero + 512], 1)
    level = torch.from_numpy(areas).sqrt() / 224
    level = torch.floor(4 + torch.log2(level) + torch.tensor(1e-6)).clamp(2, 5)
    net = netspec.load(
        "import block read from fasterrcnn_resnet50_fpn\n"
        "input p2: 1x128x200\ninput p3: 1x128x200\ninput p4: 1x128x200\ninput p5: 1x128x200\n"
        "input rois: 5 batch(R=4)\nread(@p2, @p3, @p4, @p5, @rois); gmp"
    )
    maps = {f"p{k}": np.full((1, 1, 128, 200), k, np.float32) for k in (2, 3, 4, 5)}
    module = net.to_torch().eval()
    given = module(*(torch.from_numpy(array) for array in (*maps.values(), rois)))
    assert torch.equal(given[:, 0].round(decimals=3), level)
    found = net.run(**maps, rois=rois).outputs["output"]
    assert np.array_equal(found[:, 0].round(3), level.numpy())


def test_unetpp_counts_as_its_authors_print() -> None:
    """The comment in their helper_functions.py, of a net on grey images without deep supervision."""
    assert netspec.load("unetpp", input="1x96x96", deep=False).params == 9_041_601


@pytest.mark.parametrize(
    "name",
    [n if not shipped_file(n)[1] else pytest.param(n, marks=pytest.mark.slow) for n in TODAY],
)
def test_a_spec_of_today_is_what_its_lines_expect(name: str) -> None:
    graph = build(read_shipped(name))
    assert graph.name == name
    assert {"params", "macs"} <= expected(name).keys()
    assert {key for key, _ in graph.metadata} >= {"paper", "year"}


def test_recorded_outputs_are_those_of_the_libraries() -> None:
    recorded = json.loads((ROOT / "benchmarks" / "results" / "today.json").read_text())
    assert set(recorded) <= set(NETWORKS)
    assert len(recorded) >= 250
    for name, found in recorded.items():
        off, moved = max(float(found["torch"]), float(found["onnxruntime"])), float(found["moved"])
        # What is asked must reach the answer, or an agreement says nothing of the layers before.
        assert moved >= 1e-3, name
        assert off <= min(1e-4, moved / 100), name


def test_no_recorded_file_of_a_library_loads_wrong_in_any_order() -> None:
    recorded = json.loads((ROOT / "benchmarks" / "results" / "orders.json").read_text())["networks"]
    assert len(recorded) >= 59
    for name, orders in recorded.items():
        assert orders["definition"] == "right", name
        assert not [order for order, found in orders.items() if found.startswith("wrong")], name


def test_every_family_says_where_it_is_from() -> None:
    for path in (shipped_folder() / "today").glob("*.ns"):
        text = path.read_text()
        assert re.search(r'^(source|note) "', text, re.MULTILINE), path.name


def test_every_figure_and_every_way_of_preparing_images_has_a_source() -> None:
    for path in (shipped_folder() / "today").glob("*.ns"):
        for line in path.read_text().splitlines():
            if line.startswith(("error ", "score ", "preprocess ")):
                assert re.search(r', source="[^"]+"$', line), (path.name, line)
                assert line.startswith("preprocess ") or ' on="' in line, (path.name, line)


def test_names_are_found_without_parsing_as_parsing_finds_them() -> None:
    parsed: list[str] = []
    for path in (shipped_folder() / "today").glob("*.ns"):
        source = read_shipped(path.stem)
        parsed += [path.stem, *(other.net for other in variations_of(source))]
    assert sorted(parsed) == list(TODAY)
    assert not {*LECTURES, *BLOCKS} & {*TODAY}


def test_a_variation_is_loaded_by_its_name() -> None:
    net = netspec.load("mnasnet0_5", input="3x64x64")
    assert (net.name, net.params) == ("mnasnet0_5", 2_218_512)
    assert netspec.load("mnasnet0_5", classes=10).params < net.params
