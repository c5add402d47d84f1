"""The nodes before the last of a cluster, and what is asked of them to tell what it may be."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from netspec.importing.files.program import Array, Node, Program
from netspec.importing.recognise.written.again import Candidate
from netspec.importing.recognise.written.alike import plain

# Tensors that are looked at from the end of a cluster for where it begins: more than any has.
_MOST = 4096


class Cluster:
    """The nodes of a program before one of them, and what is asked of them."""

    def __init__(self, program: Program, makers: Mapping[str, Node], end: Node) -> None:
        self.program, self.makers, self.end = program, makers, end
        self.constants, self.shapes = program.constants, program.shapes

    def before(self, name: str, op: str, **attributes: object) -> Node | None:
        """The nearest node of an operator among those that a tensor is made of, itself too."""
        todo, known = deque([name]), {name}
        while todo and len(known) < _MOST:
            node = self.makers.get(todo.popleft())
            if node is None:
                continue
            if node.op == op and all(node.get(key) == value for key, value in attributes.items()):
                return node
            for read in node.inputs:
                if read not in known:
                    known.add(read)
                    todo.append(read)
        return None

    def maker(self, node: Node | None, index: int, op: str) -> Node | None:
        """What makes an input of a node, if it is of this operator."""
        if node is None or index >= len(node.inputs):
            return None
        found = self.makers.get(node.inputs[index])
        return found if found is not None and found.op == op else None

    def constant(self, node: Node, index: int) -> Array | None:
        """A constant that a node reads."""
        return self.constants.get(node.inputs[index]) if index < len(node.inputs) else None

    def candidate(
        self, head: str, given: Sequence[str], reads: Sequence[str], regions: tuple[int, ...] = ()
    ) -> Candidate | None:
        """A step on tensors, if their sizes are known and no constants."""
        names = [plain(name, self.makers, self.constants) for name in reads]
        if any(len(self.shapes.get(name, ())) < 2 or name in self.constants for name in names):
            return None
        whole = tuple(self.shapes[name] for name in names)
        return Candidate(head, tuple(given), tuple(names), whole, regions)
