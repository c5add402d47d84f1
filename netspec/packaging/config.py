"""config.json: what the net is, by timm's and transformers' keys and by those of its spec."""

from __future__ import annotations

from typing import Any

from netspec.foundation.version import __version__
from netspec.graph.checked import Graph
from netspec.packaging.facts import Facts, TensorInfo
from netspec.packaging.images import Unsaid, pretrained_cfg
from netspec.packaging.spec import PackagedSpec


def config(
    graph: Graph,
    told: Facts,
    spec: PackagedSpec,
    *,
    labels: tuple[str, ...],
    logits: bool,
    models: dict[str, str],
    weights: str,
) -> dict[str, Any]:
    """What config.json says. `models` are the ONNX files by precision, `weights` where numbers are from.

    The model type is netspec's own: a program that builds nets by their type refuses it, and does not
    build another of the same name around weights that it has no names for. timm's `pretrained_cfg` stands
    within: at the top, transformers takes the folder for a checkpoint of timm's, whatever its type.
    """
    found: dict[str, Any] = {"model_type": "netspec", "architecture": graph.name}
    if told.classes:
        found["num_classes"] = told.classes
        if told.features:
            found["num_features"] = told.features
    if labels:
        found["id2label"] = {str(number): label for number, label in enumerate(labels)}
        found["label2id"] = {label: number for number, label in enumerate(labels)}
    found["netspec"] = {
        "format_version": 1,
        "version": __version__,
        **spec.as_json(),
        "logits": logits,
        "weights": weights,
        "models": models,
        "inputs": [_plain(item) for item in told.inputs],
        "outputs": [_plain(item) for item in told.outputs],
        "preprocess": {name: how.as_said() for name, how in told.images.items()},
        "pretrained_cfg": _prepared(told),
    }
    return found


def _prepared(told: Facts) -> dict[str, Any]:
    how = told.images.get(told.inputs[0].name)
    try:
        return {} if how is None else pretrained_cfg(how)
    except Unsaid:
        return {}


def _plain(item: TensorInfo) -> dict[str, Any]:
    return {"name": item.name, "dtype": item.dtype, "shape": list(item.shape)}
