"""Rows: exact costs, the code of what does not fit, mistakes refused before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import netspec
from netspec.analysis.budget import TOTALS, totals
from netspec.diagnostics.raised import NetspecError
from netspec.sweeping import variant
from netspec.sweeping.variant import Row

NET = """net family(n=8, k=3, act=relu, deep=no)
input 3x16x16
conv-n(kernel=k, act=act)
if deep { conv3-(2*n)(pad=same) }
gap; fc-10
"""


def sweep(**named: Any) -> list[Row]:
    return list(netspec.sweep(NET, **named))


def test_a_row_has_the_totals_of_the_net_that_its_settings_make() -> None:
    grid = {"n": "4..16:4", "k": [1, 3, 17], "act": "relu,gelu,leaky(0.2)", "deep": "yes,no"}
    rows = sweep(settings=grid)
    assert len(rows) == 4 * 3 * 3 * 2
    for row in rows:
        if row.settings["k"] == 17:
            assert (row.status, row.code, row.totals) == ("refused", "NS302", {})
            assert row.place == "<text>:3:1"
            assert "17 does not fit the padded input 16" in row.message
        else:
            summary = netspec.load(NET, **row.settings).summary()
            assert row.totals == totals(summary)
            assert (row.status, row.code) == ("ok", "")


def test_sizes_of_inputs_are_variants() -> None:
    sizes = ["3x16x16", "3x24x24", "3x2x2"]
    rows = sweep(settings={"n": [4, 8]}, input=sizes)
    assert [row.inputs["input"] for row in rows] == sizes * 2
    for row in rows:
        if row.status == "ok":
            summary = netspec.load(NET, input=row.inputs["input"], **row.settings).summary()
            assert row.totals == totals(summary)
    assert [row.status for row in rows] == ["ok", "ok", "refused"] * 2


def test_a_variation_takes_its_own_parameters_and_those_of_its_base(tmp_path: Path) -> None:
    (tmp_path / "base.ns").write_text(NET.replace("family", "base"))
    path = tmp_path / "wide.ns"
    path.write_text("net wide(w=2) = base(n=8*w)\n")
    rows = list(netspec.sweep(path, {"w": [1, 2], "deep": [False, True]}))
    wanted = [netspec.load(path, **row.settings).params for row in rows]
    assert [row.totals["params"] for row in rows] == wanted
    assert len(set(wanted)) == 4


def test_rows_that_break_a_bound_are_left_out_or_kept_with_a_status() -> None:
    grid = {"n": range(4, 33, 4), "k": [3, 17]}
    bounds = ["params<400", "macs>=25K, depth==2"]
    every = sweep(settings=grid)
    kept = [
        row
        for row in every
        if row.status == "refused" or (row.totals["params"] < 400 and row.totals["macs"] >= 25_000)
    ]
    assert 0 < len(kept) < len(every)
    assert sweep(settings=grid, where=bounds) == kept
    marked = sweep(settings=grid, where=bounds, keep=True)
    assert [row.variant for row in marked] == list(range(16))
    assert {row.variant for row in marked if row.status == "over"} == {
        row.variant for row in every
    } - {row.variant for row in kept}
    assert all(row.totals for row in marked if row.status == "over")


def test_a_sample_has_the_rows_of_its_numbers() -> None:
    grid = {"n": range(4, 64), "k": [1, 3]}
    every = {row.variant: row for row in sweep(settings=grid)}
    some = sweep(settings=grid, sample=15, seed=2)
    assert len(some) == 15
    assert all(every[row.variant] == row for row in some)


@pytest.mark.parametrize(
    ("named", "code", "said"),
    [
        ({"settings": {"acct": 1}}, "NS221", "did you mean `act`?"),
        ({"settings": {"n": 4, "width": 4}}, "NS221", "parameters: n, k, act, deep"),
        ({"settings": {"n": 4}, "where": "parms<5M"}, "NS710", "did you mean `params`?"),
        ({"settings": {"n": 4}, "where": "params<5.5"}, "NS710", "not a whole number"),
        ({"settings": {"n": 4}, "where": ["params<5", "few"]}, "NS710", "write it like"),
        ({"settings": {"n": "4,("}}, "NS106", "no matching"),
        ({"settings": {"n": 4}, "input": "3x"}, "NS222", "write it like 3x224x224"),
        ({"settings": {"n": 4}, "input": "photo:3x8x8"}, "NS227", "inputs: input"),
    ],
)
def test_mistakes_are_refused_before_anything_is_built(
    named: Any, code: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant, "build", None)  # calling it would fail
    with pytest.raises(NetspecError) as caught:
        netspec.sweep(NET, **named)
    assert caught.value.status == 2
    assert caught.value.diagnostics[0].code == code
    assert said in str(caught.value)


def test_a_text_that_is_no_spec_is_refused_with_what_mends_it() -> None:
    with pytest.raises(NetspecError) as caught:
        netspec.sweep("net broken(n=4)\ninput 3x8x8\nconv3-n)\n", {"n": [1, 2]})
    assert caught.value.diagnostics[0].code == "NS106"


def test_open_sizes_are_refused_and_sizes_close_them() -> None:
    net = "net open(n=4)\ninput 3xHxW\nconv3-n; gap; fc-2\n"
    with pytest.raises(NetspecError, match="macs, macs_training, activations of open") as caught:
        netspec.sweep(net, {"n": [1, 2]})
    assert caught.value.status == 2
    rows = list(netspec.sweep(net, {"n": [1, 2]}, input=["3x8x8", "3x9xW"]))
    assert [row.code for row in rows] == ["", "NS541", "", "NS541"]


def test_a_variant_that_memory_does_not_hold_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    found = netspec.sweep(NET, {"n": [4, 8]})

    def build(source: object, settings: dict[str, Any], *_: object, **__: object) -> Any:
        if settings["n"] == 4:
            raise MemoryError
        return netspec.load(NET, **settings).graph

    monkeypatch.setattr(variant, "build", build)
    rows = list(found)
    assert [(row.status, row.code) for row in rows] == [("lost", "NS522"), ("ok", "")]


def test_cells_are_the_columns() -> None:
    found = netspec.sweep(NET, {"n": [4], "k": [3, 17]}, input="3x16x16")
    for row in found:
        cells = row.cells()
        assert [name for name in cells if not name.startswith("latency")] == list(found.columns)
    assert set(TOTALS) < set(found.columns)


def test_parameters_called_as_totals_keep_apart() -> None:
    net = "net odd(depth=2, params=4, status=1, variant=3)\ninput 3x8x8\nconv3-params x(depth); fc-variant\n"
    rows = netspec.sweep(net, {"depth": [1, 2], "params": [4], "variant": [5], "status": [1]})
    first = next(iter(rows)).cells()
    assert (first["set_depth"], first["depth"]) == (1, 2)
    assert (first["set_params"], first["params"]) == (4, 837)  # 3*3*3*4 + 4, and 4*6*6*5 + 5
    assert (first["set_variant"], first["variant"]) == (5, 0)


def test_latency_is_measured_of_what_is_a_net_and_keeps_its_bounds() -> None:
    from netspec.sweeping.latency import Timing

    grid = {"n": [4, 64], "k": [3, 17]}
    found = netspec.sweep(
        NET, grid, where="params<1K", keep=True, latency=Timing(rounds=2, threads=1)
    )
    rows = list(found)
    assert [row.status for row in rows] == ["ok", "refused", "over", "refused"]
    assert [row.latency is not None for row in rows] == [True, False, False, False]
    cells = rows[0].cells()
    assert 0 < cells["latency_p10_ms"] <= cells["latency_ms"] <= cells["latency_p90_ms"]
    assert list(found.columns)[-3:] == ["latency_ms", "latency_p10_ms", "latency_p90_ms"]
