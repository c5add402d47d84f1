"""Graph to ONNX: nodes straight from the operators, without tracing and without torch."""

from __future__ import annotations

from onnx import GraphProto, ModelProto

from netspec.backends.onnx.builder import Builder, outputs_of
from netspec.backends.onnx.model import Model
from netspec.backends.onnx.recurring.scans import closed
from netspec.backends.onnx.targets import EVERY, OPSETS, TARGETS, Target, ir_version
from netspec.backends.onnx.types import value_type
from netspec.diagnostics.messages.backends import OpsetUnsupported
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.foundation.version import __version__
from netspec.graph.checked import Graph


def lower(
    graph: Graph,
    *,
    opset: int | None = None,
    target: Target = EVERY,
    batch: int | None = None,
    metadata: dict[str, str] | None = None,
) -> Model:
    """The ONNX model of a graph as it stands; `netspec.passes` come first.

    Recurrences are loops in it: `lower_steps` has the form that the stages read which come between.

    `opset` is the target's own by default, or a higher one that some step needs. `batch` fixes the
    leading dimension, which is symbolic otherwise. Raises NetspecError for each step that the opset
    or the target has no spelling for, at its place.
    """
    return closed(lower_steps(graph, opset=opset, target=target, batch=batch, metadata=metadata))


def lower_steps(
    graph: Graph,
    *,
    opset: int | None = None,
    target: Target = EVERY,
    batch: int | None = None,
    metadata: dict[str, str] | None = None,
) -> Model:
    """The same with one step of each recurrence, which `closed` makes a loop of."""
    builder = _lowered(graph, opset, target, batch)
    proto = GraphProto(name=graph.name, initializer=builder.constants)
    for node in graph.inputs:
        proto.input.add(name=node.path, type=value_type(node.output, batch))
    for item in outputs_of(graph):
        proto.output.add(name=item.name, type=value_type(item.value, batch))
    model = ModelProto(
        ir_version=ir_version(builder.opset), producer_name="netspec", producer_version=__version__
    )
    model.opset_import.add(domain="", version=builder.opset)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    around = proto.SerializeToString(deterministic=True)
    encoded = b"".join((*builder.encoded, around, *builder.described))
    return Model(
        model, encoded, tuple(builder.weights.values()), builder.values, tuple(builder.owners)
    )


def lowered_as(graph: Graph, written: ModelProto) -> Model:
    """The model of a graph for the opset and the target that a file of it says it was written for."""
    opset = written.opset_import[0].version
    about = {item.key: item.value for item in written.metadata_props}
    target = TARGETS.get(about.get("netspec.target", ""), EVERY)
    known = range(OPSETS.start, target.newest + 1)
    return lower(graph, opset=opset if opset in known else None, target=target)


def _lowered(graph: Graph, opset: int | None, target: Target, batch: int | None) -> Builder:
    builder = Builder(graph, target.opset if opset is None else opset, target, batch)
    if builder.opset not in range(OPSETS.start, target.newest + 1):
        raise _unsupported(graph, builder.opset, target)
    builder.lower()
    if opset is None and builder.opset < builder.needs <= target.newest:
        builder = Builder(graph, builder.needs, target, batch)
        builder.lower()
    builder.faults.raise_errors()
    return builder


def _unsupported(graph: Graph, opset: int, target: Target) -> NetspecError:
    """What an opset out of range gets, with the opset that the net needs and the step that asks."""
    builder = Builder(graph, OPSETS.start, target)
    builder.lower()
    who = "netspec writes" if target == EVERY else f"{target.title} reads"
    advice = f"this net can be written for opset {max(builder.needs, OPSETS.start)}"
    span = builder.needs_at
    problem = OpsetUnsupported(opset, who, OPSETS.start, target.newest, advice)
    return NetspecError((Diagnostic(problem, span),), status=2)
