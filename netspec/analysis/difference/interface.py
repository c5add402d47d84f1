"""What a net gives and what acts in training only: names, and which steps they are of."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.analysis.difference.facts import made_of
from netspec.analysis.difference.pairing import Alignment
from netspec.analysis.difference.record import Change
from netspec.analysis.difference.texts import Text, Texts, extent_of
from netspec.diagnostics.source import Span
from netspec.graph.checked import Head, Output
from netspec.syntax import ast


def outputs(found: Alignment, a: Texts, b: Texts) -> Iterator[Change]:
    """Outputs that came, went, have another name or are of another step."""
    first, second = list(found.a.graph.outputs), list(found.b.graph.outputs)
    for x, y in output_pairs(found):
        if x.name != y.name or not made_of(found, x.value, y.value):
            steps = f"{x.value.node.path} → {y.value.node.path}"
            same = made_of(found, x.value, y.value)
            effects = () if same else (f"output {y.name}: {steps}",)
            yield Change("output", x.name, y.name, _place(b, y), _place(a, x), effects)
        first.remove(x)
        second.remove(y)
    for y in second:
        yield Change("output", "", y.name, _place(b, y))
    for x in first:
        yield Change("output", x.name, "", _place(a, x))


def output_pairs(found: Alignment) -> Iterator[tuple[Output, Output]]:
    """Outputs of one name; of the others those of one step, then those of one place."""
    first, second = list(found.a.graph.outputs), list(found.b.graph.outputs)

    def taken(x: Output, y: Output) -> tuple[Output, Output]:
        first.remove(x)
        second.remove(y)
        return x, y

    names = {output.name: output for output in second}
    yield from [taken(x, names[x.name]) for x in list(first) if x.name in names]
    for x in list(first):
        match = next((y for y in second if made_of(found, x.value, y.value)), None)
        if match is not None:
            yield taken(x, match)
    if len(first) == len(second):
        yield from list(zip(first, second, strict=True))


def heads(found: Alignment, a: Texts, b: Texts) -> Iterator[Change]:
    """Training-only heads that have another name, or whose loss weighs otherwise."""
    theirs = {head.value.node: head for head in found.b.graph.heads}
    for x in found.a.graph.heads:
        y = theirs.get(found.ahead.get(x.value.node))  # type: ignore[arg-type]
        if y is not None and (x.name, x.loss) != (y.name, y.loss):
            old, new = _head(a, x), _head(b, y)
            yield Change("head", _said(x), _said(y), new, old)


def _said(head: Head) -> str:
    return f"head {head.name}(loss={head.loss:g})"


def _head(texts: Texts, head: Head) -> Span:
    span = head.value.node.span
    text = texts.of(span.source)
    step = text.heads.get(extent_of(span))
    around = text.around(step) if step is not None else iter(())
    found = next((item for item in around if isinstance(item, ast.TrainingHead)), None)
    return span if found is None else Span(text.source, *found.extent)


def _place(texts: Texts, output: Output) -> Span:
    """The line that names an output, or else the step that makes it."""
    for text in (texts.main, texts.of(output.value.node.span.source)):
        line = _line(text)
        if line is not None:
            names = dict(line.names)
            return Span(text.source, *names.get(output.name, line.extent))
    return output.value.node.span


def _line(text: Text) -> ast.Output | None:
    return next((item for item in text.file.items if isinstance(item, ast.Output)), None)
