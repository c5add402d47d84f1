"""`preprocess` lines: held to the inputs that they are of, and fitted to sizes given in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.analysis.preprocessing import Misfit, at_size, completed
from netspec.diagnostics.messages.expect import PreprocessMisfit
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.suggest import closest
from netspec.elaborate.metadata import statement
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import Level, Scope
from netspec.foundation.records import record
from netspec.graph.checked import Node
from netspec.sizes.batch import SAMPLES
from netspec.sizes.shapes import TensorType
from netspec.syntax import ast
from netspec.syntax.units import Unit

Line = tuple[str, object]


@record
class Placed:
    """A net's inputs: the nodes, and what each was declared as, whatever size it was given.

    `own` says that both stand as the lines were written for: no setting and no `--input` changed
    them, and the lines are of the file that declares the inputs.
    """

    nodes: tuple[Node, ...]
    declared: Mapping[str, TensorType]
    own: bool


def image_lines(
    unit: Unit, variables: Mapping[str, Any], placed: Placed, reporter: Reporter
) -> tuple[Line, ...]:
    """The unit's `preprocess` lines, as metadata; reports what is wrong.

    Where inputs were given other sizes, a line is fitted to them, or left out where it cannot be.
    """
    scope = Scope(unit, Level(""), variables, {}, {})
    found: dict[str, Line] = {}
    for item in unit.metadata:
        if not isinstance(item, ast.Pairs) or item.key != "preprocess":
            continue
        said = dict(statement(item, scope, reporter))
        if reporter.collector.failed:
            continue
        try:
            name = _image(said, placed.nodes)
            if name in found:
                raise Misfit("image", f"another line is of `{name}` already", "keep one of them")
            node = next(node for node in placed.nodes if node.path == name)
            if line := _fitted(said, node, placed):
                found[name] = ("preprocess", tuple(line.items()))
        except Misfit as misfit:
            problem = PreprocessMisfit(misfit.reason, misfit.advice)
            extents = {pair.name: pair.extent for pair in item.pairs}
            reporter.report(Rejection(problem), extents.get(misfit.key, item.extent), scope)
    return tuple(found.values())


def _image(said: Mapping[str, Any], inputs: tuple[Node, ...]) -> str:
    """The path of the input that a line is of."""
    names = [node.path for node in inputs]
    name = said.get("image")
    if name is None and len(names) > 1:
        raise Misfit("image", "the net has several inputs", f"name one: `image={names[0]}`")
    if name is not None and name not in names:
        near = closest(name, names)
        advice = f"did you mean {near}?" if near else f"inputs: {', '.join(names)}"
        raise Misfit("image", f"the net has no input `{name}`", advice)
    return name or names[0]


def _fitted(said: Mapping[str, Any], node: Node, placed: Placed) -> dict[str, Any] | None:
    tensor = node.types[0]
    if tensor.ids is not None or tensor.batch != SAMPLES:
        raise Misfit("image", f"`{node.path}` is no image")
    declared = placed.declared.get(node.path, tensor)
    if placed.own:
        completed(said, declared.shape)
    try:
        line = at_size(said, declared.shape, tensor.shape)
        completed(line, tensor.shape)
    except Misfit:
        return None
    return line
