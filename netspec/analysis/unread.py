"""Steps that nothing reads: they compute what no output and no training head depends on."""

from __future__ import annotations

from netspec.diagnostics.messages.names import Unread
from netspec.diagnostics.records import Diagnostic
from netspec.graph.checked import Graph
from netspec.ops.declare.source import Input


def unread(graph: Graph) -> tuple[Diagnostic, ...]:
    """A warning for each place of the spec whose steps are never read, in the spec's order."""
    ends = {output.value.node for output in graph.outputs}
    ends |= {head.value.node for head in graph.heads}
    places = {
        node.span: Diagnostic(
            Unread("input" if isinstance(node.op, Input) else "step", node.path),
            node.span,
            warning=True,
        )
        for node in graph.nodes
        if not graph.consumers[node] and node not in ends
    }
    return tuple(places.values())
