"""What a net costs, as a table or as JSON."""

from __future__ import annotations

from typing import Any

from netspec.analysis import summary_json, summary_table
from netspec.analysis.costs import costs
from netspec.analysis.layers import Layer, layers_of
from netspec.analysis.memory import peak_memory, tensor_bytes
from netspec.analysis.outline import subtotal
from netspec.analysis.presets import preset
from netspec.analysis.quantities import grouped
from netspec.analysis.receptive_field import output_fields
from netspec.analysis.record import Figures, HeadCost, Tensor
from netspec.analysis.totals import totals
from netspec.analysis.training.record import TrainingMemory
from netspec.diagnostics.arguments import held_depth
from netspec.graph.checked import Graph
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class Summary(Figures):
    """The costs of one net, for one sample: a record of them that shows itself."""

    def __repr__(self) -> str:
        what = "MACs" if self.count == "mac" else f"operations as {self.count} counts"
        return (
            f"<Summary of {self.name}: {grouped(self.params)} params, {grouped(self.macs)} {what}>"
        )

    def __str__(self) -> str:
        return self.to_text()

    def as_json(self) -> dict[str, Any]:
        """The summary as JSON values; `netspec/schemas/summary.json` describes them."""
        return summary_json.as_json(self)

    def to_text(self, width: int | None = None, color: bool = False) -> str:
        """A table with totals below; columns that do not fit `width` are left out, and named."""
        return summary_table.table(self).to_text(width, color)

    def to_markdown(self) -> str:
        """The table as Markdown, totals and notes below."""
        return summary_table.table(self).to_markdown()

    def to_latex(self) -> str:
        """A longtable; the document needs the packages longtable and booktabs."""
        return summary_table.table(self).to_latex()

    def to_csv(self) -> str:
        """One line for each layer, whatever `flat` says, with exact numbers."""
        return summary_table.layer_table(self).to_csv()

    def _repr_html_(self) -> str:
        return summary_table.table(self).to_html()


def summarize(
    graph: Graph,
    *,
    count: str = "mac",
    flat: bool = False,
    depth: int | None = None,
    training: TrainingMemory | None = None,
) -> Summary:
    """The costs of a net.

    `count` names the convention for operations: `mac`, `torchinfo` or `fvcore`. With `flat` the
    tables show every layer instead of steps grouped by block with repeats folded; with `depth`
    they open so many levels of blocks, and the others are one line with its sums. `training`, of
    `training_memory`, is shown with them.
    Raises ValueError where `count` is no convention or `depth` is negative.
    """
    chosen = preset(count)
    held_depth(depth)
    kept = {item.path: item.bytes for item in training.kept} if training else None
    layers = layers_of(graph, chosen, kept)
    deployed = tuple(layer for layer in layers if not layer.training_only)
    extra = tuple(layer for layer in layers if layer.training_only)
    found, net, peak = totals(graph, count), costs(graph), peak_memory(graph)
    input_bytes: Dim = 0
    for node in graph.inputs:
        input_bytes = input_bytes + tensor_bytes(node.types[0], graph.nominal_sizes)
    return Summary(
        name=graph.name,
        count=count,
        inputs=tuple(_tensor(node.path, node.types[0]) for node in graph.inputs),
        outputs=tuple(_tensor(out.name, out.value.type) for out in graph.outputs),
        params=net.params,
        params_frozen=net.params_frozen,
        buffers=net.buffers,
        constants=net.constants,
        macs=found["macs"],
        depth=net.depth,
        weight_bytes=4 * net.stored,
        peak_activation=peak.size,
        peak_at=peak.path,
        input_bytes=input_bytes,
        fields=output_fields(graph),
        layers=deployed,
        training_layers=extra,
        heads=tuple(_head(head.name, head.loss, extra) for head in graph.heads),
        conditions=tuple(str(condition) for condition in graph.conditions),
        totals=found,
        sizes=graph.legality.describe(),
        metadata=graph.metadata,
        flat=flat,
        levels=depth,
        training=training,
    )


def _tensor(name: str, tensor: TensorType) -> Tensor:
    return Tensor(name, tensor.shape, tensor.dtype, str(tensor.batch))


def _head(name: str, loss: float, layers: tuple[Layer, ...]) -> HeadCost:
    own = [layer for layer in layers if layer.head == name]
    return HeadCost(
        name=name,
        loss=loss,
        params=sum(layer.params for layer in own),
        params_frozen=sum(layer.params_frozen for layer in own),
        buffers=sum(layer.buffers for layer in own),
        macs=subtotal(own).macs,
    )
