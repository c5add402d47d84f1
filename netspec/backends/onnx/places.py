"""Where a node of a file comes from: the blocks around its step, and its place in the spec.

Model Explorer groups by `namespace`. torch's exporter writes the other two of the hierarchy, as the
texts of two Python lists of one length, from the whole net down to the operator; tools made for its
files read them. Nodes have metadata since version 10 of ONNX's format: readers of earlier ones pass over
it, as protobuf has them do with any field that they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping

from onnx import StringStringEntryProto

from netspec.diagnostics.records import printable
from netspec.diagnostics.source import Span
from netspec.graph.checked import Call, Graph, Node
from netspec.ops.declare.source import Input
from netspec.syntax.files import shown_place

# What of it holds wherever a node stands, in a function too: its place in the spec.
SOURCE = "netspec.source"


def places(graph: Graph, node: Node) -> list[StringStringEntryProto]:
    """What the nodes of one step say of where they come from."""
    word = "input" if isinstance(node.op, Input) else node.op.spelling
    return entries(_said(graph.name, node.call, node.span, node.path, word))


def entries(said: Mapping[str, str]) -> list[StringStringEntryProto]:
    """Metadata of a node, as a file has it."""
    # A file's name may hold bytes that are no text.
    return [StringStringEntryProto(key=k, value=printable(text)) for k, text in said.items()]


def places_of_call(net: str, call: Call, path: str) -> dict[str, str]:
    """What the node says that stands for a block: where its call is, and how it is written."""
    return {**_said(net, call.parent, call.span, path, call.block), "netspec.call": str(call)}


def _said(net: str, call: Call | None, span: Span, path: str, word: str) -> dict[str, str]:
    """What stands in the blocks of a call says of where it is."""
    around = [outer for outer in call.ancestors() if outer.component] if call else []
    around.reverse()
    components = [outer.component or "" for outer in around]
    scopes = [".".join(components[: i + 1]) for i in range(len(components))]
    return {
        "namespace": "/".join(components),
        SOURCE: shown_place(span),
        "pkg.torch.onnx.class_hierarchy": repr([net, *(outer.block for outer in around), word]),
        "pkg.torch.onnx.name_scopes": repr(["", *scopes, path]),
    }
