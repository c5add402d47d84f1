"""Layers as papers' tables, captions and slides say them in words: `3x3 conv, 64, stride 2`.

A phrase names one layer. What else stands in it is a kernel, a width, a stride, a padding, or what
normalises and activates behind: `7x7 conv, 64 filters, stride 2, with BN and ReLU`. Where a word means
nothing here, nothing is guessed.
"""

from __future__ import annotations

import re

from netspec.diagnostics.suggest import layer
from netspec.edits.foreign import completed, square, written
from netspec.ops.registry import REGISTRY

_OF = r"\s*(?:of|=|:)?\s*"
_COUNTED = (
    r"filters?|(?:output\s*)?channels?|neurons?|units?|nodes?|classes|(?:feature\s*)?maps?|outputs?"
    r"|kernels?|dim(?:s|ensional)?|d|way"
)
# What stands beside the layer: arguments by our names, `first` for a layer's first, `bare` for any.
_PARTS = tuple(
    re.compile(rf"(?:{pattern})(?!\w|\.\d)", re.I)
    for pattern in (
        rf"(?:kernel(?:\s*size)?|window|size|k){_OF}(?P<kernel>\d+(?:\s*x\s*\d+)?)",
        r"(?P<kernel>\d+\s*(?:x|by)\s*\d+)(?:\s*x\s*(?P<width>\d+))?(?:\s*(?:filters?|kernels?))?",
        rf"(?:strides?{_OF}|/\s*s?|s\s*=?\s*)(?P<stride>\d+)",
        rf"(?:(?:zero-?\s*)?pad(?:ding)?{_OF}|p\s*=?\s*)(?P<pad>\d+|same|valid)",
        r"(?P<pad>same|valid)(?:[- ]pad(?:ding)?)?",
        rf"dilation(?:\s*rate)?{_OF}(?P<dilation>\d+)",
        rf"(?:rate|ratio|prob(?:ability)?|slope){_OF}(?P<first>\d*\.?\d+)",
        rf"groups?{_OF}(?P<groups>\d+)",
        r"(?P<groups>\d+)\s*groups?",
        rf"(?P<width>\d+)[\s-]*(?:{_COUNTED})",
        rf"(?:{_COUNTED}|n){_OF}(?P<width>\d+)",
        r"x\s*(?P<factor>\d+)|(?P<bare>\d*\.?\d+)",
        r"(?P<factor>\d+)\s*x",
    )
)
_FILLING = re.compile(
    r"(?:[\s,()&\[\]]|-(?=[A-Za-z])|\+|w/|(?:with|and|of|by|then|an?|the|layers?(?!\s*norm)|followed|dilated|strided)(?!\w))+",
    re.I,
)
# A layer in the language's shorthand, or with its kernel behind it.
_SHORT = re.compile(r"([A-Za-z_]+?)(\d+(?:x\d+)?)?(?:-(\d+))?(?:/(\d+))?(?![\w/]|-\d)")
_WORD, _GAP = re.compile(r"[A-Za-z]+(?:[123][dD])?\.?"), re.compile(r"[\s-]*")
_MOST_WORDS, _LONGEST = 4, 100
# A number alone is a kernel below this, and a width from it on.
_WIDE = 16
# What may be said behind a layer normalises, activates or drops.
_BEHIND = "netspec.ops.elementwise."


def phrased(text: str) -> str:
    """The phrase as steps of the language; empty where it is none."""
    kinds, said, bare = list[str](), dict[str, str](), list[str]()
    at = 0 if len(text) <= _LONGEST else -1
    while 0 <= at < len(text):
        if filling := _FILLING.match(text, at):
            at = filling.end()
        elif part := next((m for p in _PARTS if (m := p.match(text, at))), None):
            given = {name: value for name, value in part.groupdict().items() if value}
            bare += [given.pop("bare")] if "bare" in given else []
            if given.keys() & said.keys():
                return ""
            said |= given
            at = part.end()
        else:
            at = _layer(text, at, kinds, said)
    return _steps(kinds, said, bare) if at >= 0 else ""


def _layer(text: str, at: int, kinds: list[str], said: dict[str, str]) -> int:
    """Adds the layer that is named there, with its shorthand; says where it ends, -1 where there is none."""
    ends, end = list[int](), at
    while len(ends) < _MOST_WORDS and (word := _WORD.match(text, end)):
        ends.append(word.end())
        end = _GAP.match(text, word.end()).end()  # type: ignore[union-attr]
    for stop in reversed(ends):
        name = re.sub(r"[\s.-]", "", text[at:stop])
        if not re.match(r"\w|-\d|/", text[stop:]) and _adds(name, kinds):
            return stop
    short = _SHORT.match(text, at)
    if not short or kinds or said or not _adds(short[1], kinds):
        return -1
    names = ("kernel" if "kernel" in REGISTRY[kinds[0]].params else "width", "width", "stride")
    said |= {name: value for name, value in zip(names, short.groups()[1:], strict=True) if value}
    return short.end()


def _adds(word: str, kinds: list[str]) -> bool:
    kind = layer(word, REGISTRY)
    if kind not in REGISTRY or REGISTRY[kind].joins:
        return False
    kinds.append(REGISTRY[kind].spelling)
    return True


def _steps(kinds: list[str], said: dict[str, str], bare: list[str]) -> str:
    if not kinds and "kernel" in said and ("width" in said or bare):
        kinds = ["conv"]
    if not kinds or any(not REGISTRY[k].__module__.startswith(_BEHIND) for k in kinds[1:]):
        return ""
    known = REGISTRY[kinds[0]].params
    if "first" in said:
        said[_first(kinds[0])] = said.pop("first")
    for number in bare:
        name = _meant(kinds[0], number, said)
        if not name:
            return ""
        said[name] = number
    if kinds[0] == "avgpool" and not said:
        kinds, known = ["gap", *kinds[1:]], {}
    if "pad" in said:
        said["pad"] = said["pad"].lower()
    said = {
        name: square(re.sub(r"\s", "", value.replace("by", "x"))) for name, value in said.items()
    }
    whole = completed(kinds[0], said) if said.keys() <= known.keys() else None
    return "" if whole is None else "; ".join((written(kinds[0], whole), *kinds[1:]))


def _first(kind: str) -> str:
    known = REGISTRY[kind].params
    return "dilation" if "dilation" in known else next(iter(known), "")


def _meant(kind: str, number: str, said: dict[str, str]) -> str:
    """The argument that a number alone is meant as; empty where it is none."""
    known = REGISTRY[kind].params
    if (
        "kernel" in known
        and "kernel" not in said
        and ("width" not in known or int(float(number)) < _WIDE)
    ):
        return "kernel"
    if known.keys() & {"kernel", "width"}:
        return "width" if "width" in known and "width" not in said else ""
    return "" if said or not known or "eps" in known else next(iter(known))
