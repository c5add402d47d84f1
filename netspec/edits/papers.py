"""Steps as tables of papers write them, `3x3 conv, 64, stride 2`, and several of them repeated."""

from __future__ import annotations

import re

from netspec.diagnostics.suggest import layer
from netspec.edits.foreign import square
from netspec.ops.registry import REGISTRY

NAME = r"[A-Za-z_]\w*"
# A step: a head with its shorthand, and parentheses without others inside.
STEP = rf"{NAME}(?:-\w+)?(?:/\w+)?(?:\([^()]*\))?"
# A step as tables of papers write it: what its kernel is of, its width, its stride.
PAPER = re.compile(
    r"(\d+x\d+)\s*([A-Za-z]\w*(?:\s(?!stride)[A-Za-z]+)?)?\s*,?\s*(\d+)?(?:\s*,?\s*(?:/|stride\s*|s)(\d+))?",
)
_WHOLE = re.compile(STEP)


def of_paper(found: re.Match[str]) -> str:
    """`7x7 conv, 64, stride 2`, and `3x3, 64`, as tables of papers write them."""
    kernel, words, width, stride = found.groups()
    kind = layer((words or "conv").replace(" ", ""), REGISTRY) or words
    step = f"{kind}{square(kernel)}" + (f"-{width}" if width else "")
    return step + (f"/{stride}" if stride else "")


def steps_repeated(found: re.Match[str]) -> str:
    """`[a; b] x 2`, and what else repeats several steps, as `for i in 1..2 { a; b }`."""
    steps = []
    for part in re.split(r"\s*[;\n]\s*", found["steps"].strip()):
        paper = PAPER.fullmatch(part)
        steps.append(of_paper(paper) if paper else part)
    count = found["count"] or found["times"]
    if len(steps) == 1 and _WHOLE.fullmatch(steps[0]):
        return f"{found['before']}{steps[0]} x{count}{found['after']}"
    return f"{found['before']}for i in 1..{count} {{ {'; '.join(steps)} }}{found['after']}"
