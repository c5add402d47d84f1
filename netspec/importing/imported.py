"""A model's file to a spec, its weights and the proof that they are the same net."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from netspec.diagnostics.messages.importing import NoOperator, NoSpec, NoSuchSize, Unreadable
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.graph.loops import loops
from netspec.graph.same import same
from netspec.importing.files.opened import File, open_file
from netspec.importing.files.program import Array, Program
from netspec.importing.files.specialise import OPEN, OTHERS, VOLUME
from netspec.importing.own_sizes import at_own_sizes
from netspec.importing.parts import prove_parts
from netspec.importing.proof import Proof, Run, prove
from netspec.importing.recognise.opening import open_sizes, opened, tries
from netspec.importing.recognise.recognising import Recognised, recognised
from netspec.importing.recognise.unread import Unread, listed, notes
from netspec.importing.structure.find import structured
from netspec.system.atomic import Paths, replacing
from netspec.system.reading import reading
from netspec.weights.sources import given

# Steps that the language refuses before a file is given up.
_MOST_REFUSED = 16


@record(eq=False)
class Imported:
    """A model as a spec: its text, the checked graph of it, and its weights by the text's names.

    `unread` nodes are cut out of the text; `proof` is None where ONNX Runtime does not run a file that has
    any. `nodes` is how many the file has, `held` the sizes that it leaves open and the text does not. `dtype`
    is what the file computes in, `fp32`, `fp16` or `bf16`, and `quantized` whether it does so in eight bits:
    the weights are the numbers that its own stand for.
    """

    text: str
    graph: Graph
    weights: Mapping[str, Array]
    proof: Proof | None
    unread: tuple[Unread, ...]
    nodes: int
    held: tuple[str, ...] = ()
    dtype: str = "fp32"
    quantized: bool = False

    def save_weights(self, path: str | Path, *, keep: Paths = ()) -> None:
        """Writes the weights as safetensors, in the file's `dtype` where it holds them.

        Files of `keep` are not written over.
        """
        from netspec.checkpoints.formats.safetensors import write_safetensors
        from netspec.importing.numbers import numbers

        with replacing(Path(path), keep=keep) as file:
            write_safetensors(file, {n: numbers(a, self.dtype) for n, a in self.weights.items()})


def import_file(
    path: Path,
    *,
    name: str = "",
    partial: bool = False,
    sizes: Mapping[str, int] | None = None,
    run: Run | None = None,
) -> Imported:
    """The ONNX file at `path` as a spec, called after the file or `name`.

    `sizes` are those at which it is read of what it leaves open, by the names that it has for them. `run`
    computes what the file stands for, the file itself by default. Raises NetspecError for a file that
    cannot be read or is not proven, and, unless `partial`, where nodes have no operator.
    """

    def failed(reason: str) -> NetspecError:
        return NetspecError(Unreadable(str(path), reason))

    refused: dict[str, str] = {}
    with reading(failed):
        file = open_file(path)
    while True:
        try:
            return _imported(file, name, partial, sizes, run, refused)
        except _Unbuilt as unbuilt:
            if not unbuilt.source or unbuilt.source in refused or len(refused) == _MOST_REFUSED:
                raise
            refused[unbuilt.source] = unbuilt.reason


def _imported(
    file: File,
    name: str,
    partial: bool,
    sizes: Mapping[str, int] | None,
    run: Run | None,
    refused: Mapping[str, str],
) -> Imported:
    """As `import_file`; the nodes that make `refused` tensors are not read."""
    path = file.path

    def failed(reason: str) -> NetspecError:
        return NetspecError(Unreadable(str(path), reason))

    with reading(failed):
        program = _at_some_size(file, sizes)
        _known(path, program, sizes or {})
        found = recognised(program, _net_name(name or path.stem), refused)
        program, found = at_own_sizes(file, program, found, sizes) or (program, found)
    if found.unread and not (partial and found.wires):
        raise NetspecError(
            NoOperator(len(found.unread), found.nodes, str(path), listed(found.unread))
        )
    if found.unread:
        text, graph, weights = _short(path, found)
        told = "".join(f"{line}\n" for line in notes(found.unread, found.nodes, found.missing))
        proof = prove_parts(path, graph, given(graph, weights), program, found)
        return Imported(
            told + text, graph, weights, proof, found.unread, found.nodes, (), *_precision(program)
        )
    names, read = open_sizes(program), _sizes(program)
    for others in tries(names, next(iter(read.values()), OPEN)):
        with suppress(NetspecError):
            other = file.program(others)
            free = opened(found, recognised(other, found.name), program)
            if free is not None:
                return _proven(path, free, (program, other), run)
    held = tuple(f"{name}={read[name]}" for name in names)
    return _proven(path, found, (program,), run, held)


def _at_some_size(file: File, sizes: Mapping[str, int] | None) -> Program:
    """The file at the usual size of what it leaves open, or at another where it is of no such size."""
    try:
        program = file.program(sizes)
        if any(sum(map(bool, item.symbols[2:])) >= 3 for item in program.inputs):
            with suppress(NetspecError):
                return file.program(sizes, VOLUME)
        return program
    except NetspecError as first:
        names = file.leaves_open()
        many = max(map(len, names), default=0)
        reasons = {str(first)}
        for other in OTHERS[int(many > 1) :] if many else ():
            try:
                return file.program(sizes, other)
            except NetspecError as refusal:
                reasons.add(str(refusal))
        left = list(dict.fromkeys(n for own in names for n in own if n not in (sizes or {})))
        problem = first.diagnostics[0].problem
        # What is refused for the same reason at each size is not refused for its size.
        if left and len(reasons) > 1 and isinstance(problem, Unreadable):
            reason = f"{problem.reason}; {_asked(left)}"
            raise NetspecError(Unreadable(problem.path, reason)) from None
        raise


def _asked(names: Sequence[str]) -> str:
    """How to say at which sizes a file is to be read, where none that were tried is one of its own."""
    given = " ".join(f"--size {printable(name)}=N" for name in names)
    return f"it was tried at {OPEN} and other sizes alike: {given} says at which to read it"


def _sizes(program: Program) -> dict[str, int]:
    """What stands in for the sizes that a program leaves open but for batches, by their names."""
    return {
        name: size
        for item in program.inputs
        for name, size in zip(item.symbols[1:], item.of_sample(program.shapes), strict=False)
        if name
    }


def _known(path: Path, program: Program, sizes: Mapping[str, int]) -> None:
    """Raises NetspecError for sizes of names that the file does not have, or below 1."""
    names = open_sizes(program)
    for name, size in sizes.items():
        if name not in names or size < 1:
            raise NetspecError(NoSuchSize(str(path), f"{name}={size}", ", ".join(names) or "none"))


def _proven(
    path: Path,
    found: Recognised,
    programs: tuple[Program, ...],
    run: Run | None,
    held: tuple[str, ...] = (),
) -> Imported:
    """What was recognised as a short spec, run beside the file as read at each size."""
    text, graph, weights = _short(path, found)
    source = given(graph, weights)
    proof = prove(path, graph, source, programs, found, run)
    precision = _precision(programs[0])
    return Imported(text, graph, weights, proof, (), found.nodes, held, *precision)


def _precision(program: Program) -> tuple[str, bool]:
    """What a file computes in, and whether in eight bits."""
    meant = program.meant
    return ("fp32", False) if meant is None else (meant.dtype, meant.rounded)


def _short(path: Path, found: Recognised) -> tuple[str, Graph, dict[str, Array]]:
    """The short text of a flat one, its graph, and the weights by its names."""
    flat = _flat(path, found)
    # In flat text only recurrences are levels of paths.
    places = {node.name: node.path for node in flat.nodes}
    scopes = {places[step]: tuple(s) for step, s in found.scopes.items() if step in places}
    text = structured(flat, scopes)
    graph = _built(path, text, rolled=True)
    paths = same(flat, graph)
    assert paths is not None, "structured text is checked where it is made"
    # Of steps that share weights, the first in the text has them.
    owners = {node.path: node.owner for node in graph.nodes}
    weights = {}
    for key, array in found.weights.items():
        node, _, own = key.partition(".")
        if places.get(node) in paths:  # what nothing reads is not in the text
            weights[f"{owners[paths[places[node]]]}.{own}"] = array
    if loops(graph):
        graph = _built(path, text)
    return text, graph, weights


class _Unbuilt(NetspecError):
    """A step is refused by the language; `source` is what the file's node makes that it is of."""

    def __init__(self, problem: NoSpec, source: str) -> None:
        super().__init__(problem)
        self.source, self.reason = source, problem.reason


def _flat(path: Path, found: Recognised) -> Graph:
    """The graph of a flat text. Raises NetspecError that knows the step which is refused."""
    try:
        return build(Source(f"<{path.name}>", found.text), rolled=True)
    except NetspecError as refusal:
        first = refusal.diagnostics[0]
        line = found.text.splitlines()[first.span.line - 1] if first.span else ""
        called = line.rpartition(" as ")[2]
        source = next((step.source for step in found.steps if step.name == called), "")
        raise _Unbuilt(NoSpec(str(path), str(first.problem)), source) from None


def _built(path: Path, text: str, *, rolled: bool = False) -> Graph:
    try:
        return build(Source(f"<{path.name}>", text), rolled=rolled)
    except NetspecError as refusal:
        reason = str(refusal.diagnostics[0].problem)
        raise NetspecError(NoSpec(str(path), reason)) from None


def _net_name(stem: str) -> str:
    from netspec.syntax.expected import KEYWORDS

    name = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")[:60]
    if not name or name[0].isdigit() or name.lower() in {word.lower() for word in KEYWORDS}:
        name = f"net_{name}".rstrip("_")
    return name
