"""How long variants take: each compiled on seeded weights and run on noise, one after the other."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.backends.measure import Here, in_turns, of_session
from netspec.backends.switches import Switches
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.sweeping.variant import OK, Plan, Row

if TYPE_CHECKING:
    from netspec.backends.measure import Spread
    from netspec.graph.checked import Graph


@record
class Timing:
    """How latency is measured: rounds, samples in a run, threads (None: the runtime's choice), device."""

    rounds: int = 20
    batch: int = 1
    threads: int | None = None
    device: str = "cpu"


def timed(plan: Plan, row: Row, timing: Timing) -> Row:
    """The row with its latency, in this process; refused where the net does not run.

    Rows that are no nets, or break a bound, are given back as they are.
    """
    if row.status != OK:
        return row
    try:
        return replace(row, latency=latency_of(plan.graph(row), timing))
    except NetspecError as error:
        return plan.refused(row, error.diagnostics[0])


def latency_of(graph: Graph, timing: Timing) -> Spread:
    """The seconds of a net's runs through ONNX Runtime; raises NetspecError where it does not run."""
    from netspec.backends.onnx.compile import compile_graph
    from netspec.backends.onnx.options import FileOptions
    from netspec.backends.runtime import Session
    from netspec.verify.samples import sample_inputs
    from netspec.weights.sources import Seeded

    switches = Switches(threads=timing.threads)
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        path = Path(folder) / "model.onnx"
        compile_graph(graph, path, FileOptions(), source=Seeded(0))
        session = Session(path, device=timing.device, switches=switches, most=None)
        contender = Here(of_session, session, sample_inputs(graph, batch=timing.batch))
        (turns,) = in_turns([contender], timing.rounds)
        contender.close()
    return turns.spread()
