"""Tables in files: the same rows in each form, written as they come, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.sweeping.sweep import Sweep
from netspec.sweeping.tables import WRITERS, fitting
from netspec.sweeping.variant import Row

NET = (
    "net t(n=4, act=relu, deep=no)\ninput 3x8x8\nconv3-n(act=act)\nif deep { conv7-n }\ngap; fc-2\n"
)
GRID = {"n": [4, 8.0], "act": "relu,leaky(0.1)", "deep": "no,yes"}


def made() -> Sweep:
    return netspec.sweep(NET, GRID)


def test_csv_is_what_a_reader_of_csv_reads(tmp_path: Path) -> None:
    made().save(tmp_path / "t.csv")
    text = (tmp_path / "t.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert "\r" not in text
    assert len(rows) == 8
    assert list(rows[0]) == list(made().columns)
    assert (rows[0]["set_n"], rows[0]["set_act"], rows[0]["set_deep"]) == ("4.0", "relu", "no")
    assert (rows[3]["status"], rows[3]["code"], rows[3]["params"]) == ("refused", "NS302", "")
    assert rows[3]["message"].startswith("`conv`'s kernel 7 does not fit")
    assert int(rows[0]["params"]) == netspec.load(NET).params


def test_json_lines_have_every_column_of_its_kind(tmp_path: Path) -> None:
    made().save(tmp_path / "t.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert lines == [fitting(row, made().columns) for row in made()]
    assert (lines[0]["set_n"], lines[0]["set_deep"], lines[1]["set_deep"]) == (4.0, False, True)
    assert lines[1]["params"] is None


def test_parquet_has_typed_columns_and_one_form(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    made().save(tmp_path / "t.parquet")
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.to_pylist() == [fitting(row, made().columns) for row in made()]
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["set_n"] == "double"
    assert (kinds["set_deep"], kinds["set_act"], kinds["params"]) == ("bool", "string", "int64")
    made().save(tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "t.parquet").read_bytes()


def test_values_of_several_kinds_share_a_column_as_a_spec_has_them(tmp_path: Path) -> None:
    found = netspec.sweep(NET, {"n": "4,8", "act": "none,relu", "deep": "yes,1"})
    found.save(tmp_path / "t.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [line["set_deep"] for line in lines[:2]] == ["yes", "1"]
    assert [line["status"] for line in lines[:2]] == ["refused", "refused"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_parts_make_the_whole(form: str, tmp_path: Path) -> None:
    netspec.sweep(NET, GRID).save(tmp_path / f"whole.{form}")
    parts = []
    for i in (1, 2, 3):
        netspec.sweep(NET, GRID, part=(i, 3)).save(tmp_path / f"part.{form}")
        lines = (tmp_path / f"part.{form}").read_text().splitlines(keepends=True)
        parts += lines[1:] if form == "csv" and i > 1 else lines
    assert "".join(parts) == (tmp_path / f"whole.{form}").read_text()


def _many(count: int) -> Iterator[Row]:
    for number in range(count):
        yield Row(number, {"n": number}, {}, totals={"params": 10**15 + number})


def test_rows_are_written_as_they_come() -> None:
    columns = {"variant": int, "set_n": int, "status": str, "params": int}
    for writer in (WRITERS["csv"], WRITERS["jsonl"]):
        out = io.BytesIO()
        tracemalloc.start()
        writer(out, columns).write(_many(15_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = len(out.getvalue())
        assert size > 400_000
        # The buffer itself, which grows by more than it needs, and little else.
        assert peak < 2.5 * size


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_what_ends_midway_leaves_the_old_table(
    failure: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old\n")

    def rows() -> Iterator[Row]:
        yield from _many(5)
        raise failure

    with pytest.raises(failure):
        made().write(path, rows())
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["table", "table.txt", "table.xlsx", "table.csv.gz"])
def test_another_ending_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(NetspecError, match="NS545") as caught:
        made().save(tmp_path / name)
    assert caught.value.status == 2


def test_the_spec_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    path.write_text(NET)
    with pytest.raises(NetspecError, match="which was read"):
        netspec.sweep(path, {"n": [4]}).save(path)
    assert path.read_text() == NET
