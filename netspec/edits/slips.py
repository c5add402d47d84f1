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
from netspec.edits.loose import loosely, normalises
from netspec.edits.papers import NAME, NOTED, STEP, of_notation, steps_repeated
from netspec.ops.registry import REGISTRY
from netspec.sizes.shapes import image_first
from netspec.syntax.lookalikes import ARROWS, plainly

# One that has a width, which no value does.
_SHORT = rf"{NAME}-\w+(?:/\w+)?(?:\([^()]*\))?"
_SIZE = r"(?:batch|\d+|[A-WYZ][a-wyzA-WYZ]*|-1|\?)"
_INNER = r"(?:[^()]|\([^()]*\))*"
# A word, or a function of values.
_COMPUTED = rf"(?:{NAME}\({_INNER}\)|\w+)"
_MERGES = r"(?:add|concat|sub|mul|div|mean|maximum|minimum)\b"
_SIGNS = {"+": "add", "*": "mul", "-": "sub"}

# What a tensor is called that no step has named: what flows in is meant.
_FLOWING = ("data", "features", "h", "hidden", "input", "inputs", "out", "output", "x", "y")

# A template as `re.Match.expand` takes them, or a function where groups may be missing.
Slip = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _joined(word: str, parts: list[str]) -> str:
    """`concat { | a | b }`."""
    branches = " ".join(f"| {_branch(part)}" for part in parts)
    return f"{layer(word, REGISTRY) or word} {{ {branches} }}".strip()


def _branch(part: str) -> str:
    """A branch, which may be a tensor by its name or calls inside each other of one."""
    if _is_name(part):
        return f"@{part}"
    source, steps = next(chained(part), ("", ""))
    return f"@{source}; {steps}" if source else part


def _named(word: str, names: str) -> str:
    """`concat { | @a | @b }` for names with anything between."""
    return _joined(word, [f"@{name}" for name in re.findall(NAME, names)])


def _called_block(found: re.Match[str]) -> str:
    """`unit 8` of a block; what a layer's numbers are is known."""
    return found[0] if layer(found[1], REGISTRY) else f"{found[1]}({found[2]})"


def _layers_named(found: re.Match[str]) -> str:
    """Layers among values in order, as the arguments that they are likely to be."""
    given = [
        f"{'norm' if normalises(value) else 'act'}={value}" if value in REGISTRY else value
        for value in apart(found[2])
    ]
    return f"{found[1]}({', '.join(given)})"


def _repeated(found: re.Match[str]) -> str:
    return f"{found[4]} x{found[1] or found[2] or found[3]}"


def _times(found: re.Match[str]) -> str:
    step, count = found.groups()
    return f"{step} x{count}" if count.isdigit() else f"{step} x({count})"


def _counted(found: re.Match[str]) -> str:
    """A Python range with both ends."""
    first, last = found["first"], int(found["last"])
    return f"{found['for']} {first}..{last - 1}" if first else f"{found['for']} 1..{last}"


def _counting(found: re.Match[str]) -> str:
    """A `for` with its counts in other signs, or with one of them only."""
    name, first, last, rest = found.groups()
    return f"for {name or 'i'} in {first if last else 1}..{last or first} {rest}"


def _around(found: re.Match[str]) -> str:
    """What a block is put around, in braces."""
    steps = re.split(r"\s*;\s*", "; ".join(apart(found[2])))
    return f"{found[1]} {{ {'; '.join(steps)} }}"


def _separated(found: re.Match[str]) -> str:
    return "; ".join(re.split(r"\s*(?:\|>|[,|])\s*", found[0].strip("| ")))


def _is_name(word: str) -> bool:
    """Whether a word is no step: `conv1` lacks a width, `maxpool2` nothing."""
    return bool(re.fullmatch(NAME, word)) and not layer(word, REGISTRY) and not loosely(word)


def _untyped(found: re.Match[str]) -> str:
    """A block whose parameters have types, before their names or behind them."""
    names = [
        re.sub(rf"(?:{NAME}\s+)?({NAME})\s*(?::\s*\w+\s*)?(=.*)?\Z", r"\1\2", part)
        for part in apart(found[2])
    ]
    return f"{found[1]}{', '.join(names)}{found[3]}"


def _branched(found: re.Match[str]) -> str:
    """`if` and `else` without braces."""
    condition, then, otherwise = found.groups()
    step = f"{condition} {{ {then.strip('; ')} }}"
    return f"{step} else {{ {otherwise.strip()} }}" if otherwise else step


def _forked(found: re.Match[str]) -> str:
    """Branches in braces, with a word before them that is none, or each in braces of its own."""
    word, _, rest = found[1].partition("{")
    inside = re.sub(r"\}[\s,;]*\{", "|", "{" + rest)[1:].strip().removesuffix("}")
    branches = [part.strip() for part in inside.split("|") if part.strip()]
    return _joined(word.strip(), branches).removeprefix(" ") if len(branches) > 1 else found[0]


def _input(found: re.Match[str]) -> str:
    sizes = re.sub(r"None|-1|\?|^\s*(?:batch|B|N)\b", "", found[2])
    given = re.findall(r"\d+|[A-WYZ][a-wyzA-WYZ]*", sizes)
    whole = tuple(map(int, given)) if all(size.isdigit() for size in given) else ()
    if not whole and not given[0].isdigit() and given[-1] in ("1", "3", "4"):
        given = [given[-1], *given[:-1]]
    sizes = "x".join(map(str, image_first(whole) or given))
    return f"input {found[1]}: {sizes}" if found[1] else f"input {sizes}"


def _coloured(found: re.Match[str]) -> str:
    return f"input 3x{found[1] or found[2]}"


def _inputs(found: re.Match[str]) -> str:
    return "; ".join(f"input {part}" for part in apart(found[1]))


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
    (rf"(?!input\b)({NAME})\s+(\d+(?:\s*,\s*\d+)*)", _called_block),
    (rf"({NAME})[\[<]([^\[\]<>]*)[\]>]", r"\1(\2)"),
    (r"(.*?\w[-/])(?=[^a-z]*[a-z])(\w+(?:\s*[-+*/]+\s*\w+)+)", r"\1(\2)"),
    (r"(.*[-/])(\d+)([a-z]\w*)", r"\1(\2*\3)"),
    (rf"(.*?\w[-/])({NAME}\({_INNER}\))(.*)", r"\1(\2)\3"),
    (r"(?:\w+\.)*Activation\(\s*[\"']?(\w+)[\"']?\s*\)", r"\1"),
    (r"(.*\bas\s+|net\s+)(\w+(?:-\w+)+)", lambda m: f"{m[1]}{m[2].replace('-', '_')}"),
    (rf"({_MERGES})\s+(?:with|and|to)\s+@?({NAME})", r"\1 { | identity | @\2 }"),
    (rf"({_MERGES})((?:\s+@?{NAME}){{2,}})", lambda m: _named(m[1], m[2])),
    (rf"({_MERGES})\s*[\s(]\s*({NAME})\)?", r"\1(@\2)"),
    (rf"(?i:act|activation|nonlinearity|norm|normali[sz]ation)\s*[\s:=]\s*\"?({NAME})\"?", r"\1"),
    (r"([a-z_]+)(\d+)-([1357])", r"\1\3-\2"),
    (rf"({NAME}-\w+/\d+)/(\d+)", r"\1(pad=\2)"),
    (
        rf"({NAME}[\w/-]*)\(((?:.*,)?)\s*dropout\s*=\s*([\d.]+)\s*,?(.*)\)",
        lambda m: f"{m[1]}({m[2].rstrip(', ')}{m[4]}); dropout({m[3]})".replace("()", ""),
    ),
    (
        rf"({NAME}[\w/-]*)\(((?:.*,)?)\s*name\s*=\s*\"?({NAME})\"?\s*,?(.*)\)",
        lambda m: f"{m[1]}({m[2].rstrip(', ')}{m[4]}) as {m[3]}".replace("()", ""),
    ),
    # Names, and layers as functions of them.
    (rf"(?!residual\b|(?i:net)\b)({NAME})\s*:\s*({STEP})", r"\2 as \1"),
    (rf"({NAME})\s*:\s*({STEP}(?:\s*;.*)?)", r"\1 { \2 }"),
    (rf"({STEP}|[\w/-]+)\s+\(({NAME})\)", r"\1 as \2"),
    (rf"({STEP}):\s*name\s*[=:]\s*({NAME})", r"\1 as \2"),
    (rf"\+\s*@?({NAME})", r"add(@\1)"),
    (rf"({NAME})\s*([-+*])=\s*@?({NAME})", lambda m: _named(_SIGNS[m[2]], f"{m[1]} {m[3]}")),
    (rf"({NAME})\s*([-+*])\s*({NAME})", lambda m: _named(_SIGNS[m[2]], f"{m[1]} {m[3]}")),
    (rf"(@?{NAME}(?:\s*\+\s*@?{NAME})+)", lambda m: _named("add", m[1])),
    (rf"({NAME})\s+(@{NAME}(?:\s*,\s*@{NAME})*)", r"\1(\2)"),
    (rf"(?!{_MERGES})({NAME}[\w/-]*)\s+(@{NAME})", r"\2; \1"),
    (
        rf"(?:{NAME}\.)*({NAME})\s*(?:\(\s*\))?\(?\s*[\[(]\s*({NAME}(?:\s*,\s*{NAME})+)\s*[\])][^()]*\)?",
        lambda m: _named(m[1], m[2]),
    ),
    (rf"((?:default\s+)?{NAME}[\w/-]*)\((.*)\)", _layers_named),
    (rf"({NAME})\(\s*({_SHORT})\s*\)", r"\1 { \2 }"),
    (rf"({NAME})\((.*,.*)\)", lambda m: _joined(m[1], apart(m[2]))),
    # Declarations.
    (r"output\s+((?:@\w+[\s,]*)+)", lambda m: f"output {m[1].replace('@', '')}"),
    (rf"(?i:net|network|model|name)\s*[:=]?\s*\"?({NAME})\"?", r"net \1"),
    (rf"(net\s+{NAME}(?:\(.*\))?)\s*[:,]?\s*(\".*\")", r"\1; title \2"),
    (rf"({NAME})\s*[:=]\s*(\".*\"|[12]\d\d\d)", r"\1 \2"),
    (r"return\s+(.*)", r"\1"),
    (rf"(?:outputs?|return)\s*:?\s*({NAME}(?:\s*,\s*{NAME})*)", r"output \1"),
    (rf"input\s+({_SIZE}(?:x{_SIZE})+)\s+as\s+({NAME})", r"input \2: \1"),
    (r"(?i:(?:input|image)\s+(?:rgb|colou?r)\s+(\d+x\d+)|input\s+(\d+x\d+)\s+rgb)", _coloured),
    (rf"inputs?\s+({NAME}\s*:\s*[\w?]+(?:\s*,\s*{NAME}\s*:\s*[\w?]+)+)", _inputs),
    (rf"output\s+({STEP})", r"\1"),
    (rf"(block\s+{NAME}\()(.*)(\).*)", _untyped),
    (
        rf"(?:input|image|data|inputs|shape)(?:\s+({NAME})(?=[\s=:(\[]))?\s*[=:]?\s*[(\[]?\s*({_SIZE}(?:(?:\s*[xX×,*]\s*|\s+){_SIZE})+)\s*[)\]]?",
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
    (r"(block\s+[^={:]*?)\s*(?:=|->|=>|:)\s*([^{}]+)", r"\1 { \2 }"),
    (
        r"(?:class|def|define|fn|func|function|layer|macro|module|sub)\s+(\w.*?)\s*:?\s*(\{.*)",
        r"block \1 \2",
    ),
    (rf"(block\s+{NAME})\s*[\[<]([^\[\]<>]*)[\]>](.*)", r"\1(\2)\3"),
    (rf"(block\s+{NAME}\()([^()]*)(\).*)", _untyped),
    (r"(.*[{;|]\s*)return\s+(.*)", r"\1\2"),
    (r"(if\s+.*?)\s*(?:\bthen\b|:)\s*([^{}]+?)(?:[\s;]*\belse\b\s*:?\s*([^{}]+))?", _branched),
    (r"([a-z_]+\d*(?:x\d+)?-)[\[{(]?(\d+(?:\s*,\s*\d+)+)[\]})]?", r"for n in [\2] { \1n }"),
    (r"(?:res|shortcut|skip)(\s*\{.*)", r"residual\1"),
    (rf"({NAME})\(({NAME})\)\s*(\{{.*\}})", r"\1 \3; \2"),
    (r"(default\s.*\))\s*,\s*(?:default\s+)?(.*)", r"\1; default \2"),
    (r"(?:branch|branches|fork|parallel|paths|split|towers)\s*(\{.*)", _forked),
    (r"(\w*\s*(?:\{[^{}|]*\}[\s,;]*){2,})", _forked),
    (rf"({NAME})?\s*\[(.*,.*)\]", lambda m: _joined(m[1] or "", apart(m[2]))),
    (r"(.*?\S)\s+\"([^\"]*)\"", r"\1 # \2"),
    (
        rf"for\s*\(?\s*(?:({NAME})\s*(?:in\b|=|:)?\s*)?(\d+)(?:\s*(?:\.{{2,3}}|:|-|to\b)\s*(\d+))?\s*\)?\s*(?:times\s*)?(\{{.*)",
        _counting,
    ),
    (rf"\|?\s*{STEP}(?:\s*(?:\|>|[,|])\s*{STEP})*\s*\|?", _separated),
    (r"(?P<mark>`+|\*\*|\")([^`*\"]+)(?P=mark)", r"\2"),
    (
        r"(?P<before>)(?:(?P<count>\d+)\s*[x*]?|(?:repeat|loop)\s*\(?\s*(?P<times>\d+)\s*\)?(?:\s*times)?)\s*"
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
    (r"(.*?\w)\(([\d\s;]+)\)(.*)", lambda m: f"{m[1]}({m[2].replace(';', ', ')}){m[3]}"),
    (rf"(.*?\w)\(({_INNER};{_INNER})\)(.*)", r"\1 { \2 }\3"),
    (rf"(residual)\s*[(\[]?\s*({STEP}(?:\s*[,;]\s*{STEP})*)\s*[)\]]?", _around),
)
_ASSIGNED = re.compile(
    rf"(?:self\.)?(?!(?i:act|input|net|norm|residual)\b)({NAME})\s*[:=](?!=)\s*(.*)", re.S
)
_SPREAD = re.compile(rf"({_MERGES})\s*[(\[]")
_NAMED = re.compile(rf"(.*?)(\s+as\s+{NAME})")
_CONSTANT = re.compile(
    rf"(?:(?:const|let|set|var|param)\s+)?({NAME})\s*:?=\s*(-?[\d.]+|\[[^\[\]]*\])"
)
# A net's line, and what stands in its parentheses.
_NET = re.compile(rf"^(net\s+{NAME})(?:\(([^()\n]*)\))?", re.M)
_SEQUENTIAL = re.compile(r"(?:\w+\.)*Sequential\s*\(")
# What stands between layers in figures and tables: arrows, and dashes with spaces around them.
_BETWEEN = re.compile(rf"\s*(?:[-=~─━–—]*[>{ARROWS}]+|\|>)\s*|\s+[-–—]+\s+")
# What figures begin and end with, beside layers.
_ENDS = re.compile(r"(?:inputs?|images?|x|data|outputs?|y|logits)\Z", re.I)
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
    others = dict.fromkeys((plainly(whole), "; ".join(_BETWEEN.split(whole))))
    tables = (*_OF_LINES, *_OF_STATEMENTS)
    typed = (meant for text in others if text != whole for _, _, meant in _meant(tables, text, 0))
    for meant in (*_led(whole), *islice(typed, _MOST)):
        if meant != whole:
            yield indented, indented + len(whole), meant
    first, last = _between(text, at, ";\n{}|")
    statement = text[first:last].partition("#")[0]
    inner = statement.strip()
    offset = first + statement.find(inner)
    if said := loosely(inner):
        yield offset, offset + len(inner), said
    elif said := loosely(whole):
        yield indented, indented + len(whole), said
    before = text[:offset]
    for begin, end, meant in islice(_meant(_OF_STATEMENTS, statement, first), _MOST):
        yield begin, end, _flowing(meant, before)
    called = (_flowing(meant, before) for meant in _called(inner, before))
    for meant in dict.fromkeys(called):
        if meant != inner:
            yield offset, offset + len(inner), meant
    yield from _listed(text, at)
    yield from _spread(text, at)
    yield from _commented(text, at)
    yield from _parameter(text, first, last, inner)


def _called(statement: str, before: str) -> Iterator[str]:
    """A step of another library, or several by calls inside each other, named where it is assigned.

    A tensor that was named `before` is what the first of them reads.
    """
    yield from translated(statement)
    if len(layers := apart(statement)) > 1 and (steps := _steps(layers)):
        yield steps
    assigned = _ASSIGNED.fullmatch(statement)
    if assigned and layer(assigned[1], REGISTRY):
        assigned = None
    value, named = (assigned[2], f" as {assigned[1]}") if assigned else (statement, "")
    if behind := _NAMED.fullmatch(value):
        value, named = behind[1], behind[2]
    for source, steps in chained(value):
        known = source and _is_named(source, before)
        if known or source in ("", *_FLOWING):
            yield (f"@{source}; " if known else "") + steps + named
    if assigned and (said := loosely(value)):
        yield said + named
    if assigned:
        for _, _, meant in _meant(_OF_STATEMENTS, value, 0):
            yield meant + named


def _parameter(text: str, first: int, last: int, statement: str) -> Iterator[Change]:
    """`c = 8`, of a number or a list, as a parameter of the net: on its line, or on one put first."""
    found = _CONSTANT.fullmatch(statement)
    if not found:
        return
    net = _NET.search(text, 0, first)
    start, given = (net.end(), net[2] or "") if net else (0, "")
    given = ", ".join((*filter(None, [given]), f"{found[1]}={found[2]}"))
    line = f"{net[1]}({given})" if net else f"net mine({given})\n"
    between = text[start:first]
    whole = not between or between.endswith("\n")  # the statement has its line to itself
    yield net.start() if net else 0, min(last + whole, len(text)), line + between


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
    known = [list(filter(None, (*ways(part), loosely(part)))) or [part] for part in parts]
    yield from ("; ".join(chosen) for chosen in islice(product(*known), _MOST))
    if parts and _is_name(parts[0]):
        known[0] = [f"@{parts[0]}"]
    if len(parts) > 1 and _is_name(parts[-1]):
        known[-2:] = [[f"{step} as {parts[-1]}" for step in known[-2]]]
    yield from ("; ".join(chosen) for chosen in islice(product(*known), _MOST))


def _listed(text: str, at: int) -> Iterator[Change]:
    """`nn.Sequential(...)` and its like, over lines too: the layers in it as steps."""
    found = _SEQUENTIAL.match(text, at)
    end = closing(text, found.end() - 1) if found else -1
    if not found or end < 0:
        return
    layers = apart(text[found.end() : end].strip().removeprefix("[").removesuffix("]"))
    if steps := _steps(layers):
        yield at, end + 1, steps


def _spread(text: str, at: int) -> Iterator[Change]:
    """`concat(a, b)` over lines: branches in braces."""
    for found in _SPREAD.finditer(text, max(0, at - _LONGEST), at + 1):
        end = closing(text, found.end() - 1)
        if end >= at and "\n" in text[found.end() : end]:
            yield found.start(), end + 1, _joined(found[1], apart(text[found.end() : end]))


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
