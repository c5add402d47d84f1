"""A summary as a table: steps grouped by block with repeats folded, or every layer."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.analysis.layers import Layer, field_text, last_map_text
from netspec.analysis.memory import RULE
from netspec.analysis.outline import Item, Row, outline, subtotal
from netspec.analysis.quantities import as_bytes, grouped, shape
from netspec.analysis.receptive_field import OutputField
from netspec.analysis.record import Figures
from netspec.analysis.tables import Cell, Column, Line, Style, Table
from netspec.sizes.dims import Dim, Formula


def table(summary: Figures) -> Table:
    """The table that text, markdown, LaTeX and HTML show."""
    if summary.flat:
        lines = [_layer_line(layer) for layer in summary.layers]
    else:
        lines = list(_lines(outline(summary.layers), 0, ""))
    if summary.training_layers:
        heads = [_layer_line(x) for x in summary.training_layers]
        lines.append(_sum_line("deployed", "", summary.layers, "total"))
        lines += heads if summary.flat else _lines(outline(summary.training_layers), 0, "")
        lines.append(_sum_line("training only", "", summary.training_layers, "total"))
    else:
        lines.append(_sum_line("total", "", summary.layers, "total"))
    folded = any(" x" in str(line.cells[0]) for line in lines)
    notes = tuple(_notes(summary, folded))
    return Table(_title(summary), _columns(summary), tuple(lines), notes)


def layer_table(summary: Figures) -> Table:
    """One line for each layer, deployed ones first: what CSV holds."""
    layers = (*summary.layers, *summary.training_layers)
    return Table(summary.name, _columns(summary), tuple(_layer_line(layer) for layer in layers))


def _columns(summary: Figures) -> tuple[Column, ...]:
    operations = "MACs" if summary.count == "mac" else f"ops ({summary.count})"
    return (
        Column("layer", "label"),
        Column("operator", keep=5),
        Column("output"),
        Column("params", "count"),
        Column(operations, "count"),
        Column("memory", "bytes", keep=3),
        Column("field", keep=2),
    )


def _title(summary: Figures) -> str:
    given = ", ".join(shape(tensor.shape) for tensor in summary.inputs)
    made = ", ".join(shape(tensor.shape) for tensor in summary.outputs)
    return f"{summary.name}: {given} to {made}"


def _lines(items: Iterable[Item], indent: int, prefix: str) -> Iterable[Line]:
    for item in items:
        label = item.path.removeprefix(prefix)
        if item.copies:
            label = f"{_range(label, item.copies[-1].path)} x{1 + len(item.copies)}"
        if isinstance(item, Row):
            yield _row_line(item, label, indent)
        else:
            layers = [layer for copy in (item, *item.copies) for layer in copy.layers]
            yield _sum_line(label, item.block, layers, "group", indent)
            yield from _lines(item.items, indent + 1, item.path + ".")


def _range(first: str, last: str) -> str:
    """`conv2..4` for conv2 to conv4."""
    stem = first.rstrip("0123456789")
    name = last.rpartition(".")[2]
    return f"{first}..{name.removeprefix(stem)}" if name.startswith(stem) else f"{first}..{name}"


def _row_line(row: Row, label: str, indent: int) -> Line:
    every = [layer for copy in (row, *row.copies) for layer in copy.layers]
    sums = subtotal(every)
    operator = ", ".join(layer.text for layer in row.layers)
    field = field_text(row.layers[0].field)
    if row.copies:
        last = field_text(row.copies[-1].layers[0].field)
        field = field if field == last else f"{field}..{last}"
    output = shape(row.layers[-1].output)
    cells = (label, operator, output, sums.params, sums.macs, sums.activation, field)
    return Line(cells, indent=indent)


def _layer_line(layer: Layer) -> Line:
    sums = subtotal([layer])
    costs = (sums.params, sums.macs, sums.activation)
    return Line((layer.path, layer.text, shape(layer.output), *costs, field_text(layer.field)))


def _sum_line(
    label: str, operator: str, layers: Iterable[Layer], style: Style, indent: int = 0
) -> Line:
    layers = tuple(layers)
    sums = subtotal(layers)
    output = shape(layers[-1].output) if layers and style == "group" else None
    macs, memory = (_fitting(value, style) for value in (sums.macs, sums.activation))
    return Line((label, operator, output, sums.params, macs, memory, None), style, indent)


def _fitting(value: Dim, style: Style) -> Cell:
    """A formula for a whole net is long: it stands below the table."""
    return "see below" if style == "total" and isinstance(value, Formula) else value


def _notes(summary: Figures, folded: bool) -> Iterable[str]:
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
    yield f"activations: at most {as_bytes(summary.peak_activation)} at {summary.peak_at} ({RULE})"
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
