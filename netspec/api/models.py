"""Models of others as specs, and what two nets compute otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.api.net import Net
from netspec.api.specs import source_of
from netspec.diagnostics.arguments import advising
from netspec.elaborate.build import build

if TYPE_CHECKING:
    from netspec.analysis.difference.difference import Difference
    from netspec.graph.checked import Graph
    from netspec.importing.imported import Imported


@advising
def diff(before: str | Path | Net, after: str | Path | Net) -> Difference:
    """What the second net computes otherwise than the first: nets, specs as `load` takes them, ONNX files.

    `"HEAD~1:net.ns"` is a spec as git has it. The result is true where the nets differ; it has `changes`,
    prints as `netspec diff` does, and gives JSON values by `as_json()`. Raises NetspecError.

    >>> import netspec
    >>> found = netspec.diff("input 3x8x8; conv3-8; relu", "input 3x8x8; conv3-16; relu")
    >>> [(change.before, change.after, change.place.line) for change in found.changes]
    [('conv3-8', 'conv3-16', 1)]
    """
    from netspec.importing.beside import differing

    return differing(_compared(before), _compared(after))


def _compared(given: str | Path | Net) -> Graph | Path:
    if isinstance(given, Net):
        return given.graph
    if str(given).endswith(".onnx"):
        return Path(given)
    return build(source_of(given), expectations=False)


@advising
def from_onnx(
    path: str | Path, *, partial: bool = False, sizes: Mapping[str, int] | None = None
) -> Imported:
    """An ONNX file as a spec: `text`, the checked `graph` of it, `weights`, and the `proof`.

    The text is built, given the file's weights and run beside the file; one that computes otherwise is
    not given. Heights and widths that the file leaves open are symbols of the text where its steps are the
    same at every size; else it is read at 224, or at `sizes` by the file's names, and `held` says so.
    Raises NetspecError, also where nodes have no operator, unless `partial` cuts them out: what they read
    are then outputs and what they make inputs, `unread` lists them and there is no proof.
    """
    from netspec.importing.imported import import_file

    return import_file(Path(path), partial=partial, sizes=sizes)


@advising
def from_torch(module: Any, example: Any = None, *, partial: bool = False) -> Imported:
    """A module of PyTorch as a spec, as `from_onnx` gives it, proven against the module itself.

    `example` is what the module is called with: a tensor or a tuple of them. The module is exported to
    ONNX in a temporary folder, in evaluation mode. An exported program, or the path of an archive that
    `torch.export.save` wrote, needs no example: it is proven against the calls that it lists.
    """
    from netspec.importing.modules import import_module
    from netspec.importing.opening import import_exported, import_model

    if isinstance(module, str | Path):
        return import_model(Path(module), partial=partial)
    if example is None:
        return import_exported(module, partial=partial)
    return import_module(module, example, partial=partial)
