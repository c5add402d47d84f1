"""The training example learns, and what it exports answers alike."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
from support.places import ROOT


@pytest.mark.slow
def test_lenet5_learns_digits_and_its_export_gives_the_same_predictions(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "examples" / "train_digits.py", "--output", "digits.onnx"]
    done = subprocess.run(
        [*map(str, command)], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the same predictions" in done.stdout
    accuracy = re.search(r"([\d.]+)% of held-out", done.stdout)
    assert accuracy is not None
    assert float(accuracy[1]) >= 97
    session = onnxruntime.InferenceSession(tmp_path / "digits.onnx")
    assert session.get_inputs()[0].shape == ["N", 1, 32, 32]
