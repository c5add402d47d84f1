"""Switches: what a file says of them is checked, what is told of them reaches ONNX Runtime."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import netspec
from netspec.backends.onnx.file import write_metadata
from netspec.backends.runtime import Session
from netspec.backends.switches import (
    DEFAULTS,
    KEY,
    ON_DEVICE,
    VALUES,
    Switches,
    Tuned,
    cores,
    read_tuned,
    tuned_text,
)
from netspec.backends.tune import keep
from netspec.diagnostics.raised import NetspecError

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype=np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return netspec.load("conv3-4(act=relu); gap; fc-5", input="3x8x8").to_onnx(tmp_path / "n.onnx")


def test_every_switch_has_values_a_default_among_them_and_a_device() -> None:
    assert set(VALUES) == {item.name for item in fields(Switches)}
    assert all(value in VALUES[name] for name, value in DEFAULTS.stated())
    assert {name for names in ON_DEVICE.values() for name in names} == set(VALUES)


def test_what_is_said_goes_over_what_the_file_says() -> None:
    merged = Switches(threads=2).over(Switches(threads=1, arena=False)).over(DEFAULTS)
    assert (merged.threads, merged.arena, merged.spinning) == (2, False, "always")
    assert merged.differences(DEFAULTS) == {"threads": 2, "arena": False}


def test_a_file_is_run_as_it_says_and_computes_the_same(model: Path) -> None:
    plain = Session(model)
    assert plain.tuned == Switches()
    assert plain.switches == DEFAULTS
    keep(model, "cpu", Switches(threads=1, spinning="never", optimization="none", block_base=4))
    tuned = Session(model)
    assert tuned.switches == Switches(
        threads=1, spinning="never", optimization="none", block_base=4
    ).over(DEFAULTS)
    options = tuned._session.get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.get_session_config_entry("session.dynamic_block_base") == "4"
    assert options.graph_optimization_level.name == "ORT_DISABLE_ALL"
    first, second = (s.run({"input": X}).outputs["output"] for s in (plain, tuned))
    assert np.allclose(first, second, rtol=1e-5, atol=1e-6)
    # What the caller says goes before what the file says.
    assert Session(model, switches=Switches(threads=2)).switches.threads == 2


@pytest.mark.parametrize("name", ON_DEVICE["cpu"])
def test_every_value_of_every_switch_of_the_cpu_runs(model: Path, name: str) -> None:
    plain = Session(model).run({"input": X}).outputs["output"]
    values = (1, 2) if name == "threads" else VALUES[name]
    for value in values:
        found = Session(model, switches=Switches(**{name: value})).run({"input": X})
        assert np.allclose(found.outputs["output"], plain, rtol=1e-5, atol=1e-6)


def test_threads_are_for_as_many_cores() -> None:
    said = Switches(threads=1, arena=False)
    assert Tuned(said, cores()).here() == said
    assert Tuned(said, cores() + 1).here() == Switches(arena=False)


def test_keeping_leaves_the_model_and_what_is_said_of_other_devices(model: Path) -> None:
    before = onnx.load(model)
    keep(model, "cuda", Switches(nhwc=True))
    keep(model, "cpu", Switches(threads=1))
    keep(model, "cpu", Switches(arena=False))
    after = onnx.load(model)
    said = [entry.value for entry in after.metadata_props if entry.key == KEY]
    assert read_tuned(said) == {
        "cpu": Tuned(Switches(arena=False), cores()),
        "cuda": Tuned(Switches(nhwc=True), cores()),
    }
    kept = [entry for entry in after.metadata_props if entry.key != KEY]
    assert kept == list(before.metadata_props)
    assert after.graph == before.graph
    keep(model, "cpu", Switches())
    assert Session(model).tuned == Switches()
    onnx.checker.check_model(model)


def said(**changes: Any) -> str:
    """What a tuned file says, with something changed."""
    cpu: dict[str, Any] = {"cores": 2, "switches": {"threads": 1}}
    whole = {"format_version": 1, "devices": {"cpu": {**cpu, **changes.pop("cpu", {})}}}
    return json.dumps({**whole, **changes})


HOSTILE = {
    "no JSON": "{",
    "no object": "[]",
    "empty": "",
    "nested": "[" * 4000,
    "long": said() + " " * 5000,
    "other format": said(format_version=2),
    "format true": said(format_version=True),
    "another field": said(extra=1),
    "devices a list": said(devices=["cpu"]),
    "another device": said(devices={"tpu": {"cores": 1, "switches": {}}}),
    "a device's other field": said(cpu={"path": "/etc/passwd"}),
    "no cores": said(cpu={"cores": 0}),
    "switches a list": said(cpu={"switches": []}),
    "another switch": said(cpu={"switches": {"optimized_model_filepath": "/tmp/x"}}),
    "a provider's switch": said(cpu={"switches": {"cuda_graph": True}}),
    "a method": said(cpu={"switches": {"over": 1}}),
    "threads true": said(cpu={"switches": {"threads": True}}),
    "threads negative": said(cpu={"switches": {"threads": -1}}),
    "threads many": said(cpu={"switches": {"threads": 10**6}}),
    "more threads than cores": said(cpu={"switches": {"threads": 3}}),
    "threads huge": said(cpu={"switches": {"threads": 10**300}}),
    "threads half": said(cpu={"switches": {"threads": 1.0}}),
    "threads null": said(cpu={"switches": {"threads": None}}),
    "arena a number": said(cpu={"switches": {"arena": 1}}),
    "spinning unknown": said(cpu={"switches": {"spinning": "1; rm"}}),
    "a list for a word": said(cpu={"switches": {"spinning": ["never"]}}),
    "twice": '{"format_version":1,"devices":{},"devices":{}}',
    "NaN": said().replace("1}", "NaN}"),
}


def test_what_is_written_is_read() -> None:
    assert read_tuned([said()]) == {"cpu": Tuned(Switches(threads=1), 2)}
    for tuned in ({}, {"cpu": Tuned(DEFAULTS, 64)}):
        if tuned:
            on = {name: value for name, value in DEFAULTS.stated() if name in ON_DEVICE["cpu"]}
            tuned = {"cpu": Tuned(Switches(**on), 64)}
        assert read_tuned([tuned_text(tuned)]) == tuned


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_anything_else_that_a_file_says_is_refused(text: str, model: Path) -> None:
    write_metadata(model, {KEY: text})
    with pytest.raises(NetspecError) as caught:
        Session(model)
    assert caught.value.diagnostics[0].code == "NS605"
    assert KEY in str(caught.value)


def test_a_file_that_runs_side_by_side_is_allowed_what_it_may_hold_then(tmp_path: Path) -> None:
    """In order it holds two maps at once; its say is no way around the limit."""
    path = netspec.load("relu; " * 49 + "relu", input="256").to_onnx(tmp_path / "n.onnx")
    x = {"input": np.zeros((1, 256), np.float32)}
    Session(path, most=4096).run(x)
    keep(path, "cpu", Switches(execution="parallel"))
    with pytest.raises(NetspecError, match="would make"):
        Session(path, most=4096).run(x)
    Session(path, most=50 * 1024).run(x)


def test_what_a_file_says_twice_is_refused(model: Path) -> None:
    proto = onnx.load(model)
    for _ in range(2):
        proto.metadata_props.add(key=KEY, value=said())
    onnx.save(proto, model)
    with pytest.raises(NetspecError, match="twice"):
        Session(model)


def test_what_is_bound_is_computed_as_what_is_fed(model: Path) -> None:
    session = Session(model)
    bound = session.bind({"input": X})
    assert bound.run() > 0
    assert np.array_equal(bound.outputs()["output"], session.run({"input": X}).outputs["output"])
    with pytest.raises(NetspecError, match="1x4x8x8"):
        session.bind({"input": np.zeros((1, 4, 8, 8), np.float32)})


def test_the_precision_is_that_of_most_weights(model: Path, tmp_path: Path) -> None:
    assert Session(model).precision == "fp32"
    nothing = netspec.load("relu; relu", input="3x8x8").to_onnx(tmp_path / "relu.onnx")
    assert Session(nothing).precision == "none"
