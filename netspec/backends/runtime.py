"""ONNX Runtime: sessions that run what was asked, where it was asked, on checked inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto

from netspec.analysis.preprocessing import Preprocessing
from netspec.backends.apart import apart, shares_bytes
from netspec.backends.onnx.blocks.inlining import inline
from netspec.backends.onnx.guard import check_model
from netspec.backends.onnx.images import IMAGES, image_of, said_of_images
from netspec.backends.onnx.recurring.stepwise import written_out
from netspec.backends.onnx.sizes import TooLarge, check_sizes
from netspec.backends.placement import strays
from netspec.backends.switches import DEFAULTS, KEY, Switches, Tuned, has_vnni, read_tuned
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.messages.backends import BadInput, BadModel, DeviceMissing, RuntimeFailed
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.fitting import Fitting
from netspec.system.extras import need
from netspec.system.reading import reading

ort = need("onnxruntime", "running a model")

_DTYPES = {"tensor(float)": "<f4", "tensor(int64)": "<i8", "tensor(float16)": "<f2"}
# Inputs may take pixels.
_TAKEN = {**_DTYPES, "tensor(uint8)": "|u1"}
_SILENT = 4
# Bytes of a tensor whose numbers say nothing of sizes.
_WEIGHT = 2**15
# The run of a session with CUDA graphs that records none.
_NO_GRAPH = -1
_UNSAID = Switches()
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@record
class InputInfo:
    """One input of a model: sizes are ints, or names where they are free.

    `image` is how images become this input, where the file says so; pixels, of dtype `|u1`, are
    (N, H, W, C).
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    image: Preprocessing | None = None


@record
class Result:
    """What a run gave: arrays by output name, the provider that ran, seconds it took."""

    outputs: dict[str, np.ndarray[Any, Any]]
    provider: str
    seconds: float


class Session:
    """An ONNX model loaded from a file.

    `device` is `cpu` or `cuda`; a device that is not there raises NetspecError, never falls back.
    What `switches` do not say, the file says where it was tuned for the device, and else `DEFAULTS`:
    TF32 is off. The session's own `switches` are all that it runs with, `tuned` those of the file;
    `precision` is that of most of the weights, such as `fp32`.
    `fitting`, where the net is known, refuses sizes of its symbols that are not legal. `most` are the
    bytes of values that may be held at once; None for a file that was just compiled from a checked net.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        switches: Switches = _UNSAID,
        fitting: Fitting | None = None,
        most: int | None = DEFAULT.activations,
    ) -> None:
        self._path, self._device, self._fitting, self._most = path, device, fitting, most
        self._graphs = 0
        self._model = written_out(inline(_without_weights(check_model(path))))
        found = tuned_of(self._model, path).get(device)
        self.tuned = found.here() if found else _UNSAID
        self.switches = switches.over(self.tuned).over(DEFAULTS)
        self.precision = _precision(self._model)
        self._small: set[tuple[object, ...]] = set()
        self._check_sizes(None)
        # What it would print goes into messages.
        ort.set_default_logger_severity(_SILENT)
        options = _options(self.switches)
        provider = _provider(device)
        if device != "cpu":
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        settings = _cuda_settings(self.switches) if device == "cuda" else {}
        with reading(_failed):
            self._session = ort.InferenceSession(
                self._read(), options, providers=[(provider, settings)], enable_fallback=0
            )
        self.provider = self._session.get_providers()[0]
        if self.provider != provider:
            raise NetspecError(
                DeviceMissing(device, "it could not be loaded", _CUDA_ADVICE), status=4
            )
        if device != "cpu":
            self._check_placement(device, provider)
        given = {item.name for item in self._session.get_inputs()}
        for item in (*self._session.get_inputs(), *self._session.get_outputs()):
            if item.type not in (_TAKEN if item.name in given else _DTYPES):
                raise NetspecError(
                    BadModel(str(path), f"`{item.name}` is {item.type}, which netspec never writes")
                )
        images = self._images()
        self.inputs = tuple(
            self._input(item.name, tuple(item.shape), _TAKEN[item.type], images)
            for item in self._session.get_inputs()
        )
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def _read(self) -> str | bytes:
        """What ONNX Runtime reads: the file, or what it takes for it where it adds exactly."""
        if has_vnni() or not shares_bytes(self._model):
            return os.fspath(self._path)
        copied: bytes = apart(inline(onnx.load(self._path))).SerializeToString()
        return copied

    def run(self, inputs: Mapping[str, Any]) -> Result:
        """Runs the model on arrays by input name; raises NetspecError where they do not fit."""
        feeds = self._feeds(inputs)
        run = _run_options(_NO_GRAPH) if self.switches.cuda_graph else None
        start = time.perf_counter()
        with reading(_failed):
            arrays = self._session.run(None, feeds, run)
        seconds = time.perf_counter() - start
        return Result(dict(zip(self.outputs, arrays, strict=True)), self.provider, seconds)

    def bind(self, inputs: Mapping[str, Any]) -> Bound:
        """The model on these arrays, to be run again and again; raises NetspecError as `run` does."""
        feeds = self._feeds(inputs)
        self._graphs += bool(self.switches.cuda_graph)
        with reading(_failed):
            return Bound(self._session, self._device, feeds, self._graphs)

    def _feeds(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays as the model takes them, checked against it."""
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
        return feeds

    def _images(self) -> dict[str, dict[str, Any]]:
        """What the file says of images, by input; raises NetspecError where no netspec wrote it."""
        said = [item.value for item in self._model.metadata_props if item.key == IMAGES]
        with reading(self._not_of_images):
            return said_of_images(said[-1]) if said else {}

    def _input(
        self,
        name: str,
        shape: tuple[int | str, ...],
        dtype: str,
        images: Mapping[str, Mapping[str, Any]],
    ) -> InputInfo:
        if name not in images:
            return InputInfo(name, shape, dtype)
        with reading(self._not_of_images):
            how = image_of(images[name], shape, pixels=dtype == "|u1")
        return InputInfo(name, shape, dtype, how)

    def _not_of_images(self, reason: str) -> NetspecError:
        return NetspecError(BadModel(str(self._path), f"what it says of images: {reason}"))

    def _check_placement(self, device: str, provider: str) -> None:
        """Raises NetspecError where part of the model would run elsewhere."""
        parts = self._session.get_provider_graph_assignment_info()
        nodes = (node for part in parts if part.ep_name != provider for node in part.get_nodes())
        found = strays(self._model, ((node.name, node.op_type) for node in nodes))
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            reason = f"ONNX Runtime runs `{found[0]}`{more} elsewhere"
            raise NetspecError(DeviceMissing(device, reason, "use --device cpu"), status=4)

    def _check_sizes(self, shapes: Mapping[str, tuple[int, ...]] | None) -> None:
        """Adds up what the model will hold; raises NetspecError where that is too much."""
        key = tuple(shapes.items()) if shapes else ()
        if self._most is None or key in self._small:
            return
        try:
            in_order = self.switches.execution == "sequential"
            check_sizes(self._model, self._most, shapes, in_order=in_order)
        except TooLarge as error:
            advice = "; --max-bytes allows more" if "bytes" in str(error) else ""
            raise NetspecError(BadModel(str(self._path), f"{error}{advice}")) from None
        self._small.add(key)


_PRECISIONS = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "uint8",
}


def _precision(model: ModelProto) -> str:
    """The type of most of the weights; `none` where there are none."""
    counts: dict[str, int] = {}
    for tensor in model.graph.initializer:
        name = _PRECISIONS.get(tensor.data_type)
        if name is not None:
            counts[name] = counts.get(name, 0) + prod(tensor.dims)
    return max(counts, key=counts.__getitem__, default="none")


class Bound:
    """Arrays where a session runs, and room for what it makes of them: a run copies nothing.

    Made by `Session.bind`. `graph` numbers the CUDA graph that the runs record and replay; 0 for none.
    """

    def __init__(
        self, session: Any, device: str, feeds: Mapping[str, np.ndarray[Any, Any]], graph: int
    ) -> None:
        self._session, self._binding = session, session.io_binding()
        self._names = [output.name for output in session.get_outputs()]
        # What is bound has to live as long as the runs.
        self._feeds = {
            name: ort.OrtValue.ortvalue_from_numpy(array, device, 0)
            for name, array in feeds.items()
        }
        for name, value in self._feeds.items():
            self._binding.bind_ortvalue_input(name, value)
        for name in self._names:
            self._binding.bind_output(name, device, 0)
        self._run = None
        if graph:
            # A graph replays addresses: the outputs of a run without one are its room.
            session.run_with_iobinding(self._binding, _run_options(_NO_GRAPH))
            self._room = self._binding.get_outputs()
            for name, value in zip(self._names, self._room, strict=True):
                self._binding.bind_ortvalue_output(name, value)
            self._run = _run_options(graph)

    def run(self) -> float:
        """Runs the model once; returns the seconds until its outputs are there."""
        start = time.perf_counter()
        with reading(_failed):
            self._session.run_with_iobinding(self._binding, self._run)
            self._binding.synchronize_outputs()
        return time.perf_counter() - start

    def outputs(self) -> dict[str, np.ndarray[Any, Any]]:
        """What the last run made, by output name."""
        with reading(_failed):
            arrays = self._binding.copy_outputs_to_cpu()
        return dict(zip(self._names, arrays, strict=True))


def tuned_of(model: ModelProto, path: Path) -> dict[str, Tuned]:
    """What a model was tuned to, by device; raises NetspecError where that is not what netspec writes."""
    texts = [entry.value for entry in model.metadata_props if entry.key == KEY]
    with reading(lambda reason: NetspecError(BadModel(str(path), f"its {KEY}: {reason}"))):
        return read_tuned(texts)


_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "layout": ort.GraphOptimizationLevel.ORT_ENABLE_LAYOUT,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


def _options(switches: Switches) -> Any:
    """ONNX Runtime's options for switches that all say something."""
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = switches.threads
    options.graph_optimization_level = _LEVELS[str(switches.optimization)]
    if not has_vnni():
        # Pairs of products are added in 16 bits, which overflow: exactly, then, which takes longer.
        options.add_session_config_entry("session.x64quantprecision", "1")
    if switches.execution == "parallel":
        options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    options.enable_cpu_mem_arena = switches.arena
    options.enable_mem_pattern = switches.memory_pattern
    if switches.spinning == "run":
        options.add_session_config_entry("session.force_spinning_stop", "1")
    if switches.spinning == "never":
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if switches.block_base:
        options.add_session_config_entry("session.dynamic_block_base", str(switches.block_base))
    return options


def _cuda_settings(switches: Switches) -> dict[str, str]:
    """The CUDA provider's options; those that say what it does anyway are left to it."""
    return {
        "use_tf32": str(int(bool(switches.tf32))),
        **({"prefer_nhwc": "1"} if switches.nhwc else {}),
        **({"fuse_conv_bias": "1"} if switches.conv_bias else {}),
        **({"enable_cuda_graph": "1"} if switches.cuda_graph else {}),
        **(
            {"cudnn_conv_algo_search": str(switches.conv_search).upper()}
            if switches.conv_search != DEFAULTS.conv_search
            else {}
        ),
    }


def _run_options(graph: int) -> Any:
    options = ort.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph))
    return options


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


# What an array of such a kind holds, in words.
_NO_NUMBERS = {"U": "text", "S": "bytes", "O": "objects that are no numbers"}


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
    if array.dtype.kind not in "fiu" or (wanted.kind in "iu") != (array.dtype.kind in "iu"):
        more = ": pixels from 0 to 255, channels last" if wanted.kind == "u" else ""
        if info.image is not None and array.dtype == np.uint8:
            more = ": prepare its pixels, or compile the model with --preprocess"
        holds = _NO_NUMBERS.get(array.dtype.kind, str(array.dtype))
        raise NetspecError(BadInput(info.name, f"it holds {holds}, the model takes {wanted}{more}"))
    if not _fits(info, array.shape):
        found = "x".join(map(str, array.shape)) or "a single number"
        order = _order(info, array.shape)
        raise NetspecError(BadInput(info.name, f"it is {found}, the model takes {shown}{order}"))
    if wanted.kind == "u" and array.dtype != wanted and not ((array >= 0) & (array < 256)).all():
        raise NetspecError(BadInput(info.name, "it holds numbers that are no pixels from 0 to 255"))
    with np.errstate(over="ignore"):
        fed = np.ascontiguousarray(array, dtype=wanted)
    lost = np.isfinite(array) & ~np.isfinite(fed)
    if lost.any():
        largest = f"{np.abs(array[lost]).max():.1e}"
        raise NetspecError(
            BadInput(info.name, f"it holds {largest}, and the model takes {wanted}: 65,504 at most")
        )
    return fed


def _fits(info: InputInfo, shape: tuple[int, ...]) -> bool:
    return len(shape) == len(info.shape) and all(
        isinstance(want, str) or want is None or want == size
        for want, size in zip(info.shape, shape, strict=True)
    )


def _order(info: InputInfo, shape: tuple[int, ...]) -> str:
    """Where the channels stand, if that is what is wrong with an image's sizes."""
    if len(shape) != 4 or len(info.shape) != 4:
        return ""
    if info.dtype == "|u1":
        turned, says = (0, 2, 3, 1), "the channels come last"
    else:
        turned, says = (0, 3, 1, 2), "the channels come before height and width"
    moved = tuple(shape[axis] for axis in turned)
    return f": {says}, so transpose it with {turned}" if _fits(info, moved) else ""
