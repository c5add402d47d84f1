"""Where a node of a file comes from: the blocks around its step, and its place in the spec.

Model Explorer groups by `namespace`. torch's exporter writes the other two of the hierarchy, as the
texts of two Python lists of one length, from the whole net down to the operator; tools made for its
files read them. Nodes have metadata since version 10 of ONNX's format: readers of earlier ones pass over
it, as protobuf has them do with any field that they do not know.
"""

from __future__ import annotations

from onnx import StringStringEntryProto

from netspec.diagnostics.records import printable
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.source import Input
from netspec.syntax.files import shown_place


def places(graph: Graph, node: Node) -> list[StringStringEntryProto]:
    """What the nodes of one step say of where they come from."""
    around = [call for call in node.call.ancestors() if call.component] if node.call else []
    around.reverse()
    components = [call.component or "" for call in around]
    scopes = [".".join(components[: i + 1]) for i in range(len(components))]
    said = {
        "namespace": "/".join(components),
        "netspec.source": shown_place(node.span),
        "pkg.torch.onnx.class_hierarchy": repr(
            [graph.name, *(call.block for call in around), _word(node)]
        ),
        "pkg.torch.onnx.name_scopes": repr(["", *scopes, node.path]),
    }
    # A file's name may hold bytes that are no text.
    return [StringStringEntryProto(key=k, value=printable(text)) for k, text in said.items()]


def _word(node: Node) -> str:
    return "input" if isinstance(node.op, Input) else node.op.spelling
