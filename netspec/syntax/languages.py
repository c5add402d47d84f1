"""Texts of other languages: a module of Python or a Caffe net is one mistake, not one on each line."""

from __future__ import annotations

import re

from netspec.diagnostics.messages.syntax import OtherLanguage

# What a text of the language has, of which two are seen in it, and how what it says is written here.
_LANGUAGES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "a module of Python",
        (
            r"^(?:import|from)\s+(?:torch|tensorflow|keras|flax|jax|numpy)\b",
            r"^class\s+\w+\s*(?:\(.*\))?\s*:",
            r"^[ \t]*def\s+\w+\(.*\)[^:\n]*:",
            r"^[ \t]*return\b",
            r"\bself\.\w+\s*[=(]",
            r"\bsuper\(",
            r"^[ \t]*\w+\.add\(",
            r"^[ \t]*\w+\s*=\s*(?:[\w.]*\.)?Sequential\(",
        ),
        "`nn.Conv2d(3, 64, 3, padding=1)` is the step `conv3-64(pad=1)`, and steps follow one another; "
        "`netspec import` reads the exported model",
    ),
    (
        "a net of Caffe",
        (
            r"^[ \t]*layers?\s*\{",
            r"^[ \t]*(?:bottom|top)\s*:\s*\"",
            r"^[ \t]*type\s*:\s*\"?\w+\"?",
            r"\bnum_output\s*:",
            r"\b\w+_param\s*\{",
        ),
        "a layer `Convolution` of `num_output: 20 kernel_size: 5` is the step `conv5-20`, and steps "
        "follow one another",
    ),
    (
        "a configuration of Darknet",
        (
            r"^\[(?:net|network)\]",
            r"^\[(?:convolutional|maxpool|route|shortcut|upsample|yolo|region|connected|softmax|avgpool)\]",
            r"^(?:filters|activation|batch_normalize|size)\s*=",
        ),
        "`[convolutional]` of `filters=32`, `size=3`, `stride=2` is the step `conv3-32/2(pad=1)`, and steps "
        "follow one another",
    ),
    (
        "YAML",
        (
            r"^\w+\s*:\s*(?:#.*)?$",
            r"^\w+\s*:\s*[\d\[]",
            r"^[ \t]*-\s*\[",
            r"^[ \t]*-\s*\w+\s*:",
        ),
        "a row `[-1, 2, Conv, [64, 3, 2]]` is the step `conv3-64/2(pad=1) x2`, and a row that reads others "
        "begins with their names: `concat { | @a | @b }`",
    ),
    (
        "JSON",
        (r"\A\s*[{\[]\s*[\"{\[]", r"^[ \t]*\"\w+\"\s*:", r"[}\]][ \t]*\n?\Z"),
        "a net is written as steps, one after another: `conv3-64; relu`",
    ),
)
# How much of a text is looked at.
_LOOKED_AT = 20_000


def other_language(text: str) -> OtherLanguage | None:
    """What a text that could not be read is written in, where that is plain."""
    seen = text[:_LOOKED_AT]
    for name, patterns, advice in _LANGUAGES:
        if sum(bool(re.search(pattern, seen, re.M)) for pattern in patterns) > 1:
            return OtherLanguage(name, advice)
    return None
