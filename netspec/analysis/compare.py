"""Several nets side by side: one line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netspec.analysis.layers import field_text, last_map_text
from netspec.analysis.published import headline
from netspec.analysis.quantities import as_bytes, shape
from netspec.analysis.tables import Cell, Column, Line, Table
from netspec.analysis.training.record import TrainingMemory
from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.analysis.summary import Summary


@record
class Comparison:
    """Summaries of several nets, in the order given."""

    summaries: tuple[Summary, ...]

    def as_json(self) -> dict[str, Any]:
        """`{"format_version": 1, "nets": [...]}`, a whole summary for each net."""
        return {"format_version": 1, "nets": [summary.as_json() for summary in self.summaries]}

    def to_text(self, width: int | None = None, color: bool = False) -> str:
        """The nets side by side as text; columns that do not fit `width` characters are left out."""
        return self._table().to_text(width, color)

    def to_markdown(self) -> str:
        """The nets side by side as a Markdown table."""
        return self._table().to_markdown()

    def to_latex(self) -> str:
        """The nets side by side as a longtable; it needs the packages longtable and booktabs."""
        return self._table().to_latex()

    def to_csv(self) -> str:
        """One line for each net, with exact numbers."""
        return self._table().to_csv()

    def _repr_html_(self) -> str:
        return self._table().to_html()

    def _table(self) -> Table:
        counts = dict.fromkeys(summary.count for summary in self.summaries)
        operations = "MACs" if list(counts) == ["mac"] else f"ops ({', '.join(counts)})"
        columns: tuple[Column, ...] = (
            Column("net", "label"),
            Column("year", keep=1),
            Column("input", keep=5),
            Column("params", "count"),
            Column(operations, "count"),
            Column("depth", "count"),
            Column("weights", "bytes", keep=6),
            Column("activations", "bytes", keep=4),
            Column("field", keep=2),
            Column("output's", keep=1),
            Column("top-1 %", keep=7),
            Column("top-5 %", keep=7),
        )
        taken = next((s.training for s in self.summaries if s.training is not None), None)
        if taken is not None:
            columns = (
                *columns,
                Column("batch", "count", keep=8),
                Column("training", "bytes", keep=8),
            )
        if taken is not None and taken.room is not None:
            columns = (*columns, Column("fits", "count", keep=8))
        cells = (_cells(summary) + _training(summary.training) for summary in self.summaries)
        lines = tuple(Line(row[: len(columns)]) for row in cells)
        # Said in two ways where a tool counts some of the nets otherwise: what holds of all is said.
        says: dict[str, None] = {}
        for text in sorted({summary.convention for summary in self.summaries}, key=len):
            if not any(text.startswith(shorter) for shorter in says):
                says[text] = None
        notes = (
            f"{operations}: {'; '.join(says)}",
            "weights: everything stored, in float32; activations: peak for one sample",
            "field: receptive field / stride of the last map before global pooling or full connection; "
            "output's: of what comes out at last; errors as the specs cite them",
            *(_training_notes(taken) if taken is not None else ()),
        )
        return Table("", columns, lines, notes)


def compare(summaries: Sequence[Summary]) -> Comparison:
    """The nets side by side."""
    return Comparison(tuple(summaries))


def _cells(summary: Summary) -> tuple[Cell, ...]:
    said = dict(summary.metadata)
    stated = headline(summary.metadata)
    errors = dict(stated.values) if stated else {}
    return (
        summary.name,
        str(said.get("year", "")),
        ", ".join(shape(tensor.shape) for tensor in summary.inputs),
        summary.params + summary.params_frozen,
        summary.macs,
        summary.depth,
        summary.weight_bytes,
        summary.peak_activation,
        last_map_text(summary.fields[0]),
        field_text(summary.fields[0].sees),
        str(errors.get("top1", "")),
        str(errors.get("top5", "")),
    )


def _training(taken: TrainingMemory | None) -> tuple[Cell, ...]:
    if taken is None:
        return (None, None, None)
    return taken.batch, taken.total, taken.largest_batch


def _training_notes(taken: TrainingMemory) -> tuple[str, ...]:
    """What the figures of training are of; batches are in a column of their own."""
    what = f"in {taken.dtype} on {taken.device} by {taken.optimizer}"
    said = f"training: weights, gradients, state, inputs and what is kept for backward, {what}"
    if taken.room is None:
        return (said,)
    return said, f"fits: the most samples whose training step fits {as_bytes(taken.room)}"
