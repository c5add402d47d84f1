"""A sweep: its variants, who builds them, the rows as they come."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.analysis.budget import bounds
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.messages.sweeping import OpenTotals
from netspec.diagnostics.source import Source
from netspec.sweeping.axes import axes_of, input_axes
from netspec.sweeping.chunks import chunks
from netspec.sweeping.picture import Plot
from netspec.sweeping.spec import checked_inputs, checked_names, files_of, unit_of
from netspec.sweeping.tables import columns_of, writer_for
from netspec.sweeping.variant import OVER, Plan, Row
from netspec.system.atomic import planned, replacing

if TYPE_CHECKING:
    from netspec.sweeping.latency import Timing

# What takes fewer seconds is not worth the start of processes.
_WORTH = 4.0


class Sweep:
    """The variants of a net, each a row of exact costs: they are built when it is iterated, each time.

    Rows come in the order of the grid, the last parameter changing first. `count` is the number of variants,
    `columns` are those of the table. Rows that break a bound are left out, unless they are kept. `seconds` is
    about how long one variant took, 0 for one that is not known.
    """

    def __init__(
        self,
        source: Source,
        settings: Mapping[str, object],
        *,
        inputs: Sequence[str] = (),
        where: Iterable[str] = (),
        keep: bool = False,
        sample: int | None = None,
        seed: int = 0,
        part: tuple[int, int] = (1, 1),
        jobs: int | None = 1,
        ray: str | None = None,
        latency: Timing | None = None,
        limits: Limits = DEFAULT,
    ) -> None:
        if jobs is not None and jobs < 1:
            raise ValueError(f"jobs are at least 1, not {jobs}")
        self.unit = unit_of(source, limits)
        checked_names(self.unit, settings)
        checked_inputs(self.unit, inputs)
        axes = (*axes_of(settings, limits), *input_axes(inputs))
        held = tuple(bound for text in where for bound in bounds(text))
        self.plan = Plan(source, axes, held, limits)
        self.numbers = self.plan.grid.numbers(sample, seed, part)
        self.columns = columns_of(axes, timed=latency is not None)
        self._keep, self._jobs, self._ray, self._latency = keep, jobs, ray, latency
        self.seconds = self._probed()

    def __repr__(self) -> str:
        return f"<Sweep of {self.unit.name}: {self.count:,} variants>"

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Row]:
        return filter(self.keeps, self.rows())

    @property
    def count(self) -> int:
        """How many variants there are."""
        return len(self.numbers)

    @property
    def jobs(self) -> int:
        """How many processes of this machine build variants: one where starting more is not worth it."""
        if self._latency is not None:
            return 1
        if self._jobs is not None:
            return min(self._jobs, max(1, self.count))
        return _cores() if self.count * self.seconds > _WORTH else 1

    @property
    def is_elsewhere(self) -> bool:
        """Whether variants are built on a cluster, or run: `seconds` then says little."""
        return self._ray is not None or self._latency is not None

    def keeps(self, row: Row) -> bool:
        """Whether a row is one of the table's."""
        return self._keep or row.status != OVER

    def rows(self) -> Iterator[Row]:
        """The rows of all variants, also of those that break a bound."""
        for rows in self._built():
            yield from rows

    def save(self, path: str | Path) -> Path:
        """Writes the table, whole or not at all: .csv, .jsonl or .parquet."""
        self.write(path, self)
        return Path(path)

    def write(self, path: str | Path, rows: Iterable[Row], form: str | None = None) -> None:
        """Writes rows of this sweep as a table, as they come; what fails midway leaves no file.

        `form` is csv, jsonl or parquet, by default as the path ends. Raises NetspecError.
        """
        writer = writer_for(path, form)
        with replacing(Path(path), keep=self.files, text=writer.text) as file:
            writer(file, self.columns).write(rows)

    def plot(
        self, path: str | Path, *, x: str = "params", y: str = "macs", most: str | None = None
    ) -> Path:
        """Draws two columns of the table: costs with their Pareto front, or a cost against a parameter.

        Less of a cost is better, but of `most` more is. The file is .svg, .png, .pdf or .tikz. Raises
        NetspecError.
        """
        plot = self.plotted(x, y, most)
        plot.refuse_target(path)
        for row in self:
            plot.add(row)
        return plot.save(path)

    def plotted(self, x: str, y: str, most: str | None = None) -> Plot:
        """An empty picture of two columns, for rows of this sweep."""
        return Plot(self.unit.name, self.plan.axes, self.columns, x, y, most, self.files)

    def refuse_target(self, path: str | Path, form: str | None = None) -> None:
        """Raises NetspecError where no table can be written there, before anything is built."""
        writer_for(path, form)
        planned(Path(path), self.files)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the spec was read from, which are not written over."""
        return files_of(self.unit)

    def _built(self) -> Iterator[list[Row]]:
        if self._latency is not None:
            from netspec.sweeping.latency import timed

            for number in self.numbers:
                yield [timed(self.plan, self.plan.row(number), self._latency)]
            return
        with ExitStack() as stack:
            if self._ray is not None:
                from netspec.sweeping.cluster import Cluster

                cluster = Cluster(self._ray)
                stack.callback(cluster.close)
                pieces = chunks(self.numbers, self.seconds, cluster.jobs)
                yield from cluster.rows(self.plan, pieces)
            elif self.jobs > 1:
                from netspec.sweeping.processes import rows_by_processes

                pieces = chunks(self.numbers, self.seconds, self.jobs)
                yield from rows_by_processes(self.plan, pieces, self.jobs)
            else:
                for number in self.numbers:
                    yield [self.plan.row(number)]

    def _probed(self) -> float:
        """About how many seconds a variant takes.

        Raises NetspecError where the first one says that no table of numbers can be made.
        """
        if not self.count:
            return 0.0
        first = self._timed()
        # The first net that is ever built brings operators and grammar in.
        return min(first, self._timed()) if first < 1 else first

    def _timed(self) -> float:
        start = time.perf_counter()
        row = self.plan.row(self.numbers[0])
        if row.code == OpenTotals.code:
            self.plan.costs(row)
        return time.perf_counter() - start


def _cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
