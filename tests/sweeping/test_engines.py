"""With the programs themselves: Optuna and Ray Tune search the space, and a Ray cluster sweeps it.

`pip install optuna 'ray[tune]' pyarrow`, then `pytest -m engines tests/sweeping`; with NETSPEC_UPDATE=1 what
was found is written to benchmarks/results/sweeps.json.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.lethal import Lethal
from support.places import ROOT

import netspec
from netspec.diagnostics.source import Source
from netspec.sweeping.axes import axis_of
from netspec.sweeping.chunks import ATTEMPTS
from netspec.sweeping.front import front
from netspec.sweeping.variant import Plan

pytestmark = [
    pytest.mark.engines,
    # What these programs warn of is theirs.
    pytest.mark.filterwarnings("default"),
]

FAMILY = """net family(deep=no, n=8, kind=plain, k=3, extra=0)
input 3x16x16
conv-n(kernel=k)
if deep { conv3-(2*n)(pad=same) x(extra + 1); if kind == wide { conv1-(8*n) } }
gap; fc-10
"""
VALUES = {"n": range(8, 65, 8), "k": "3..19:8", "extra": "0..2"}
EVERY = {**VALUES, "deep": "yes,no", "kind": "plain,wide"}
FOUND: dict[str, Any] = {}


@pytest.fixture(scope="module", autouse=True)
def results() -> Iterator[None]:
    yield
    if os.environ.get("NETSPEC_UPDATE") and FOUND:
        names = ("optuna", "ray", "pyarrow")
        said = {
            "command": "pytest -m engines tests/sweeping",
            "python": platform.python_version(),
            "versions": {name: version(name) for name in names},
            "found": dict(sorted(FOUND.items())),
        }
        path = ROOT / "benchmarks" / "results" / "sweeps.json"
        path.write_text(json.dumps(said, indent=2) + "\n")


def start(module: Any) -> None:
    """A cluster of two workers, which know the tests' own plans."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {"env_vars": {"PYTHONPATH": paths}}
    module.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    module = pytest.importorskip("ray")
    start(module)
    yield module
    module.shutdown()


def best() -> set[tuple[int, int]]:
    """The front of the whole family: many parameters, few multiply-adds."""
    rows = list(netspec.sweep(FAMILY, EVERY))
    found = front(rows, "params", "macs", most="params")
    return {(row.totals["params"], row.totals["macs"]) for row in found}


def test_optuna_finds_the_front_and_prunes_what_does_not_fit() -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = netspec.space(FAMILY, VALUES)

    def objective(trial: Any) -> tuple[int, int]:
        settings = space.suggest(trial)
        try:
            net = netspec.load(FAMILY, **settings)
        except netspec.NetspecError as error:
            raise optuna.TrialPruned(str(error)) from None
        return net.params, net.summary().macs  # type: ignore[return-value]

    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.NSGAIISampler(seed=0, population_size=40),
    )
    study.optimize(objective, n_trials=1200)
    states = Counter(trial.state.name for trial in study.trials)
    assert states["PRUNED"] > 0
    assert set(states) == {"PRUNED", "COMPLETE"}
    for trial in study.trials:
        assert (trial.params.get("k") == 19) == (trial.state.name == "PRUNED")
        deep = trial.params["deep"]
        assert ("extra" in trial.params, "kind" in trial.params) == (deep, deep)
    found = {(int(a), int(b)) for a, b in (trial.values for trial in study.best_trials)}
    wanted = best()
    FOUND["optuna"] = {
        "variants": len(list(netspec.sweep(FAMILY, EVERY))),
        "trials": dict(sorted(states.items())),
        "front": len(wanted),
        "found_of_front": len(found & wanted),
    }
    assert len(wanted) > 5
    assert len(found & wanted) >= 0.9 * len(wanted)
    # Nothing that the sweep does not know is better.
    assert not any(a >= x and b <= y and (a, b) != (x, y) for a, b in found for x, y in wanted)


def test_ray_tune_draws_what_matters_and_its_trials_run(ray: Any, tmp_path: Path) -> None:
    from ray import tune

    space = netspec.space(FAMILY, VALUES)

    def trained(config: dict[str, Any]) -> None:
        try:
            params = netspec.load(FAMILY, **space.settings(config)).params
        except netspec.NetspecError as error:
            tune.report({"params": 0, "code": error.diagnostics[0].code})
            return
        tune.report({"params": params, "code": ""})

    found = tune.Tuner(
        trained,
        param_space=space.ray(),
        tune_config=tune.TuneConfig(num_samples=16, metric="params", mode="max"),
        run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
    ).fit()
    assert found.num_errors == 0
    seen = Counter[bool]()
    for result in found:
        config = result.config
        assert config is not None
        assert result.metrics is not None
        seen[config["deep"]] += 1
        idle = [name for name in ("extra", "kind") if config[name] is None]
        assert idle == ([] if config["deep"] else ["extra", "kind"])
        assert (result.metrics["code"] == "NS302") == (config["k"] == 19)
        assert config["n"] in VALUES["n"]
    assert seen[True] > 2
    assert seen[False] > 2
    FOUND["ray_tune"] = {"trials": len(found), "errors": found.num_errors}


def _kill_workers(ray: Any, times: int, stop: threading.Event, killed: list[int]) -> None:
    """Kills a worker that is at work, by SIGKILL, some times, as the system does for want of memory."""
    import psutil  # ray brings it

    while len(killed) < times and not stop.wait(0.4):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it has ended
                if "ray::_rows" in " ".join(child.cmdline()):
                    child.kill()
                    killed.append(child.pid)
                    break


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_cluster_writes_the_same_table_whatever_dies(form: str, ray: Any, tmp_path: Path) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    grid = {**EVERY, "n": range(1, 401)}
    here, there = tmp_path / f"here.{form}", tmp_path / f"there.{form}"
    start = time.perf_counter()
    netspec.sweep(FAMILY, grid).save(here)
    alone = time.perf_counter() - start
    stop, killed = threading.Event(), list[int]()
    killer = threading.Thread(target=_kill_workers, args=(ray, 2, stop, killed))
    killer.start()
    try:
        start = time.perf_counter()
        netspec.sweep(FAMILY, grid, ray="auto").save(there)
        cluster = time.perf_counter() - start
    finally:
        stop.set()
        killer.join()
    assert len(killed) == 2
    assert here.read_bytes() == there.read_bytes()
    count = len(netspec.sweep(FAMILY, grid))
    FOUND[f"ray_{form}"] = {
        "variants": count,
        "bytes": here.stat().st_size,
        "same_bytes": True,
        "killed_workers": len(killed),
        "seconds_one_process": round(alone, 2),
        "seconds_two_workers": round(cluster, 2),
    }


def test_only_what_kills_each_time_is_lost_on_a_cluster(ray: Any, tmp_path: Path) -> None:
    from netspec.sweeping.cluster import Cluster

    source = Source("f.ns", FAMILY)
    axes = (axis_of("n", "1..20"),)
    wanted = Plan(source, axes).rows(range(20))
    plan = Lethal(source, axes, folder=str(tmp_path), victims=(7,), times=99)
    cluster = Cluster("auto")
    pieces = [range(i, i + 5) for i in range(0, 20, 5)]
    found = [row for rows in cluster.rows(plan, pieces) for row in rows]
    assert [row for row in found if row.variant != 7] == [r for r in wanted if r.variant != 7]
    assert (found[7].status, found[7].code) == ("lost", "NS542")
    deaths = len(list(tmp_path.iterdir()))
    assert deaths == ATTEMPTS + 2 * ATTEMPTS**2
    FOUND["ray_lost"] = {"variants": 20, "lost": 1, "deaths": deaths}


def test_a_cluster_that_is_not_there_is_said(ray: Any) -> None:
    ray.shutdown()
    try:
        with pytest.raises(netspec.NetspecError, match=r"NS546") as caught:
            list(netspec.sweep(FAMILY, {"n": [1]}, ray="127.0.0.1:1"))
        assert caught.value.status == 4
        assert "refused" in str(caught.value)
    finally:
        start(ray)


def test_what_a_spec_imports_is_found_beside_it(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base.ns").write_text(FAMILY.replace("family", "base"))
    (tmp_path / "net.ns").write_text("net wide(w=2) = base(n=8*w)\n")
    monkeypatch.chdir(tmp_path)
    grid = {"w": [1, 2], "k": [3, 19]}
    rows = [list(netspec.sweep("net.ns", grid, ray=address)) for address in (None, "auto")]
    assert rows[0] == rows[1]
    assert [row.status for row in rows[0]] == ["ok", "refused", "ok", "refused"]
    assert rows[0][1].place == "base.ns:3:1"


def test_the_example_prints_the_front_that_a_sweep_finds(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    command = [sys.executable, str(ROOT / "examples" / "search.py"), "--trials", "200"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    grid = {"alpha": "0.25..1.5:0.25", "rho": "0.5..1:0.125"}
    rows = list(netspec.sweep("mobilenet_v2", grid, where="macs<=300M"))
    wanted = front(rows, "params", "macs", most="params")
    printed = done.stdout.splitlines()[1:]
    assert [line.split()[0] for line in printed] == [
        f"{row.totals['params']:,}" for row in reversed(wanted)
    ]


def test_what_a_machine_of_the_cluster_lacks_is_said(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.sweeping.cluster import Cluster

    (tmp_path / "only_here.py").write_text(
        "from netspec.sweeping.variant import Plan\nclass Gone(Plan):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    gone: Any = importlib.import_module("only_here")
    plan = gone.Gone(Source("f.ns", FAMILY), (axis_of("n", "1..20"),))
    with pytest.raises(netspec.NetspecError, match=r"NS546.*No module named 'only_here'"):
        list(Cluster("auto").rows(plan, [range(2)]))


def test_another_version_on_the_cluster_is_said(ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from netspec.sweeping import cluster

    monkeypatch.setattr(cluster, "__version__", "0.0.0")
    with pytest.raises(netspec.NetspecError, match=r"NS546.*and 0.0.0 asks"):
        list(netspec.sweep(FAMILY, {"n": [1]}, ray="auto"))
