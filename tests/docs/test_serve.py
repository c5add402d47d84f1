"""What a real server made of deployed nets: the last results, and the page that has them."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import pytest
from support.places import DOCS, ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
cases = importlib.import_module("serve_cases")
RESULTS = ROOT / "benchmarks" / "results"
FOUND: dict[str, Any] = json.loads((RESULTS / "serve.json").read_text())
REAL, STAND_IN = FOUND["onnxruntime backend"], FOUND["python backend"]
PROGRAMS: dict[str, Any] = json.loads((RESULTS / "serve_programs.json").read_text())


@pytest.mark.parametrize("part", [REAL, STAND_IN], ids=["onnxruntime", "python"])
def test_every_case_was_served_and_answered_right(part: dict[str, Any]) -> None:
    assert part["repositories"].keys() == {case.name for case in cases.CASES}
    assert len(part["repositories"]) >= 22
    for case in cases.CASES:
        row = part["repositories"][case.name]
        images = [f"{case.name}_images", f"{case.name}_preprocess"]
        assert row["models"] == [case.name, *(images if "--preprocess" in case.flags else [])]
        assert row["requests"] == 2 * len(case.rows) * (2 if "--preprocess" in case.flags else 1)
        assert row["error"] <= 1e-4
    assert part["configurations"] == sum(
        len(row["models"]) for row in part["repositories"].values()
    )
    images, texts = part["joined"]["resnet20_cifar"], part["joined"]["bert"]
    assert images["execution_count"] < images["inference_count"] / 2
    # Only texts of one length can be joined.
    assert 3 <= texts["execution_count"] < texts["inference_count"]


def test_every_spoilt_configuration_was_refused() -> None:
    of_server = {*cases.SPOILT, *cases.ENSEMBLE}
    assert STAND_IN["refused"].keys() == of_server
    assert REAL["refused"].keys() == of_server | cases.AGAINST_FILE.keys()
    assert len(of_server) >= 12
    assert 'no field named "max_batchsize"' in REAL["refused"]["a misspelt field"]


def test_programs_give_what_python_gives() -> None:
    assert PROGRAMS["C++"]["error"] == 0
    assert PROGRAMS["browser"]["error"] < 1e-6


def test_the_page_has_what_was_found() -> None:
    page = (DOCS / "scale.md").read_text()
    assert f"| Triton {REAL['server'].rpartition('.')[0]} on " in page
    rows = {
        "repositories that are ready": lambda part: len(part["repositories"]),
        "models in them": lambda part: part["configurations"],
        "answers over HTTP and gRPC": lambda part: f"{_worst(part):.0e}".replace("0e+00", "0"),
        "images that came together": lambda part: _counts(part, "resnet20_cifar"),
        "texts of three lengths": lambda part: _counts(part, "bert"),
        "versions served": lambda part: "; ".join(part.get("versions", "-")),
        "spoilt configurations": lambda part: len(part["refused"]),
    }
    for start, figure in rows.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {start}")]
        assert line.endswith(f" | {figure(REAL)} | {figure(STAND_IN)} |"), line


def _worst(part: dict[str, Any]) -> float:
    return max(float(row["error"]) for row in part["repositories"].values())


def _counts(part: dict[str, Any], name: str) -> str:
    return ", ".join(map(str, part["joined"][name].values()))
