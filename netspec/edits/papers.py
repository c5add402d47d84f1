"""Steps as papers abbreviate them, `64C3-MP2`, and several of them repeated."""

from __future__ import annotations

import re

from netspec.edits.loose import loosely

NAME = r"[A-Za-z_]\w*"
# A step: a head with its shorthand, and parentheses without others inside.
STEP = rf"{NAME}(?:-\w+)?(?:/\w+)?(?:\([^()]*\))?"
# Layers as papers' texts abbreviate them: SRGAN's, CycleGAN's, pix2pix's, those of Ciresan's committees.
_NOTATIONS: tuple[tuple[str, str], ...] = (
    (r"k(\d+)n(\d+)s1", r"conv\1-\2(pad=same)"),
    (r"k(\d+)n(\d+)s(\d+)", r"conv\1-\2/\3(pad=same)"),
    (r"c(\d+)s1-(\d+)", r"conv\1-\2(pad=same)"),
    (r"c(\d+)s(\d+)-(\d+)", r"conv\1-\3/\2(pad=same)"),
    (r"d(\d+)", r"conv3-\1/2(pad=1)"),
    (r"u(\d+)", r"deconv3-\1/2(pad=1, output_pad=1)"),
    (r"R(\d+)", r"residual { conv3-\1(pad=1); conv3-\1(pad=1) }"),
    (r"CD?(\d+)", r"conv4-\1/2(pad=1)"),
    (r"(\d+)C(\d+)", r"conv\2-\1"),
    (r"M?P(\d+)", r"maxpool\1"),
    (r"AP(\d+)", r"avgpool\1"),
    (r"(\d+)N", r"fc-\1"),
    (r"FC(\d+)", r"fc-\1"),
)
NOTED = "|".join(re.sub(r"\((?!\?)", "(?:", pattern) for pattern, _ in _NOTATIONS)
_WHOLE = re.compile(STEP)


def of_notation(found: re.Match[str]) -> str:
    """`C64-C128` and `32C3-MP2-10N` as steps, one behind another."""
    return "; ".join(map(_noted, re.findall(NOTED, found[0])))


def _noted(word: str) -> str:
    return next(
        known.expand(step) for pattern, step in _NOTATIONS if (known := re.fullmatch(pattern, word))
    )


def steps_repeated(found: re.Match[str]) -> str:
    """`[a; b] x 2`, and what else repeats several steps, as `for i in 1..2 { a; b }`."""
    steps = []
    for part in re.split(r"\s*[;\n]\s*", found["steps"].strip()):
        steps.append(part if _WHOLE.fullmatch(part) else loosely(part) or part)
    count = found["count"] or found["times"]
    if len(steps) == 1 and _WHOLE.fullmatch(steps[0]):
        return f"{found['before']}{steps[0]} x{count}{found['after']}"
    return f"{found['before']}for i in 1..{count} {{ {'; '.join(steps)} }}{found['after']}"
