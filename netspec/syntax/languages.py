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
            r"^[ \t]*\w+\s*=\s*(?:F|gluon|hk|jax|keras|L|layers|mx|nn|nnx|slim|tf|torch)\.[\w.]+\(",
            r"[(,]\s*(?:data|inputs|name|scope)\s*=\s*[\"'\w]",
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
        "LaTeX",
        (
            r"\\(?:begin|end)\{",
            r"\\(?:times|cdot|left|right|hline|toprule|midrule|text\w+|mathrm|multirow)(?![a-zA-Z])",
            r"\$[^$\n]+\$",
            r"(?<!\\)&[^&\n]*(?<!\\)(?:&|\\\\)",
        ),
        "`$3\\times3$, 64, stride 2` is the step `conv3-64/2`, and a matrix of rows `$\\times 3$` is a "
        "repeat: `for i in 1..3 { conv1-64; conv3-64 }`",
    ),
    (
        "a drawing in TikZ",
        (
            r"\\pic\s*\[",
            r"\{\s*(?:Box|RightBandedBox|Ball)\s*=\s*\{",
            r"\\(?:draw|node|path|fill)\b",
            r"\bat\s*\([\w.-]+\)",
            r"^[ \t]*to_\w+\(",
        ),
        "a picture is made of the steps: write `conv3-64; maxpool2`, and `netspec draw net.ns --style "
        "volumes` draws them as slabs",
    ),
    (
        "a table of Markdown",
        (
            r"^[ \t]*\|.*\|[ \t]*$",
            r"^[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*\|",
            r"\A(?:.*\n)?[ \t]*\|[^\n|]+\|[^\n|]+\|[ \t]*\n[ \t]*\|[^\n|]+\|[^\n|]+\|",
        ),
        "each row is a step: `| conv1 | 7x7, 64, stride 2 |` is `conv7-64/2 as conv1`",
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
# Languages none of whose lines are a slip of ours: one mistake is enough to ask for them.
_APART = frozenset({"LaTeX", "a drawing in TikZ", "a table of Markdown"})
# Mistakes from which on a text may be one that slips can lead to as well.
_FOREIGN = 2
# How much of a text is looked at.
_LOOKED_AT = 20_000


def other_language(text: str, mistakes: int) -> OtherLanguage | None:
    """What a text that could not be read, and has so many mistakes, is written in, where that is plain."""
    seen = text[:_LOOKED_AT]
    for name, patterns, advice in _LANGUAGES if mistakes else ():
        if mistakes < _FOREIGN and name not in _APART:
            continue
        if sum(bool(re.search(pattern, seen, re.M)) for pattern in patterns) > 1:
            return OtherLanguage(name, advice)
    return None
