"""The figures of training's memory on its page: those that were measured, and those that are said today."""

from __future__ import annotations

import json
import re

import pytest
from support.places import DOCS, ROOT

import netspec

FOUND = json.loads((ROOT / "benchmarks" / "results" / "training_memory.json").read_text())
SECTION = (
    (DOCS / "scale.md").read_text().split("\n## Memory before buying it\n")[1].split("\n## ")[0]
)
each_net = pytest.mark.parametrize("row", FOUND["nets"], ids=lambda row: row["net"])


@each_net
def test_what_is_said_today_is_what_was_measured(row):
    net = netspec.load(row["net"], input=row["input"])
    for dtype in ("fp32", "bf16"):
        taken = net.training_memory(batch=row["batch"], dtype=dtype)
        assert taken.activations == row[f"kept_{dtype}"]["measured"]
    taken = net.training_memory(batch=row["batch"], optimizer="adamw")
    assert taken.weights + taken.buffers == row["weights_and_buffers"]["measured"]
    assert taken.optimizer_state == row["adamw_state"]["measured"]
    beside = taken.weights + taken.buffers + taken.optimizer_state + taken.inputs
    peak = row["peak_without_what_was_there"]
    assert taken.peak - beside == peak["said"]
    assert 0.87 < peak["ratio"] <= 1.0


@each_net
def test_the_page_has_the_figures(row):
    name = row["net"]
    (line,) = re.findall(rf"^\| {name}(?: at \w+)? \|(.*)\|$", SECTION, re.M)
    peak = row["peak_without_what_was_there"]
    pairs = (row["kept_fp32"], row["kept_bf16"], peak)
    sizes = [f"{pair[key] / 2**20:,.2f}" for pair in pairs for key in ("said", "measured")]
    expected = [str(row["batch"]), *sizes, f"{peak['ratio']:.3f}"]
    assert [cell.strip() for cell in line.split("|")] == expected


def test_the_nets_are_many_and_of_many_kinds():
    names = {row["net"] for row in FOUND["nets"]}
    assert len(names) >= 12
    assert {
        "lenet5",
        "unet",
        "vit_b_16",
        "swin_t",
        "captioning",
        "bert_base",
        "detr_resnet50",
    } <= names
    assert FOUND["machine"]["torch"].startswith("2.13")
