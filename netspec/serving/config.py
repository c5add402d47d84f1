"""The configuration of a model as Triton reads it: fields of `ModelConfig` by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netspec.foundation.records import record
from netspec.serving.interface import Interface, Tensor
from netspec.serving.pbtxt import Message, Word, entries
from netspec.serving.settings import ACCELERATORS, Serving, version_policy

MODEL = "model.onnx"
_KINDS = {None: "KIND_AUTO", "cpu": "KIND_CPU", "cuda": "KIND_GPU"}
# Triton wants a dimension of what has none for a sample.
_SCALAR = (1,)


@record
class Called:
    """A model that a net's ensemble calls: its name, and its tensors by what the ensemble calls them."""

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def model_config(
    name: str,
    interface: Interface,
    serving: Serving,
    *,
    batch: int,
    labels: Mapping[str, str],
    sizes: Mapping[str, int] | None,
) -> Message:
    """The configuration of an ONNX file.

    `batch` are the rows that are joined at most, 0 where each request is run by itself. `labels` are
    names of files by output. `sizes` are legal ones for what is open, to warm up with; None where
    none are known.
    """
    found: dict[str, Any] = {
        "name": name,
        "backend": "onnxruntime",
        "default_model_filename": MODEL,
        "max_batch_size": batch,
        "input": [_tensor(tensor, batch) for tensor in interface.inputs],
        "output": [_tensor(tensor, batch, labels) for tensor in interface.outputs],
        "version_policy": _policy(serving.versions),
        "instance_group": [_instances(serving)],
    }
    if batch > 1:
        found["dynamic_batching"] = _batching(serving)
    if providers := serving.providers:
        found["optimization"] = {"execution_accelerators": _accelerators(providers)}
    if serving.parameters:
        values = {key: {"string_value": value} for key, value in serving.parameters.items()}
        found["parameters"] = entries(values)
    if serving.warm_up and sizes is not None:
        rows = sorted({1, batch}) if batch else [1]
        found["model_warmup"] = [_warm_up(interface.inputs, batch, row, sizes) for row in rows]
    return found


def ensemble_config(
    name: str,
    steps: Sequence[Called],
    interface: Interface,
    *,
    batch: int,
    labels: Mapping[str, str],
) -> Message:
    """The configuration of models that are called one after the other, the latest version of each."""
    return {
        "name": name,
        "platform": "ensemble",
        "max_batch_size": batch,
        "input": [_tensor(tensor, batch, ensemble=True) for tensor in interface.inputs],
        "output": [_tensor(tensor, batch, labels, ensemble=True) for tensor in interface.outputs],
        "ensemble_scheduling": {
            "step": [
                {
                    "model_name": step.name,
                    "model_version": -1,
                    "input_map": entries(step.inputs),
                    "output_map": entries(step.outputs),
                }
                for step in steps
            ]
        },
    }


def _tensor(
    tensor: Tensor,
    batch: int,
    labels: Mapping[str, str] | None = None,
    *,
    ensemble: bool = False,
) -> Message:
    dims = _dims(tensor, batch)
    found: dict[str, Any] = {
        "name": tensor.name,
        "data_type": Word(tensor.type),
        "dims": dims or _SCALAR,
    }
    if not dims and not ensemble:  # an ensemble hands on what its models give
        found["reshape"] = {"shape": ()}
    if labels and tensor.name in labels:
        found["label_filename"] = labels[tensor.name]
    return found


def _dims(tensor: Tensor, batch: int) -> tuple[int, ...]:
    """The sizes that a configuration states: without the batch where it joins requests."""
    sizes = tensor.sizes[1:] if batch else tensor.sizes
    return tuple(size if isinstance(size, int) else -1 for size in sizes)


def _policy(versions: str) -> Message:
    ((word, value),) = version_policy(versions).items()
    fields = {"latest": "num_versions", "specific": "versions"}
    return {word: {fields[word]: value} if word in fields else {}}


def _instances(serving: Serving) -> Message:
    gpus = {"gpus": tuple(serving.gpus)} if serving.gpus else {}
    return {"count": serving.instances, "kind": Word(_KINDS[serving.device]), **gpus}


def _batching(serving: Serving) -> Message:
    found: dict[str, Any] = {}
    if serving.preferred:
        found["preferred_batch_size"] = tuple(serving.preferred)
    if serving.delay:
        found["max_queue_delay_microseconds"] = serving.delay
    return found


def _accelerators(providers: Mapping[str, Mapping[str, str]]) -> Message:
    kinds = {
        name: "gpu_execution_accelerator" if device == "cuda" else "cpu_execution_accelerator"
        for device, names in ACCELERATORS.items()
        for name in names
    }
    found: dict[str, list[Message]] = {}
    for name, options in providers.items():
        parameters = {"parameters": entries(options)} if options else {}
        found.setdefault(kinds[name], []).append({"name": name, **parameters})
    return found


def _warm_up(inputs: Iterable[Tensor], batch: int, rows: int, sizes: Mapping[str, int]) -> Message:
    """A run on zeros, which are legal ids, boxes and pixels too."""

    def known(size: int | str) -> int:
        return size if isinstance(size, int) else sizes[size]

    values = {}
    for tensor in inputs:
        dims = tuple(map(known, tensor.sizes[1:] if batch else tensor.sizes))
        values[tensor.name] = {
            "data_type": Word(tensor.type),
            "dims": dims or _SCALAR,
            "zero_data": True,
        }
    return {
        "name": f"{rows} rows" if batch else "alone",
        "batch_size": rows,
        "inputs": entries(values),
    }
