"""Steps that nothing reads: they compute what no output and no training head depends on."""

from __future__ import annotations

from netspec.diagnostics.messages.names import Unread
from netspec.diagnostics.records import Diagnostic
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.source import Input


def unread(graph: Graph) -> tuple[Diagnostic, ...]:
    """A warning for each place of the spec whose steps are never read, in the spec's order."""
    ends = {output.value.node for output in graph.outputs}
    ends |= {head.value.node for head in graph.heads}
    # What a recurrence hands on is read by every pass but the last.
    read = {_anywhen(node) for node in graph.nodes if graph.consumers[node] or node in ends}
    places = {
        node.span: Diagnostic(
            Unread("input" if isinstance(node.op, Input) else "step", node.path),
            node.span,
            warning=True,
        )
        for node in graph.nodes
        if _anywhen(node) not in read
    }
    return tuple(places.values())


def _anywhen(node: Node) -> tuple[object, ...]:
    """The node's place in the net, the same in every pass of a recurrence."""
    calls = node.call.ancestors() if node.call else ()
    around = (c.span if c.recurrent else c.component for c in calls if c.component is not None)
    return (node.name, *around)
