"""Modules of PyTorch, by way of the ONNX file that torch writes of them."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

from netspec.diagnostics.arguments import repr_of
from netspec.diagnostics.messages.importing import Unreadable
from netspec.diagnostics.raised import NetspecError
from netspec.importing.files.program import Array
from netspec.importing.imported import Imported, import_file
from netspec.system.extras import need
from netspec.system.reading import reading

_OPSET = 17
# The last that torch's older exporter knows: some operators it writes only there.
_NEWEST = 20


def import_module(
    module: Any, example: Any, *, partial: bool = False, name: str = "", free: bool = True
) -> Imported:
    """The module as a spec, called `name` or after its class; see `netspec.from_torch`.

    torch's newer exporter, which names the modules around each node, needs the package onnxscript;
    without it the older one, which traces, writes the file. It does so too of what is a `name`'s: the calls
    of an archive, which have no modules around them. `free` says whether the batch may be any.
    """
    torch = need("torch", "reading a module")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"from_torch takes a module of PyTorch, not {repr_of(module)}")
    given = example if isinstance(example, tuple) else (example,)
    newer = not name and find_spec("onnxscript") is not None
    name = name or type(module).__name__
    training = module.training
    module.eval()
    try:
        with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
            path = Path(folder) / f"{name}.onnx"
            _export(torch, module, name, given, path, newer=newer, free=free)

            def run(feeds: Mapping[str, Array]) -> Sequence[Array]:
                pairs = zip(feeds.values(), given, strict=True)
                tensors = [torch.from_numpy(array).to(like.dtype) for array, like in pairs]
                with torch.no_grad():
                    found = module(*tensors)
                many = found if isinstance(found, list | tuple) else (found,)
                return [t.float().numpy() if t.is_floating_point() else t.numpy() for t in many]

            return import_file(path, name=name, partial=partial, run=run)
    finally:
        module.train(training)


def _export(
    torch: Any,
    module: Any,
    name: str,
    given: tuple[Any, ...],
    path: Path,
    *,
    newer: bool,
    free: bool,
) -> None:
    """Writes the module as ONNX, with a free batch where it may be one."""
    names = [f"input{i + 1}" if len(given) > 1 else "input" for i in range(len(given))]

    def failed(reason: str) -> NetspecError:
        return NetspecError(Unreadable(name, f"torch does not export it: {reason}"))

    # What it cannot export torch prints, besides raising: also from C, where no redirection holds it.
    quiet = patch.object(torch._C, "_jit_onnx_log", lambda *_: None, create=True)
    with reading(failed), warnings.catch_warnings(), redirect_stdout(io.StringIO()), quiet:
        warnings.simplefilter("ignore")
        if newer:
            # Of one sample torch takes the batch for a number.
            many = tuple(torch.cat([t, t]) if t.shape[0] == 1 else t for t in given)
            batch = torch.export.Dim("batch")
            torch.onnx.export(
                module,
                many,
                str(path),
                dynamo=True,
                external_data=False,
                input_names=names,
                dynamic_shapes=tuple({0: batch} for _ in many),
                verbose=False,
            )
            return

        def traced(opset: int) -> None:
            torch.onnx.export(
                module,
                given,
                str(path),
                dynamo=False,
                input_names=names,
                opset_version=opset,
                dynamic_axes={name: {0: "batch"} for name in names} if free else None,
            )

        try:
            traced(_OPSET)
        except torch.onnx.errors.UnsupportedOperatorError:
            traced(_NEWEST)
