"""Edits of whole statements: what is written elsewhere, in the language's words.

A slip is a pattern of a statement, or of a line, and what was meant by it. Several may fit; each is
tried, and only what checks is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice, product

from netspec.diagnostics.records import Diagnostic, Problem
from netspec.diagnostics.source import Change
from netspec.diagnostics.suggest import layer
from netspec.edits.foreign import apart, chained, closing, translated, ways
from netspec.edits.papers import NAME, NOTED, STEP, of_notation, steps_repeated
from netspec.edits.phrases import phrased
from netspec.ops.registry import REGISTRY
from netspec.sizes.shapes import image_first
from netspec.syntax.lookalikes import ARROWS, plainly

# One that has a width, which no value does.
_SHORT = rf"{NAME}-\w+(?:/\w+)?(?:\([^()]*\))?"
_SIZE = r"(?:\d+|[A-WYZ][a-wyzA-WYZ]*|-1|\?)"
_INNER = r"(?:[^()]|\([^()]*\))*"
# A word, or a function of values.
_COMPUTED = rf"(?:{NAME}\({_INNER}\)|\w+)"
_MERGES = r"(?:add|concat|sub|mul|div|mean|maximum|minimum)\b"
_SIGNS = {"+": "add", "*": "mul", "-": "sub"}

# A template as `re.Match.expand` takes them, or a function where groups may be missing.
Slip = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _joined(word: str, parts: list[str]) -> str:
    """`concat { | a | b }`."""
    return (
        f"{layer(word, REGISTRY) or word} {{ {' '.join(f'| {part}' for part in parts)} }}".strip()
    )


def _named(word: str, names: str) -> str:
    """`concat { | @a | @b }` for names with anything between."""
    return _joined(word, [f"@{name}" for name in re.findall(NAME, names)])


def _arguments(found: re.Match[str]) -> str:
    pairs = re.findall(rf"({NAME})\s*=\s*([\w.]+)", found[2])
    return f"{found[1]}({', '.join(f'{name}={value}' for name, value in pairs)})"


def _repeated(found: re.Match[str]) -> str:
    return f"{found[4]} x{found[1] or found[2] or found[3]}"


def _times(found: re.Match[str]) -> str:
    step, count = found.groups()
    return f"{step} x{count}" if count.isdigit() else f"{step} x({count})"


def _counted(found: re.Match[str]) -> str:
    """A Python range with both ends."""
    first, last = found["first"], int(found["last"])
    return f"{found['for']} {first}..{last - 1}" if first else f"{found['for']} 1..{last}"


def _separated(found: re.Match[str]) -> str:
    return "; ".join(re.split(r"\s*(?:\|>|[,|])\s*", found[0].strip("| ")))


def _input(found: re.Match[str]) -> str:
    given = re.findall(r"\d+|[A-WYZ][a-wyzA-WYZ]*", re.sub(r"None|-1|\?", "", found[2]))
    whole = tuple(map(int, given)) if all(size.isdigit() for size in given) else ()
    if not whole and not given[0].isdigit() and given[-1] in ("1", "3", "4"):
        given = [given[-1], *given[:-1]]
    sizes = "x".join(map(str, image_first(whole) or given))
    return f"input {found[1]}: {sizes}" if found[1] else f"input {sizes}"


def _input_layer(found: re.Match[str]) -> str:
    sizes = tuple(map(int, re.findall(r"\d+", found[1])))
    return "input " + "x".join(map(str, image_first(sizes) or sizes))


def _known(*slips: tuple[str, str | Callable[[re.Match[str]], str]]) -> tuple[Slip, ...]:
    return tuple((re.compile(rf"(?:{pattern})\Z"), meant) for pattern, meant in slips)


# On one statement, which ends at `;`, a newline or a brace.
_OF_STATEMENTS = _known(
    (r"(.*?),", r"\1"),
    # Repeats.
    (rf"(?:x(\d+)|(\d+)\s*x|(\d+)\s*\*)\s*({STEP})", _repeated),
    (rf"({STEP})\s*(?:\*|\bx)\s*({_COMPUTED}(?:\s*[-+*/%]+\s*{_COMPUTED})*)", _times),
    (r"([a-z_]+\d*-\d+)x(\d+)", r"\1 x\2"),
    (rf"(?:repeat|loop)\(\s*(\d+)\s*,\s*({STEP})\s*\)", r"\2 x\1"),
    (r"(?:repeat|loop)\s+(\d+)", r"for i in 1..\1"),
    (
        rf"(?P<for>for\s+{NAME}\s+in)\s+range\((?:(?P<first>\d+)\s*,\s*)?(?P<last>\d+)\)",
        _counted,
    ),
    # Kernel, width, stride and padding.
    (rf"(?:{NOTED})(?:\s*-\s*(?:{NOTED}))*", of_notation),
    (r"([a-z_]+)-(\d+)-(\d+)(.*)", r"\1\2-\3\4"),
    (r"([a-z_]+?)(\d+)(\(.*\))?", lambda m: f"{m[1]}-{m[2]}{m[3] or ''}"),
    (rf"({NAME}(?:-\w+)?(?:/\w+)?)((?:-[a-z]+)+)", lambda m: f"{m[1]}{m[2].replace('-', '; ')}"),
    (r"(.*[-/])(\d+)([a-z]\w*)", r"\1(\2*\3)"),
    (rf"(.*?\w[-/])({NAME}\({_INNER}\))(.*)", r"\1(\2)\3"),
    (r"(?:\w+\.)*Activation\(\s*[\"']?(\w+)[\"']?\s*\)", r"\1"),
    (r"(.*\bas\s+|net\s+)(\w+(?:-\w+)+)", lambda m: f"{m[1]}{m[2].replace('-', '_')}"),
    (rf"({_MERGES})\s+(?:with|and|to)\s+@?({NAME})", r"\1 { | identity | @\2 }"),
    (rf"({_MERGES})((?:\s+@?{NAME}){{2,}})", lambda m: _named(m[1], m[2])),
    (r"([a-z_]+)(\d+)-([1357])", r"\1\3-\2"),
    (rf"({NAME}-\w+/\d+)/(\d+)", r"\1(pad=\2)"),
    (rf"({NAME})-(\d*\.\d+)", r"\1(\2)"),
    (rf"({STEP})((?:[,\s]+{NAME}\s*=\s*[\w.]+)+)", _arguments),
    (
        rf"({NAME}[\w/-]*)\(((?:.*,)?)\s*dropout\s*=\s*([\d.]+)\s*,?(.*)\)",
        lambda m: f"{m[1]}({m[2].rstrip(', ')}{m[4]}); dropout({m[3]})".replace("()", ""),
    ),
    # Names, and layers as functions of them.
    (rf"({NAME})\s*:\s*({STEP})", r"\2 as \1"),
    (rf"({NAME})\s*([-+*])=\s*@?({NAME})", lambda m: _named(_SIGNS[m[2]], f"{m[1]} {m[3]}")),
    (rf"({NAME})\s*([-+*])\s*({NAME})", lambda m: _named(_SIGNS[m[2]], f"{m[1]} {m[3]}")),
    (rf"(@?{NAME}(?:\s*\+\s*@?{NAME})+)", lambda m: _named("add", m[1])),
    (rf"({STEP})\s*\+\s*({STEP})", r"\1; \2"),
    (rf"({NAME})\s+(@{NAME}(?:\s*,\s*@{NAME})*)", r"\1(\2)"),
    (
        rf"(?:{NAME}\.)*({NAME})\s*(?:\(\s*\))?\(?\s*[\[(]\s*({NAME}(?:\s*,\s*{NAME})+)\s*[\])][^()]*\)?",
        lambda m: _named(m[1], m[2]),
    ),
    (rf"({NAME})\((\d+)\s*,\s*({NAME})\)", r"\1-\2(act=\3)"),
    (rf"({NAME})\(\s*({_SHORT})\s*\)", r"\1 { \2 }"),
    (rf"({NAME})\((.*,.*)\)", lambda m: _joined(m[1], apart(m[2]))),
    # Declarations.
    (r"output\s+((?:@\w+[\s,]*)+)", lambda m: f"output {m[1].replace('@', '')}"),
    (r"def\s+(.*)", r"block \1"),
    (
        rf"input(?:\s+({NAME})(?=[\s=:(\[]))?\s*[=:]?\s*[(\[]?\s*({_SIZE}(?:(?:\s*[xX×,*]\s*|\s+){_SIZE})+)\s*[)\]]?",
        _input,
    ),
    (r"Input\(.*?(\d+(?:\s*,\s*\d+)+).*", _input_layer),
)
# On the whole line.
_OF_LINES = _known(
    (r"(?:\d+[.)]|[-*•▪◦‣]|>+)\s+([A-Za-z].*)", r"\1"),
    (r"(.*?)//(.*)", r"\1#\2"),
    (r"\"\"(?P<quoted>\"?)\s*(.*?)\s*\"\"(?P=quoted)", r"# \2"),
    (r"(.*?)/\*(.*?)\s*\*/\s*", r"\1#\2"),
    (r"(.*?)--(\s.*)", r"\1#\2"),
    (r"(block\s+[^={]*?)\s*(?:=|->|=>|:)\s*\{(.*)", r"\1 {\2"),
    (r".*?(?:->|=>|>>).*", lambda m: re.sub(r"\s*(?:->|=>|>>)\s*", "; ", m[0])),
    (rf"\|?\s*{STEP}(?:\s*(?:\|>|[,|])\s*{STEP})*\s*\|?", _separated),
    (r"(?P<mark>`+|\*\*|\")([^`*\"]+)(?P=mark)", r"\2"),
    (
        r"(?P<before>)(?:(?P<count>\d+)\s*[x*]?|(?:repeat|loop)\s*\(?\s*(?P<times>\d+)\s*\)?)\s*"
        r"[\[{](?P<steps>[^\[\]{}|]*)[\]}](?P<after>.*)",
        steps_repeated,
    ),
    (
        r"(?P<before>.*?)(?:\[|(?<!\w)\{|(?<!\S)\()(?P<steps>[^\[\]{}|]*)[\]})]\s*[x*×]\s*(?P<count>\d+)"
        r"(?P<times>)(?P<after>.*)",
        steps_repeated,
    ),
    (
        rf"(?P<for>for\s+{NAME}\s+in)\s+(?:range\((?:(?P<first>\d+)\s*,\s*)?(?P<last>\d+)\)|[^:]*?)"
        rf"\s*:\s*(?P<body>\S.*)",
        lambda m: f"{_counted(m) if m['last'] else m[0].partition(':')[0]} {{ {m['body']} }}",
    ),
    (rf"(.*\}})\s*\+\s*({STEP})", r"\1; \2"),
    (r"(.*[-/])\{(\w+)\}(.*)", r"\1\2\3"),
    (
        rf"(block\s+{NAME})((?:\s+{NAME})+)\s*(\{{.*)",
        lambda m: f"{m[1]}({', '.join(m[2].split())}) {m[3]}",
    ),
    (r"(.*?\})\s*elif\b(.*)", r"\1 else if\2"),
    (
        rf"(.*?)\{{\s*({NAME}(?:\s*[|,]\s*{NAME})+)\s*\}}(.*)",
        lambda m: f"{m[1]}{_named('', m[2])}{m[3]}",
    ),
    (r"(.*?)\{\s*([^|{}\s][^{}]*\|[^{}]*)\}(.*)", r"\1{ | \2}\3"),
    (r"(.*?)\{\s*([^|{}]*,[^|{}]*)\}(.*)", lambda m: f"{m[1]}{_joined('', apart(m[2]))}{m[3]}"),
    (rf"(.*?\w)\(({_INNER};{_INNER})\)(.*)", r"\1 { \2 }\3"),
)
_ASSIGNED = re.compile(rf"(?:self\.)?({NAME})\s*=(?!=)\s*(.*)", re.S)
_SEQUENTIAL = re.compile(r"(?:\w+\.)*Sequential\s*\(")
# What a tensor is called that no step has named: what flows in is meant.
_FLOWING = ("data", "features", "h", "hidden", "input", "inputs", "out", "output", "x", "y")
# What stands between layers in figures and tables: arrows, and dashes with spaces around them.
_BETWEEN = re.compile(rf"\s*(?:[-=~─━–—]*[>{ARROWS}]+|\|>)\s*|\s+[-–—]+\s+")
# What figures begin and end with, beside layers.
_ENDS = re.compile(r"(?:inputs?|images?|x|data|outputs?|y|logits)\Z", re.I)
_NAMED = re.compile(rf"(?P<name>{NAME})\s*:\s*(?P<layer>.*)")
_READ = re.compile(rf"\| @({'|'.join(_FLOWING)})\b")
_LONGEST = 400
_MOST = 8


def slips(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """What the statement, or the line, at a mistake may have been meant as."""
    assert item.span is not None
    at = item.span.start
    start, end = _between(text, at, "\n")
    line = text[start:end].partition("#")[0]
    if len(line) > _LONGEST:
        return
    yield from islice(_meant(_OF_LINES, line, start), _MOST)
    indented, whole = start + len(line) - len(line.lstrip()), line.strip()
    plain = plainly(whole)
    known = (*_OF_LINES, *_OF_STATEMENTS) if plain != whole else ()
    typed = (meant for _, _, meant in _meant(known, plain, 0))
    for meant in (*_led(whole), *_phrases(plain), *islice(typed, _MOST)):
        yield indented, indented + len(whole), meant
    first, last = _between(text, at, ";\n{}|")
    statement = text[first:last].partition("#")[0]
    inner = statement.strip()
    offset = first + statement.find(inner)
    before = text[:offset]
    for begin, end, meant in islice(_meant(_OF_STATEMENTS, statement, first), _MOST):
        yield begin, end, _flowing(meant, before)
    called = (_flowing(meant, before) for meant in _called(inner, before))
    for meant in dict.fromkeys((*called, *_phrases(plainly(inner)))):
        if meant != inner:
            yield offset, offset + len(inner), meant
    yield from _listed(text, at)
    yield from _commented(text, at)


def _called(statement: str, before: str) -> Iterator[str]:
    """A step of another library, or several by calls inside each other, named where it is assigned.

    A tensor that was named `before` is what the first of them reads.
    """
    yield from translated(statement)
    if len(layers := apart(statement)) > 1 and (steps := _steps(layers)):
        yield steps
    assigned = _ASSIGNED.fullmatch(statement)
    value, named = (assigned[2], f" as {assigned[1]}") if assigned else (statement, "")
    for source, steps in chained(value):
        known = source and _is_named(source, before)
        if known or source in ("", *_FLOWING):
            yield (f"@{source}; " if known else "") + steps + named
    if assigned:
        for _, _, meant in _meant(_OF_STATEMENTS, value, 0):
            yield meant + named


def _is_named(tensor: str, before: str) -> bool:
    """Whether a text names a tensor."""
    named = rf"(?:\bas\b[^;\n]*?\b|\binput\s+|(?:\A|[;\n])\s*){tensor}\b(?=\s*(?:[;\n:=,#]|\Z))"
    return re.search(named, before) is not None


def _flowing(meant: str, before: str) -> str:
    """A merge that reads what flows in where it reads `x`, and no step before has that name."""
    return _READ.sub(lambda m: m[0] if _is_named(m[1], before) else "| identity", meant)


def _led(line: str) -> Iterator[str]:
    """Layers with arrows between them, or dashes, as steps one behind another."""
    parts = [plainly(part) for part in _BETWEEN.split(line)]
    if len(parts) < 2:
        return
    parts = parts[bool(_ENDS.match(parts[0])) : len(parts) - bool(_ENDS.match(parts[-1]))]
    for chosen in islice(product(*(_ways(part) or [part] for part in parts)), _MOST):
        yield "; ".join(chosen)


def _phrases(line: str) -> Iterator[str]:
    """A line of layers in words: one, maybe behind its name, or several behind commas."""
    named = _NAMED.fullmatch(line)
    if meant := phrased(named["layer"] if named else line):
        yield f"{meant} as {named['name']}" if named else meant
        return
    steps = [phrased(part) for part in re.split(r"\s*[,;]\s*", line.strip(" ,;"))]
    if len(steps) > 1 and all(steps):
        yield "; ".join(steps)


def _ways(part: str) -> list[str]:
    """What a layer of a figure may be: a step, a call of another library, or a phrase."""
    return list(dict.fromkeys((*ways(part), *filter(None, [phrased(part)]))))


def _listed(text: str, at: int) -> Iterator[Change]:
    """`nn.Sequential(...)` and its like, over lines too: the layers in it as steps."""
    found = _SEQUENTIAL.match(text, at)
    end = closing(text, found.end() - 1) if found else -1
    if not found or end < 0:
        return
    layers = apart(text[found.end() : end].strip().removeprefix("[").removesuffix("]"))
    if steps := _steps(layers):
        yield at, end + 1, steps


def _steps(layers: list[str]) -> str:
    """Layers of another library as steps, one behind another; empty where one of them is none."""
    steps = [next(chained(item), ("", ""))[1] for item in layers]
    return "; ".join(steps) if all(steps) else ""


def _commented(text: str, at: int) -> Iterator[Change]:
    """`/* ... */` over several lines as lines that are comments."""
    opening = text.find("/*", at - 1, at + 2)
    end = text.find("*/", at) if opening >= 0 else -1
    if opening < 0 or end < 0 or "\n" not in text[opening:end]:
        return
    lines = text[opening + 2 : end].strip().splitlines()
    yield opening, end + 2, "\n".join(f"# {line.strip(' *')}".rstrip() for line in lines)


def _meant(known: tuple[Slip, ...], text: str, start: int) -> Iterator[Change]:
    inner = text.strip()
    offset = start + text.find(inner)
    for pattern, rewrite in known:
        if found := pattern.match(inner):
            meant = found.expand(rewrite) if isinstance(rewrite, str) else rewrite(found)
            if meant != inner:
                yield offset, offset + len(inner), meant


def _between(text: str, at: int, marks: str) -> tuple[int, int]:
    start = max(text.rfind(mark, 0, at) for mark in marks) + 1
    ends = [end for end in (text.find(mark, at) for mark in marks) if end >= 0]
    return start, max(start, min(ends, default=len(text)))
