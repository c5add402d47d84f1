"""What a file says of the blocks around a node: in its metadata, or in its name."""

from __future__ import annotations

import ast
from functools import lru_cache

from onnx import NodeProto

from netspec.importing.scopes import Scope

_NAMES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
_MOST = 64
# Lists that are kept: nodes of one layer have the same, at each size that a file is read at.
_KEPT = 4096


def scopes_of(node: NodeProto) -> tuple[Scope, ...]:
    """The blocks around a node, outermost first, as torch's exporters, netspec or a path say them."""
    said = {entry.key: entry.value for entry in node.metadata_props}
    if _NAMES in said:
        found = _of_torch(said[_NAMES], said.get(_CLASSES, "[]"), node.name)
        if found is not None:
            return found
    if "/" in node.name:
        return _of_path(node.name)
    if node.domain or "." not in node.name:
        return ()
    return tuple(Scope(part, None) for part in node.name.split(".")[:-1][:_MOST])


def _of_torch(names: str, classes: str, step: str) -> tuple[Scope, ...] | None:
    """Full names of modules and their classes, as lists: the last of each is the operator's.

    A step that bears the last name itself, as in netspec's files, or one that begins with it, as where
    a layer is several steps, is what it is the name of.
    """
    full, kinds = _listed(names), _listed(classes)
    if not full:
        return None
    found, before = [], ""
    own_step = f"{step}.".startswith(f"{full[-1]}.")
    for i, name in enumerate(full if own_step else full[:-1]):
        if name and name != before:
            own = name.removeprefix(f"{before}.") if before else name
            kind = kinds[i].rpartition(".")[2] if kinds is not None and i < len(kinds) else None
            # The norm or activation behind a step is called after it.
            if kind and own_step and name == full[-1]:
                own = own.removesuffix(f"_{kind}")
            found.append(Scope(own, kind or None))
            before = name
    return tuple(found[:_MOST])


@lru_cache(_KEPT)
def _listed(text: str) -> tuple[str, ...] | None:
    if len(text) > 2**16:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return tuple(str(item) for item in value) if isinstance(value, list) else None


def _of_path(name: str) -> tuple[Scope, ...]:
    """`/layer1/layer1.0/conv1/Conv`: each part has the name of the one before it in front."""
    found, before = [], ""
    for part in name.split("/")[:-1]:
        own = part.removeprefix(f"{before}.") if before else part
        if own:
            found.append(Scope(own, None))
        before = part or before
    return tuple(found[:_MOST])
