"""ONNX Runtime: sessions that run what was asked, where it was asked, on checked inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from netspec.backends.onnx.guard import check_model
from netspec.backends.onnx.sizes import TooLarge, check_sizes
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.messages.backends import BadInput, BadModel, DeviceMissing, RuntimeFailed
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.fitting import Fitting
from netspec.system.extras import need
from netspec.system.reading import reading

ort = need("onnxruntime", "running a model")

_DTYPES = {"tensor(float)": "<f4", "tensor(int64)": "<i8", "tensor(float16)": "<f2"}
_SILENT = 4
# Bytes of a tensor whose numbers say nothing of sizes.
_WEIGHT = 2**15
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@record
class InputInfo:
    """One input of a model: sizes are ints, or names where they are free."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str


@record
class Result:
    """What a run gave: arrays by output name, the provider that ran, seconds it took."""

    outputs: dict[str, np.ndarray[Any, Any]]
    provider: str
    seconds: float


class Session:
    """An ONNX model loaded from a file.

    `device` is `cpu` or `cuda`; a device that is not there raises NetspecError, never falls back.
    TF32 is off unless `tf32`. `threads` 0 leaves the number to ONNX Runtime. `fitting`, where the
    net is known, refuses sizes of its symbols that are not legal. `most` are the bytes of values that
    may be held at once; None for a file that was just compiled from a checked net. Without `optimize`
    each node is computed as it stands.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        threads: int = 0,
        tf32: bool = False,
        fitting: Fitting | None = None,
        most: int | None = DEFAULT.activations,
        optimize: bool = True,
    ) -> None:
        self._path, self._fitting, self._most = path, fitting, most
        self._model = _without_weights(check_model(path))
        self._small: set[tuple[object, ...]] = set()
        self._check_sizes(None)
        # What it would print goes into messages.
        ort.set_default_logger_severity(_SILENT)
        options = ort.SessionOptions()
        options.log_severity_level = _SILENT
        options.intra_op_num_threads = threads
        # Processors without VNNI add pairs of products in 16 bits, which overflow: exactly, then.
        options.add_session_config_entry("session.x64quantprecision", "1")
        if not optimize:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        provider = _provider(device)
        if device != "cpu":
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        settings: dict[str, str] = {"use_tf32": str(int(tf32))} if device == "cuda" else {}

        def failed(reason: str) -> NetspecError:
            if device != "cpu" and "fallback to CPU" in reason:
                reason = "it, or part of the model on it, could not be loaded"
                return NetspecError(DeviceMissing(device, reason, _CUDA_ADVICE), status=4)
            return _failed(reason)

        with reading(failed):
            self._session = ort.InferenceSession(
                os.fspath(path), options, providers=[(provider, settings)], enable_fallback=0
            )
        self.provider = self._session.get_providers()[0]
        if self.provider != provider:
            reason = f"ONNX Runtime chose {self.provider}"
            raise NetspecError(DeviceMissing(device, reason, _CUDA_ADVICE), status=4)
        for item in (*self._session.get_inputs(), *self._session.get_outputs()):
            if item.type not in _DTYPES:
                raise NetspecError(
                    BadModel(str(path), f"`{item.name}` is {item.type}, which netspec never writes")
                )
        self.inputs = tuple(
            InputInfo(i.name, tuple(i.shape), _DTYPES[i.type]) for i in self._session.get_inputs()
        )
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def run(self, inputs: Mapping[str, Any]) -> Result:
        """Runs the model on arrays by input name; raises NetspecError where they do not fit."""
        known = [item.name for item in self.inputs]
        for name in inputs:
            if name not in known:
                raise NetspecError(BadInput(name, f"the model has inputs {', '.join(known)}"))
        feeds = {item.name: _checked(item, inputs.get(item.name)) for item in self.inputs}
        if self._fitting is not None:
            misfit = self._fitting.misfit({name: feed.shape[1:] for name, feed in feeds.items()})
            if misfit is not None:
                raise NetspecError(BadInput(*misfit))
        self._check_sizes({name: feed.shape for name, feed in feeds.items()})
        start = time.perf_counter()
        with reading(_failed):
            arrays = self._session.run(None, feeds)
        seconds = time.perf_counter() - start
        return Result(dict(zip(self.outputs, arrays, strict=True)), self.provider, seconds)

    def _check_sizes(self, shapes: Mapping[str, tuple[int, ...]] | None) -> None:
        """Adds up what the model will hold; raises NetspecError where that is too much."""
        key = tuple(shapes.items()) if shapes else ()
        if self._most is None or key in self._small:
            return
        try:
            check_sizes(self._model, self._most, shapes)
        except TooLarge as error:
            advice = "; --max-bytes allows more" if "bytes" in str(error) else ""
            raise NetspecError(BadModel(str(self._path), f"{error}{advice}")) from None
        self._small.add(key)


def _without_weights(model: ModelProto) -> ModelProto:
    """The model with tensors in place of the large ones that have sizes and no numbers."""
    for tensor in model.graph.initializer:
        if tensor.ByteSize() > _WEIGHT:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
    return model


def _failed(reason: str) -> NetspecError:
    return NetspecError(RuntimeFailed(reason), status=4)


_CUDA_ADVICE = "install onnxruntime-gpu and the CUDA libraries it names, or use --device cpu"


def _provider(device: str) -> str:
    provider = _PROVIDERS.get(device)
    if provider is None:
        known = ", ".join(_PROVIDERS)
        raise NetspecError(DeviceMissing(device, f"known devices: {known}", ""), status=2)
    if device == "cuda" and provider in ort.get_available_providers():
        preload = getattr(ort, "preload_dlls", None)
        if preload is not None:
            # It prints what it cannot load; standard output is for data, and the refusal says it.
            with redirect_stdout(StringIO()):
                preload()
    if provider not in ort.get_available_providers():
        reason = "this ONNX Runtime was built without CUDA"
        raise NetspecError(DeviceMissing(device, reason, _CUDA_ADVICE), status=4)
    return provider


def _checked(info: InputInfo, value: Any) -> np.ndarray[Any, Any]:
    shown = "x".join(map(str, info.shape))
    if value is None:
        raise NetspecError(BadInput(info.name, f"it is missing; the model takes {shown}"))
    with reading(lambda reason: NetspecError(BadInput(info.name, f"it is no array: {reason}"))):
        array = np.asarray(value)
    wanted = np.dtype(info.dtype)
    if not array.dtype.isnative:
        raise NetspecError(
            BadInput(info.name, f"its byte order is not this machine's: {array.dtype}")
        )
    if array.dtype.kind not in "fiu" or (wanted.kind == "i") != (array.dtype.kind in "iu"):
        raise NetspecError(BadInput(info.name, f"it holds {array.dtype}, the model takes {wanted}"))
    fits = len(array.shape) == len(info.shape) and all(
        isinstance(want, str) or want is None or want == size
        for want, size in zip(info.shape, array.shape, strict=True)
    )
    if not fits:
        found = "x".join(map(str, array.shape)) or "a single number"
        raise NetspecError(BadInput(info.name, f"it is {found}, the model takes {shown}"))
    return np.ascontiguousarray(array, dtype=wanted)
