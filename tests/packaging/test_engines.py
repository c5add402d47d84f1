"""The programs that packages are for: what was found of them, and with `-m engines` what is found here."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import pytest
from support.places import ROOT

FOUND: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / "packages.json").read_text())
# What each check has to find besides that all is well, as docs/package.md says it.
WANTED = {
    "cards": {},
    "code_of_cards": {"blocks": 18},
    "transformers": {"images": 6},
    "timm": {"images": 6},
    "optimum": {},
    "mlflow": {"wrong_inputs": 24, "refused": 24},
    "pytorch": {},
    "signatures": {"packages": 5},
    "single_bytes": {"changed": 1000, "refused": {"digests": 1000, "key": 1000}},
    "single_bytes_with_new_digests": {"changed": 1000, "refused_with_key": 1000},
}


def hold(found: dict[str, Any]) -> None:
    assert found["checks"].keys() == WANTED.keys()
    for name, wanted in WANTED.items():
        check = found["checks"][name]
        assert check["ok"], name
        assert {key: check[key] for key in wanted} == wanted, name


def test_what_was_found_is_what_the_page_says() -> None:
    hold(FOUND)
    page = (ROOT / "docs" / "package.md").read_text()
    for program, version in FOUND["versions"].items():
        assert f"{program} {version.partition('+')[0]}" in page, program


@pytest.mark.engines
@pytest.mark.filterwarnings("default")
def test_every_program_reads_runs_or_refuses_them() -> None:
    spec = importlib.util.spec_from_file_location("packages", ROOT / "benchmarks" / "packages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hold(module.run())
