"""A summary as a table: steps grouped by block with repeats folded, or every layer.

Of every line the table says which share of the deployed net's parameters and operations it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netspec.analysis.layers import Layer, field_text, last_map_text
from netspec.analysis.memory import RULE
from netspec.analysis.outline import Group, Item, Row, Subtotal, closed, outline, subtotal
from netspec.analysis.quantities import as_bytes, grouped, shape, share, short
from netspec.analysis.receptive_field import OutputField
from netspec.analysis.record import Figures
from netspec.analysis.tables import Cell, Column, Line, Style, Table
from netspec.analysis.training.notes import training_notes
from netspec.sizes.dims import Formula


def table(summary: Figures) -> Table:
    """The table that text, markdown, LaTeX and HTML show."""
    whole = subtotal(summary.layers)
    lines = list(_body(summary, summary.layers, whole))
    if summary.training_layers:
        lines.append(_sum_line("deployed", "", summary.layers, whole, "total"))
        lines += _body(summary, summary.training_layers, None)
        lines.append(_sum_line("training only", "", summary.training_layers, None, "total"))
    else:
        lines.append(_sum_line("total", "", summary.layers, whole, "total"))
    folded = any(" x" in str(line.cells[0]) for line in lines)
    notes = tuple(_notes(summary, whole, folded))
    table = Table(_title(summary), _columns(summary), tuple(lines), notes)
    return _shown(summary, table)


def layer_table(summary: Figures) -> Table:
    """One line for each layer, deployed ones first, with exact numbers: what CSV holds.

    A block that is closed has one as well.
    """
    parts = (summary.layers, summary.training_layers)
    lines = tuple(
        _layer_line(layer, None) for part in parts for layer in closed(part, summary.levels)
    )
    return _shown(summary, Table(summary.name, _columns(summary), lines))


def _shown(summary: Figures, table: Table) -> Table:
    """The table without columns that say nothing, and what is kept only where it was asked for."""
    if summary.training is None:
        gone = [column.title for column in table.columns].index("kept")
        columns = (*table.columns[:gone], *table.columns[gone + 1 :])
        lines = (
            replace(line, cells=(*line.cells[:gone], *line.cells[gone + 1 :]))
            for line in table.lines
        )
        table = replace(table, columns=columns, lines=tuple(lines))
    return table.without_empty("share")


def _body(summary: Figures, layers: tuple[Layer, ...], whole: Subtotal | None) -> Iterable[Line]:
    if summary.flat:
        return [_layer_line(layer, whole) for layer in layers]
    return _lines(outline(layers), whole, summary.levels)


def _columns(summary: Figures) -> tuple[Column, ...]:
    operations = "MACs" if summary.count == "mac" else f"ops ({summary.count})"
    return (
        Column("layer", "label"),
        Column("operator", keep=5),
        Column("output"),
        Column("params", "count"),
        Column("%", "share", keep=6),
        Column(operations, "count"),
        Column("%", "share", keep=6),
        Column("memory", "bytes", keep=3),
        Column("kept", "bytes", keep=7),
        Column("field", keep=2),
    )


def _title(summary: Figures) -> str:
    given = ", ".join(shape(tensor.shape) for tensor in summary.inputs)
    made = ", ".join(shape(tensor.shape) for tensor in summary.outputs)
    return f"{summary.name}: {given} to {made}"


def _lines(
    items: Iterable[Item],
    whole: Subtotal | None,
    levels: int | None,
    depth: int = 0,
    prefix: str = "",
) -> Iterable[Line]:
    for item in items:
        label = item.path.removeprefix(prefix)
        if item.copies:
            label = f"{_range(label, item.copies[-1].path)} x{1 + len(item.copies)}"
        if isinstance(item, Row):
            yield _row_line(item, label, whole, depth)
        else:
            closed = levels is not None and depth >= levels
            layers = [layer for copy in (item, *item.copies) for layer in copy.layers]
            field = _seen(item, layers) if closed else None
            yield _sum_line(label, short(item.block), layers, whole, "group", depth, field)
            if not closed:
                yield from _lines(item.items, whole, levels, depth + 1, item.path + ".")


def _range(first: str, last: str) -> str:
    """`conv2..4` for conv2 to conv4."""
    stem = first.rstrip("0123456789")
    name = last.rpartition(".")[2]
    return f"{first}..{name.removeprefix(stem)}" if name.startswith(stem) else f"{first}..{name}"


def _row_line(row: Row, label: str, whole: Subtotal | None, depth: int) -> Line:
    every = [layer for copy in (row, *row.copies) for layer in copy.layers]
    operator = short(", ".join(layer.text for layer in row.layers))
    output = shape(row.layers[-1].output)
    field = _fields(row.layers[0], row.copies[-1].layers[0]) if row.copies else row.layers[0].field
    field = field if isinstance(field, str) else field_text(field)
    return Line((label, operator, output, *_costs(subtotal(every), whole), field), indent=depth)


def _seen(group: Group, layers: list[Layer]) -> str:
    """What a block that is shown as one line sees: at its end, and at that of its last copy."""
    return _fields(group.layers[-1], layers[-1])


def _fields(first: Layer, last: Layer) -> str:
    texts = dict.fromkeys((field_text(first.field), field_text(last.field)))
    return "..".join(texts)


def _layer_line(layer: Layer, whole: Subtotal | None) -> Line:
    costs = _costs(subtotal([layer]), whole)
    return Line((layer.path, layer.text, shape(layer.output), *costs, field_text(layer.field)))


def _sum_line(
    label: str,
    operator: str,
    layers: Iterable[Layer],
    whole: Subtotal | None,
    style: Style,
    indent: int = 0,
    field: str | None = None,
) -> Line:
    layers = tuple(layers)
    output = shape(layers[-1].output) if layers and style == "group" else None
    cells = _costs(subtotal(layers), whole)
    if style == "total":  # a formula for a whole net is long: it stands below the table
        cells = tuple("see below" if isinstance(cell, Formula) else cell for cell in cells)
    return Line((label, operator, output, *cells, field), style, indent)


def _costs(sums: Subtotal, whole: Subtotal | None) -> tuple[Cell, ...]:
    """Parameters and operations with their shares of the `whole`, memory and what is kept."""
    of_params = share(sums.params, whole.params) if whole else None
    of_macs = share(sums.macs, whole.macs) if whole else None
    return sums.params, of_params, sums.macs, of_macs, sums.activation, sums.kept


def _notes(summary: Figures, whole: Subtotal, folded: bool) -> Iterable[str]:
    stored = [f"{grouped(summary.params)} trained"]
    for amount, what in (
        (summary.params_frozen, "frozen"),
        (summary.buffers, "running statistics"),
        (summary.constants, "constants"),
    ):
        if amount:
            stored.append(f"{grouped(amount)} {what}")
    yield f"weights: {', '.join(stored)}; {as_bytes(summary.weight_bytes)} in float32"
    operations = "MACs" if summary.count == "mac" else "operations"
    yield f"{operations}: {grouped(summary.macs)} ({summary.convention})"
    yield f"depth: {summary.depth} weight layers on the longest path"
    yield f"memory: {as_bytes(whole.activation)} is what all steps make, for one sample in float32"
    yield f"activations: at most {as_bytes(summary.peak_activation)} at {summary.peak_at} ({RULE})"
    if summary.training is not None:
        yield from training_notes(summary.training)
    for head in summary.heads:
        costs = f"{grouped(head.params)} params, {grouped(head.macs)} {operations}"
        yield f"training only: head {head.name} (loss weight {head.loss:g}), {costs}"
    if summary.sizes:
        yield f"legal sizes: {'; '.join(summary.sizes)}"
    if folded:
        yield (
            "xN: N equal steps in a row; the line's numbers are of all N, "
            "the lines inside a block of one"
        )
    yield "field: receptive field / stride, in input elements"
    for field in summary.fields:
        name = f" of {field.name}" if len(summary.fields) > 1 else ""
        yield f"last map{name}: {_last_maps(field)}"


def _last_maps(field: OutputField) -> str:
    places = ", ".join(f"{shape(node.types[0].shape)} at {node.path}" for node, _ in field.maps)
    seen = f"{places}, field {last_map_text(field)}" if places else "none"
    return f"{seen}; the output sees {field_text(field.sees)}"
