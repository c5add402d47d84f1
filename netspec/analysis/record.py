"""What a net costs: a record of its layers and totals."""

from __future__ import annotations

from netspec.analysis.costs import Costs
from netspec.analysis.layers import Layer
from netspec.analysis.presets import PRESETS
from netspec.analysis.receptive_field import OutputField
from netspec.analysis.training.record import TrainingMemory
from netspec.foundation.records import record
from netspec.sizes.dims import Dim


@record
class Tensor:
    """An input or output of the net, for one sample. `batch` is the symbol of its leading size."""

    name: str
    shape: tuple[Dim, ...]
    dtype: str
    batch: str


@record
class HeadCost:
    """A training-only head: what it adds to the deployed net while training."""

    name: str
    loss: float
    params: int
    params_frozen: int
    buffers: int
    macs: Dim


@record(slots=False)
class Figures(Costs):
    """What a summary knows of one net, for one sample.

    `params` are trained parameters, and like all totals those of the deployed net: training-only
    heads are apart in `heads`. `buffers` are running statistics, `constants` tensors
    the architecture fixes. `macs` follows the convention `count`. `depth` is the longest path in
    weight layers. `weight_bytes` is everything stored, in float32. `peak_activation` is the most
    bytes of activations alive at once, in the step `peak_at`. Sizes that depend on symbols are
    formulas; all others are exact integers. `fields` has what each output sees of the inputs, and what
    the last map before it does. `totals` are those of `netspec.analysis.totals`. `layers` are those of
    the deployed net, in order, `training_layers` the others: those of heads, and what only a sampling
    layer reads. Tables open blocks down to `levels`, all where it is None, or with `flat` show every
    layer. `training` is what a training step takes, where that was asked for.
    """

    name: str
    count: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weight_bytes: int
    peak_activation: Dim
    peak_at: str
    input_bytes: Dim
    fields: tuple[OutputField, ...]
    layers: tuple[Layer, ...]
    training_layers: tuple[Layer, ...]
    heads: tuple[HeadCost, ...]
    conditions: tuple[str, ...]
    totals: dict[str, Dim]
    sizes: tuple[str, ...]
    metadata: tuple[tuple[str, object], ...]
    flat: bool = False
    levels: int | None = None
    training: TrainingMemory | None = None

    @property
    def convention(self) -> str:
        """What `macs` counts, in one line; as which tool counts, where it counts so here."""
        return PRESETS[self.count].convention(layer.node.op for layer in self.layers)
