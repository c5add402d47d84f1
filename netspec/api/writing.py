"""What a file is written with: options, weights, ranges of eight bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.arguments import repr_of

if TYPE_CHECKING:
    from netspec.backends.onnx.compile import Quantize
    from netspec.backends.onnx.options import FileOptions
    from netspec.graph.checked import Graph
    from netspec.weights.sources import WeightSource


def file_options(
    *,
    logits: bool = False,
    training_heads: bool = False,
    optimize: bool = True,
    target: str | None = None,
    opset: int | None = None,
    batch: int | None = None,
    taps: Sequence[str] = (),
    preprocess: bool = False,
    dtype: str = "fp32",
    fp32: str | Sequence[str] = (),
    io: str = "fp32",
    blocks: bool | str | Sequence[str] = False,
) -> FileOptions:
    """How a file is written; raises ValueError of what has no meaning."""
    from netspec.backends.onnx.options import FileOptions

    for name, value in {"dtype": dtype, "io": io}.items():
        if value not in ("fp32", "fp16"):
            raise ValueError(f"{name} is fp32 or fp16, not {value!r}")
    if dtype == "fp32" and (fp32 or io != "fp32"):
        raise ValueError("fp32 and io need dtype='fp16'")
    if batch is not None and batch < 1:
        raise ValueError(f"batch is at least 1, not {batch}")
    return FileOptions(
        optimize=optimize,
        logits=logits,
        heads=training_heads,
        target=target,
        opset=opset,
        batch=batch,
        taps=tuple(taps),
        preprocess=preprocess,
        dtype=dtype,
        fp32=_globs(fp32),
        io=io,
        blocks=_globs(blocks) if blocks else None,
    )


def check_quantize(quantize: str | None, samples: Any, options: FileOptions) -> None:
    """Raises ValueError of what has no meaning together."""
    if quantize not in (None, "int8"):
        raise ValueError(f"quantize is 'int8' or None, not {quantize!r}")
    if samples is not None and quantize is None:
        raise ValueError("samples are for quantize='int8'")
    if quantize is not None and options.dtype != "fp32":
        raise ValueError("a file is in 8 bits or in half precision, not in both")


def quantizing(
    graph: Graph, samples: Iterable[Any] | None, seed: int, target: str | None
) -> Quantize:
    """How a file gets its eight bits: ranges from samples, or from noise, of which it warns."""
    import warnings

    from netspec.backends.quantize import quantize
    from netspec.verify.samples import CALIBRATED, noise

    if samples is None:
        message = "ranges are taken from noise: give samples of what the net will see"
        warnings.warn(message, stacklevel=4)
        samples = noise(graph, seed, CALIBRATED)
    first = graph.inputs[0].path
    named = (s if isinstance(s, Mapping) else {first: s} for s in samples)
    return quantize.quantizing(named, quantize.Quantization.for_reader(target))


def weights_of(graph: Graph, weights: Any, seed: int) -> WeightSource:
    """The numbers of a net: a module's, a mapping's, a checkpoint's, or those drawn from `seed`."""
    from netspec.weights.sources import Seeded, check_shapes, given

    if weights is None:
        return Seeded(seed)
    if hasattr(weights, "state_dict"):
        weights = weights.state_dict()
    if isinstance(weights, Mapping):
        return given(graph, _unwrapped(weights))
    from netspec.checkpoints import Loaded
    from netspec.checkpoints import load as load_checkpoint

    if isinstance(weights, Loaded):
        check_shapes(graph, weights.source.shapes)
        return weights.source
    if not isinstance(weights, (str, PathLike)):
        what = "a module, its state_dict, a path, or what netspec.checkpoints.load gave"
        raise TypeError(f"weights are {what}, not {repr_of(weights)}")
    return load_checkpoint(Path(weights), graph).source


def files_of(source: WeightSource) -> tuple[Path, ...]:
    """The files that weights are read from, which nothing replaces."""
    from netspec.checkpoints import FromFile

    return (source.file.path,) if isinstance(source, FromFile) else ()


def _unwrapped(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tensors without the prefixes of DistributedDataParallel and torch.compile."""
    for prefix in ("module.", "_orig_mod."):
        if tensors and all(name.startswith(prefix) for name in tensors):
            return _unwrapped({name[len(prefix) :]: t for name, t in tensors.items()})
    return tensors


def _globs(given: bool | str | Sequence[str]) -> tuple[str, ...]:
    """Globs that are given as one or several; none where all is said by `True`."""
    if isinstance(given, bool):
        return ()
    return (given,) if isinstance(given, str) else tuple(given)
