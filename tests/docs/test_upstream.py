"""The page of others' defects: each that can be run is, and netspec is right where they are not."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest
from support.places import DOCS, ROOT


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("upstream", ROOT / "benchmarks" / "upstream.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = _script().CASES


@pytest.mark.parametrize("name", CASES)
def test_netspec_is_right_where_others_are_not(name: str) -> None:
    _, right = CASES[name]()
    assert right


def test_the_page_lists_what_is_run() -> None:
    run_here = (DOCS / "upstream.md").read_text().split("## Not run here")[0]
    rows = re.findall(r"^\| ([A-Z][^|]*) \|", run_here, re.M)
    assert rows == list(CASES)
