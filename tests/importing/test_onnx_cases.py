"""ONNX's own test files of one operator each: read and as ONNX recorded, or refused by a message of ours."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from netspec.api.net import Net
from netspec.diagnostics.raised import NetspecError
from netspec.importing.imported import Imported, import_file

# Read as ONNX Runtime computes them: along corners it goes by whole sizes, ONNX's record by the fraction.
_AS_RUNTIME = {
    "test_resize_downsample_scales_linear_align_corners",
    "test_resize_downsample_scales_cubic_align_corners",
}


def _inner(case: Any) -> onnx.ModelProto:
    """The case with all inputs but the first as constants, as files of nets have their weights."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph, given = model.graph, case.data_sets[0][0]
    for value, array in list(zip(graph.input, given, strict=False))[1:]:
        if not isinstance(array, np.ndarray):
            return model
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), value.name))
        graph.input.remove(value)
    return model


def _answers(found: Imported, inputs: Sequence[Any]) -> list[np.ndarray[Any, Any]] | None:
    """What the net answers; None where the case's samples are not those of the net."""
    try:
        ran = Net(found.graph).run(*map(np.asarray, inputs), weights=found.weights)
    except NetspecError as error:
        assert error.diagnostics[0].code == "NS604", error
        return None
    return list(ran.outputs.values())


def _agrees(answer: np.ndarray[Any, Any], recorded: Any) -> bool:
    """Whether they are one tensor, of which the net's has the samples first."""
    recorded = np.asarray(recorded)
    if answer.size != recorded.size:
        return False
    turned = [recorded, *(np.moveaxis(recorded, axis, 0) for axis in range(recorded.ndim))]
    flat = answer.ravel()
    return any(
        np.allclose(flat, other.ravel().astype(np.float64), rtol=1e-3, atol=1e-3)
        for other in turned
    )


@pytest.mark.slow
@pytest.mark.parametrize("inner", [False, True], ids=["inputs", "constants"])
def test_every_case_is_as_recorded_or_refused(inner: bool, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the arithmetic that makes the cases
        from onnx.backend.test.case.node import collect_testcases

        cases = [case for case in collect_testcases(None) if case.data_sets]
    path, ends, wrong = tmp_path / "case.onnx", Counter[str](), []
    for case in cases:
        onnx.save(_inner(case) if inner else case.model, path)
        try:
            found = import_file(path)
        except NetspecError as refused:
            ends[refused.diagnostics[0].code] += 1
            told = str(refused)
            if "Error '" in told or "out of range" in told:  # what Python says of its own
                wrong.append(f"{case.name}: {told}")
            continue
        ends["read"] += 1
        inputs, recorded = case.data_sets[0]
        answers = _answers(found, inputs[:1] if inner else inputs)
        if (
            answers is not None
            and case.name not in _AS_RUNTIME
            and not _agrees(answers[0], recorded[0])
        ):
            wrong.append(f"{case.name} answers otherwise: {found.text}")
    assert not wrong, "\n".join(wrong)
    assert ends["read"] >= (230 if inner else 200), ends
    assert ends["NS803"] <= 40, ends
