"""Clusters of nodes that are what netspec writes for one step, as a node of that step each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from netspec.importing.files.program import Node, Program
from netspec.importing.recognise.sources.held import held
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Writer
from netspec.importing.recognise.written.again import Candidate, Spelling, lowered, spellings
from netspec.importing.recognise.written.alike import alike
from netspec.importing.recognise.written.cluster import Cluster
from netspec.importing.recognise.written.forms import FORMS

# Steps of a file that are written again, those on tensors of other sizes counted: what it takes is bounded.
_MOST = 256


_Spelt = tuple[list[tuple[Spelling, Program]], Iterator[tuple[Spelling, Program]]]


class _Written:
    """What is written for steps, for each and the sizes of what it reads once."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        # A file has one way of spelling: that of the step that was found last is tried first.
        self._order = spellings(opset)
        self._known: dict[Candidate, _Spelt] = {}

    def programs(self, candidate: Candidate) -> Iterator[tuple[Spelling, Program]]:
        """The spellings of a step, the first ones without writing them again."""
        key = replace(candidate, reads=())
        if key not in self._known:
            if len(self._known) == _MOST:
                return
            self._known[key] = ([], lowered(candidate, self.opset, tuple(self._order)))
        made, more = self._known[key]
        yield from tuple(made)
        for program in more:
            made.append(program)
            yield program

    def found(self, spelling: Spelling) -> None:
        """Tells how a step is spelt in the file."""
        self._order.sort(key=lambda other: other != spelling)


def with_steps(program: Program) -> None:
    """Puts a node `Step` in the place of each cluster, in place."""
    makers, wanted = program.makers(), set(program.outputs)
    written = _Written(program.opset)
    kept: list[Node] = []
    for node in reversed(program.nodes):
        if wanted.isdisjoint(node.outputs):
            continue  # of a cluster that is a step by now
        found = _step(program, makers, node, written) if node.op in FORMS else None
        kept.append(found or node)
        wanted.update(kept[-1].inputs)
    program.nodes[:] = kept[::-1]


def _step(
    program: Program, makers: Mapping[str, Node], end: Node, written: _Written
) -> Node | None:
    cluster = Cluster(program, makers, end)
    for form in FORMS[end.op]:
        for candidate in form(cluster):
            if candidate is None:
                continue
            for spelling, own in written.programs(candidate):
                pairs = alike(own, program, makers, end.output)
                constants = candidate.constants
                tensors = {
                    f"i{i}": read for i, read in enumerate(candidate.reads) if i not in constants
                }
                # Of what no node reads only the sizes matter, which the step was written for.
                if pairs is None or any(pairs.get(k, read) != read for k, read in tensors.items()):
                    continue
                written.found(spelling)
                shape = own.shapes[own.outputs[0]]
                given = {
                    "head": candidate.head,
                    "given": candidate.given,
                    "rows": (candidate.regions or (0,))[0],
                    "shape": shape,
                    "constants": {
                        i: array.reshape(candidate.sizes[i]) for i, array in constants.items()
                    },
                    "weights": {
                        name.rpartition(".")[2]: program.constants[pairs[name]]
                        for name in (item.name for item in own.inputs[len(tensors) :])
                    },
                }
                program.shapes.setdefault(end.output, shape)
                return replace(end, op="Step", inputs=candidate.reads, attributes=given)
    return None


def step(writer: Writer, node: Node) -> View:
    """The step that a cluster is."""
    constants = node.get("constants")
    views = [
        held(writer, constants[i], writer.batch, name) if i in constants else writer.view(name)
        for i, name in enumerate(node.inputs)
    ]
    wires = [writer.plain(view) for view in views]
    shape = node.get("shape")[1:]
    head, given, weights = (node.get(key) for key in ("head", "given", "weights"))
    wire = writer.step(head, wires, shape, *given, weights=weights)
    return writer.whole(wire, views[node.get("rows")].base[0])


WRITTEN = {"Step": step}
