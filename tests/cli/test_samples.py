"""Samples from folders and files: each is read once, in order, and what is none is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netspec
from netspec.cli.shared.feeds import samples
from netspec.diagnostics.raised import NetspecError

ONE = netspec.load("conv3-4; gap", input="3x8x8").graph
TWO = netspec.load("input a: 3x8x8\ninput b: 3x8x8\nadd; gap\n").graph


def save(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        if name.endswith(".npy"):
            np.save(folder / name, np.full((1, 3, 8, 8), i, np.float32))
        else:
            Image.new("RGB", (20, 10), (i, i, i)).save(folder / name)


def test_a_folder_gives_its_images_and_arrays_in_order(tmp_path):
    save(tmp_path, "a.npy", "b.PNG", "c.npy", "d.jpg")
    (tmp_path / "notes.txt").write_text("no sample")
    found = list(samples(ONE, (str(tmp_path),)))
    assert [sample["input"].shape for sample in found] == [(1, 3, 8, 8)] * 4
    assert [float(found[i]["input"].max()) for i in (0, 2)] == [0, 2]


def test_samples_are_read_when_they_are_asked_for(tmp_path):
    save(tmp_path, "a.npy", "b.npy")
    running = samples(ONE, (str(tmp_path),))
    next(running)
    (tmp_path / "b.npy").write_bytes(b"broken")
    with pytest.raises(NetspecError, match=r"NS604.*b\.npy is not a plain array"):
        next(running)


def test_inputs_are_given_theirs_by_name_and_noise_where_they_get_none(tmp_path):
    save(tmp_path, "x.npy", "y.npy")
    both = list(samples(TWO, (f"b={tmp_path}",)))
    assert [float(sample["b"].max()) for sample in both] == [0, 1]
    assert all(sample["a"].std() > 0.5 for sample in both)
    assert not np.array_equal(both[0]["a"], both[1]["a"])


def test_without_any_there_is_noise():
    found = list(samples(ONE, ()))
    assert len(found) == 8
    assert all(set(sample) == {"input"} for sample in found)


def test_what_is_not_there_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(NetspecError, match="there is no file"):
        samples(ONE, (str(tmp_path / "nowhere"),))
    with pytest.raises(NetspecError, match="holds no image and no array"):
        samples(ONE, (str(tmp_path),))
    save(tmp_path, "x.npy", "y.npy")
    with pytest.raises(NetspecError, match="samples differ in number: 1 for a, 2 for b"):
        samples(TWO, (str(tmp_path / "x.npy"), f"b={tmp_path}"))
