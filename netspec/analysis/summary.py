"""What a net costs: a record of its layers and totals, as a table or as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netspec.analysis import summary_json, summary_table
from netspec.analysis.costs import costs
from netspec.analysis.layers import Layer, layers_of
from netspec.analysis.memory import peak_memory, tensor_bytes
from netspec.analysis.outline import subtotal
from netspec.analysis.presets import PRESETS, preset
from netspec.analysis.quantities import grouped
from netspec.graph.checked import Graph
from netspec.sizes.conditions import describe_sizes, legal_sizes
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of the net, for one sample. `batch` is the symbol of its leading size."""

    name: str
    shape: tuple[Dim, ...]
    dtype: str
    batch: str


@dataclass(frozen=True, slots=True)
class HeadCost:
    """A training-only head: what it adds to the deployed net while training."""

    name: str
    loss: float
    params: int
    params_frozen: int
    buffers: int
    macs: Dim


@dataclass(frozen=True, repr=False)
class Summary:
    """The costs of one net, for one sample.

    `params` are trained parameters, and like all totals those of the deployed net: training-only
    heads are apart in `heads`. `buffers` are BatchNorm's running statistics, `constants` tensors
    the architecture fixes. `macs` follows the convention `count`. `depth` is the longest path in
    weight layers. `weight_bytes` is everything stored, in float32. `peak_activation` is the most
    bytes of activations alive at once, in the step `peak_at`. Sizes that depend on symbols are
    formulas; all others are exact integers. `layers` are those of the deployed net, in order,
    `training_layers` the others: those of heads, and what only a sampling layer reads.
    """

    name: str
    count: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    params: int
    params_frozen: int
    buffers: int
    constants: int
    macs: Dim
    depth: int
    weight_bytes: int
    peak_activation: Dim
    peak_at: str
    input_bytes: Dim
    layers: tuple[Layer, ...]
    training_layers: tuple[Layer, ...]
    heads: tuple[HeadCost, ...]
    conditions: tuple[str, ...]
    sizes: tuple[str, ...]
    metadata: tuple[tuple[str, object], ...]
    flat: bool = False

    def __repr__(self) -> str:
        what = "MACs" if self.count == "mac" else f"operations as {self.count} counts"
        return (
            f"<Summary of {self.name}: {grouped(self.params)} params, {grouped(self.macs)} {what}>"
        )

    def __str__(self) -> str:
        return self.to_text()

    @property
    def convention(self) -> str:
        """What `macs` counts, in one line."""
        return PRESETS[self.count].says

    def as_json(self) -> dict[str, Any]:
        """The summary as JSON values; `netspec/schemas/summary.json` describes them."""
        return summary_json.as_json(self)

    def to_text(self, width: int | None = None, color: bool = False) -> str:
        """A table with totals below; columns that do not fit `width` are left out, and named."""
        return summary_table.table(self).to_text(width, color)

    def to_markdown(self) -> str:
        return summary_table.table(self).to_markdown()

    def to_latex(self) -> str:
        """A longtable; the document needs the packages longtable and booktabs."""
        return summary_table.table(self).to_latex()

    def to_csv(self) -> str:
        """One line for each layer, whatever `flat` says, with exact numbers."""
        return summary_table.layer_table(self).to_csv()

    def _repr_html_(self) -> str:
        return summary_table.table(self).to_html()


def summarize(graph: Graph, *, count: str = "mac", flat: bool = False) -> Summary:
    """The costs of a net.

    `count` names the convention for operations: `mac`, `torchinfo` or `fvcore`. With `flat` the
    tables show every layer instead of steps grouped by block with repeats folded.
    Raises ValueError where `count` is no convention.
    """
    chosen = preset(count)
    layers = layers_of(graph, chosen)
    deployed = tuple(layer for layer in layers if not layer.training_only)
    extra = tuple(layer for layer in layers if layer.training_only)
    totals, peak = costs(graph), peak_memory(graph)
    stored = totals.params + totals.params_frozen + totals.buffers + totals.constants
    input_bytes: Dim = 0
    for node in graph.inputs:
        input_bytes = input_bytes + tensor_bytes(node.types[0], graph.nominal_sizes)
    return Summary(
        name=graph.name,
        count=count,
        inputs=tuple(_tensor(node.path, node.types[0]) for node in graph.inputs),
        outputs=tuple(_tensor(out.name, out.value.type) for out in graph.outputs),
        params=totals.params,
        params_frozen=totals.params_frozen,
        buffers=totals.buffers,
        constants=totals.constants,
        macs=subtotal(deployed).macs,
        depth=totals.depth,
        weight_bytes=4 * stored,
        peak_activation=peak.size,
        peak_at=peak.path,
        input_bytes=input_bytes,
        layers=deployed,
        training_layers=extra,
        heads=tuple(_head(head.name, head.loss, extra) for head in graph.heads),
        conditions=tuple(str(condition) for condition in graph.conditions),
        sizes=tuple(
            describe_sizes(name, legal_sizes(graph.conditions, name)) for name in graph.symbols
        ),
        metadata=graph.metadata,
        flat=flat,
    )


def _tensor(name: str, tensor: TensorType) -> Tensor:
    return Tensor(name, tensor.shape, tensor.dtype, tensor.batch)


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
