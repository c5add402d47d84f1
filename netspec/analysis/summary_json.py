"""A summary as JSON values. The keys are fixed; `format_version` rises when one changes."""

from __future__ import annotations

from typing import Any

from netspec.analysis.layers import Layer, field_json
from netspec.analysis.outline import closed, subtotal
from netspec.analysis.receptive_field import OutputField, Seens
from netspec.analysis.record import Figures, HeadCost, Tensor
from netspec.analysis.training.notes import training_json
from netspec.sizes.dims import Dim

FORMAT_VERSION = 1


def as_json(summary: Figures) -> dict[str, Any]:
    """The summary; sizes that depend on symbols are formulas in strings."""
    return {
        "format_version": FORMAT_VERSION,
        "name": summary.name,
        "count": summary.count,
        "inputs": [_tensor(tensor) for tensor in summary.inputs],
        "outputs": [_tensor(tensor) for tensor in summary.outputs],
        "params": summary.params,
        "params_frozen": summary.params_frozen,
        "buffers": summary.buffers,
        "constants": summary.constants,
        "macs": size(summary.macs),
        "depth": summary.depth,
        "weight_bytes": summary.weight_bytes,
        "peak_activation_bytes": size(summary.peak_activation),
        "peak_activation_at": summary.peak_at,
        "receptive_fields": [_output_field(field) for field in summary.fields],
        "conditions": list(summary.conditions),
        "layers": [_layer(summary, layer) for layer in closed(summary.layers, summary.levels)],
        "training_only": _training_only(summary),
        **({"training": training_json(summary.training)} if summary.training else {}),
    }


def size(value: Dim) -> int | str:
    """An exact integer, or a formula as text."""
    return value if isinstance(value, int) else str(value)


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": [size(part) for part in tensor.shape],
        "dtype": tensor.dtype,
        "batch": tensor.batch,
    }


def _layer(summary: Figures, layer: Layer) -> dict[str, Any]:
    return {
        "path": layer.path,
        "op": layer.op,
        "detail": layer.detail,
        "output": [size(part) for part in layer.output],
        "params": layer.params,
        "params_frozen": layer.params_frozen,
        "buffers": layer.buffers,
        "constants": layer.constants,
        "macs": size(layer.macs),
        "activation_bytes": size(layer.activation),
        **({"kept_bytes": layer.kept} if summary.training else {}),
        **_field(layer.field),
        "shares": layer.shares,
        **({"layers": layer.layers} if layer.layers else {}),
    }


def _field(seen: Seens) -> dict[str, Any]:
    return {
        "receptive_field": field_json(seen),
        "receptive_field_stride": field_json(seen, "stride"),
        "receptive_field_start": field_json(seen, "start"),
    }


def _output_field(field: OutputField) -> dict[str, Any]:
    maps = [
        {"path": node.path, "shape": [size(part) for part in node.types[0].shape], **_field(seen)}
        for node, seen in field.maps
    ]
    return {"output": field.name, **_field(field.sees), "last_maps": maps}


def _training_only(summary: Figures) -> dict[str, Any]:
    layers = summary.training_layers
    return {
        "params": sum(layer.params for layer in layers),
        "params_frozen": sum(layer.params_frozen for layer in layers),
        "buffers": sum(layer.buffers for layer in layers),
        "macs": size(subtotal(layers).macs),
        "heads": [_head(head) for head in summary.heads],
        "layers": [
            {**_layer(summary, layer), "head": layer.head}
            for layer in closed(layers, summary.levels)
        ],
    }


def _head(head: HeadCost) -> dict[str, Any]:
    return {
        "name": head.name,
        "loss": head.loss,
        "params": head.params,
        "params_frozen": head.params_frozen,
        "buffers": head.buffers,
        "macs": size(head.macs),
    }
