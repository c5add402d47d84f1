"""Every shipped net can be packaged: all but its numbers is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.shelves import shipped

from netspec.packaging.card import Card
from netspec.packaging.config import config
from netspec.packaging.facts import facts
from netspec.packaging.hub import front_matter
from netspec.packaging.mlflow import mlflow_files
from netspec.packaging.spec import packaged
from netspec.syntax.files import shipped_names


@pytest.mark.slow
@pytest.mark.parametrize("name", [*shipped_names("lectures"), *shipped_names("today")])
def test_a_shipped_net_is_told_and_builds_from_its_package(name: str, tmp_path: Path) -> None:
    graph = shipped(name)
    told, spec = facts(graph), packaged(graph)
    spec.write(tmp_path, graph)
    assert all(tensor.shape[0] in (-1, 1) for tensor in (*told.inputs, *told.outputs))
    assert told.classes == 0 or told.outputs[0].shape == (-1, told.classes)
    said = config(graph, told, spec, labels=(), logits=False, models={}, weights="initial")
    assert said["netspec"]["spec"] == spec.spec
    front = front_matter(graph, told, name=name, license="mit", trained=True)
    assert ("model-index" in front) <= bool(told.task)
    assert mlflow_files(told, "model.onnx", "0" * 64).keys() >= {"MLmodel", "requirements.txt"}
    report = {"files": {"onnx/model.onnx": {}}, "versions": {}}
    text = Card(graph, told, spec, name, front, "initial", {}, report, "").text()
    assert text.split("## Layers")[1].split("## Verification")[0].count("\n") < 130
