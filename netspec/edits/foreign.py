"""Steps as PyTorch, Keras, Flax and Caffe call them, in the language's words.

`Conv2d(3, 64, 3, padding=1)` is `conv3-64(pad=1)`: what says how much flows in is left out, a kernel,
a width and a stride take the shorthand. Calls inside each other, `relu(conv(x))`, are steps one behind
another. What has no translation is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice, product

from netspec.diagnostics.suggest import ARGUMENTS, IMPLIED, layer
from netspec.ops.declare.params import MISSING
from netspec.ops.registry import REGISTRY

_CALL = re.compile(
    r"\s*(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*?)(\d+(?:x\d+)*)?(-\w+)?(?:\((.*)\))?\s*\Z", re.S
)

# Arguments, in the order of each library, by our name; `in` is what flows in, and is left out.
_TORCH_CONV = ("in", "width", "kernel", "stride", "pad", "dilation", "groups", "bias")
_KERAS_CONV = ("width", "kernel", "stride", "pad")
_POOL = ("kernel", "stride", "pad")
_RECURRENT = (("in", "width", "layers", "bias"), ("width",))
_ORDERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "conv": (_TORCH_CONV, _KERAS_CONV),
    "deconv": ((*_TORCH_CONV[:5], "output_pad"), _KERAS_CONV),
    "dwconv": (_POOL,),
    **dict.fromkeys(("maxpool", "avgpool"), (_POOL,)),
    "fc": (("in", "width", "bias"), ("width",)),
    **dict.fromkeys(("bn", "instancenorm"), (("in", "eps", "momentum"),)),
    **dict.fromkeys(("layernorm", "rmsnorm"), (("in", "eps"),)),
    "groupnorm": (("groups", "in", "eps"), ("groups",)),
    **dict.fromkeys(("dropout", "droppath"), (("rate",),)),
    "embedding": (("in", "width"),),
    "leaky": (("slope",),),
    **dict.fromkeys(("elu", "celu"), (("alpha",),)),
    **dict.fromkeys(("softmax", "log_softmax", "prelu"), (("in",),)),
    "flatten": (("in", "in"),),
    **dict.fromkeys(("adaptive_avgpool", "adaptive_maxpool"), (("size",),)),
    "upsample": (("factor",),),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), (("factor",),)),
    "pad": (("amount",),),
    "lrn": (("size", "alpha", "beta", "k"),),
    "attention": (("in", "heads"), ("heads",)),
    **dict.fromkeys(("lstm", "gru", "rnn"), _RECURRENT),
}
# Where Keras calls by a name of ours what has another one here.
_OF_KERAS: dict[str, dict[str, str]] = {"upsample": {"size": "factor"}}
# Arguments that are left out, beside those that a message says so of: they have one answer here.
_LEFT_OUT = frozenset({"in", "return_sequences"}) | IMPLIED.keys()
_AT = re.compile(r"[\w.]+(?:\((?:[^()]|\([^()]*\))*\))?")
_USUAL = {"kernel": "3"}
_POOLED = "2"
KERNELS = frozenset({"1", "3", "5", "7", "9", "11"})
VALUES = {"True": "yes", "true": "yes", "False": "no", "false": "no", "None": "none"}
# A name of a tensor, and the word of a call, with the shorthand that may stand in it.
_NAME = re.compile(r"\s*(?:self\.)?([A-Za-z_]\w*)\s*\Z")
_CALLED = re.compile(r"\s*(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:-\w+)?(?:/\w+)?\s*(?=\()")
# A step in our own shorthand.
_OWN = re.compile(r"([a-z_]+)\w*(?:-\w+)?(?:/\w+)?(?:\([^()]*\))?\Z")
# What flows in, in numbers: `16 * 5 * 5`.
_COMPUTED = re.compile(r"[-+*/()\d\s]+")
_DEEPEST = 8
_MOST = 8


def step_at(text: str, at: int) -> str:
    """The step that begins there, with its arguments."""
    found = _AT.match(text, at)
    return found[0] if found else ""


def translated(step: str) -> Iterator[str]:
    """The step in the language's words, in each order that its arguments may have been meant in."""
    found = _CALL.match(step)
    if not found:
        return
    word, digits, width, inside = found.groups()
    whole = f"{word}{digits or ''}"
    kind, known = layer(whole, REGISTRY), dict[str, str]()
    if not kind and digits:  # digits that are no dimension are a kernel
        kind, known = layer(word, REGISTRY), {"kernel": digits}
    if kind not in REGISTRY or REGISTRY[kind].joins:
        if whole.lower() == "identity" and inside == "":
            yield "identity"
        return
    kind = REGISTRY[kind].spelling
    if width:
        known["width"] = width[1:]
    orders = _ORDERS.get(kind, ((),))
    if library := re.search(r"\d([dD])\Z", whole):
        # PyTorch writes Conv2d, Keras Conv2D.
        orders = orders[:1] if library[1] == "d" else orders[-1:]
    meant = []
    renamed = _OF_KERAS.get(kind, {}) if library and library[1] == "D" else {}
    for order in orders:
        said = _said(kind, apart(inside or ""), order, renamed)
        if said is not None and not known.keys() & said.keys():
            meant.append({**known, **said})
    meant = [said for said in meant if not _missing(kind, said)] or (
        [*filter(None, (completed(kind, said) for said in meant))] if word != kind else []
    )
    # Of two orders the one that gives a kernel which nets have.
    usual = [said for said in meant if square(said.get("kernel", "3")) in KERNELS]
    for said in usual or meant:
        yield written(kind, said)


def chained(expression: str) -> Iterator[tuple[str, str]]:
    """The tensor that calls inside each other begin with, or nothing, and the calls as a chain of steps.

    `F.relu(conv3-8(x))` gives `x` and `conv3-8; relu`, `Conv2D(8, 3)(x)` gives `x` and `conv3-8`.
    """
    found = _calls(expression.strip(), _DEEPEST)
    if found is None or not found[1]:
        return
    source, calls = found
    for chosen in islice(product(*map(ways, calls)), _MOST):
        yield source, "; ".join(chosen)


def ways(call: str) -> list[str]:
    """What a step may have been meant as: itself, where no library's word is in it, and translations."""
    own = _OWN.match(call)
    if own and own[1] in REGISTRY and REGISTRY[own[1]].joins:
        return []  # what it joins stands in braces
    kept = [call] if own and not layer(own[1], ()) else []
    return list(dict.fromkeys((*kept, *translated(call))))


def apart(inside: str) -> list[str]:
    """The arguments between the commas that stand in no brackets."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(inside):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append(inside[start:i].strip())
            start = i + 1
    return [part for part in (*parts, inside[start:].strip()) if part]


def closing(text: str, at: int) -> int:
    """Where the bracket at `at` is closed; -1 where it is not."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
    return -1


def _calls(text: str, depth: int) -> tuple[str, list[str]] | None:
    """The tensor that an expression of calls begins with, and the calls, the first to run first."""
    if name := _NAME.match(text):
        return name[1], []
    found = _CALLED.match(text)
    end = closing(text, found.end()) if found and depth else -1
    if not found or end < 0:
        return None
    word, inside, rest = found[0].strip(), text[found.end() + 1 : end], text[end + 1 :].strip()
    if word.endswith(".add") or word == "add":  # a model's layers, one by one
        return _calls(inside, depth - 1) if len(apart(inside)) == 1 else None
    if rest:  # a layer that is called on a tensor
        if rest[0] != "(" or closing(rest, 0) != len(rest) - 1:
            return None
        inner = _calls(rest[1:-1].strip(), depth - 1)
        return inner and (inner[0], [*inner[1], text[: end + 1].strip()])
    arguments = apart(inside)
    first = arguments[0] if arguments else ""
    if _NAME.match(first) or _CALLED.match(first):
        if inner := _calls(first, depth - 1):
            given = ", ".join(arguments[1:])
            return inner[0], [*inner[1], f"{word}({given})" if given else word]
        return None
    return "", [text.strip()]


def _said(
    kind: str, arguments: list[str], order: tuple[str, ...], renamed: Mapping[str, str]
) -> dict[str, str] | None:
    """The arguments by our names; None where one has none."""
    found: dict[str, str] = {}
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not equals:
            if i >= len(order) or (order[i] == "in" and not _COMPUTED.fullmatch(argument)):
                return None
            ours, value = order[i], argument
        else:
            ours = _ours(renamed.get(name.strip(), name.strip()), kind)
        if not ours or (ours in found and ours != "in"):
            return None
        if ours != "in":
            found[ours] = meant_value(value.strip(), ours)
    found.pop("in", None)
    return found


def _ours(name: str, kind: str) -> str:
    """Our name of an argument, `in` of one that is left out, nothing where there is none."""
    known = REGISTRY[kind].params
    if name in known:
        return name
    meant = next((ours for ours in ARGUMENTS.get(name, ()) if ours in known), "")
    return meant or ("in" if name in _LEFT_OUT else "")


def meant_value(value: str, name: str) -> str:
    """What an argument of our name is given, in the language's words."""
    value = value.strip("\"'")
    if name in ("act", "norm"):
        word = value.rpartition(".")[2].removesuffix("()")
        return layer(word, REGISTRY) or VALUES.get(word, word)
    if name in ("factor", "size", "amount"):
        value = square(value)
    return VALUES.get(value, value.lower() if value.isalpha() else value)


def completed(kind: str, said: Mapping[str, str]) -> dict[str, str] | None:
    """The arguments with all that a layer needs; figures leave out a usual kernel. None where others miss."""
    missing = _missing(kind, said)
    if missing <= _USUAL.keys():
        return {**{name: _USUAL[name] for name in missing}, **said}
    return None


def _missing(kind: str, said: Mapping[str, str]) -> set[str]:
    """What a layer needs and nothing was said of."""
    params = REGISTRY[kind].params
    return {name for name, param in params.items() if param.default is MISSING} - said.keys()


def written(kind: str, said: Mapping[str, str]) -> str:
    """A step with these arguments, in its shorthand where there is one."""
    params = REGISTRY[kind].params
    rest = dict(said)
    kernel = square(rest.pop("kernel", ""))
    width, stride = rest.pop("width", ""), square(rest.pop("stride", ""))
    if rest.get("pad") in ("valid", "0"):
        del rest["pad"]
    step = kind + kernel + (f"-{_short(width)}" if width else "")
    # A window that moves by its own size, as a pool's does where nothing is said, needs no stride.
    usual = str(params["stride"].default or kernel or _POOLED) if stride else ""
    if stride != usual:
        step += f"/{stride}"
    first = next(iter(REGISTRY[kind].order), "")
    in_order = [rest.pop(first)] if first in rest else []
    named = (f"{name}={rest[name]}" for name in params if name in rest)
    arguments = ", ".join((*in_order, *named))
    return f"{step}({arguments})" if arguments else step


def square(text: str) -> str:
    """`3` for `(3, 3)` and `3x3`, `1x7` for `(1, 7)`."""
    inside = text.strip("()[]")
    sign = "x" if re.fullmatch(r"\d+x\d+", inside) else ","
    parts = [part.strip() for part in inside.split(sign) if part.strip()]
    return parts[0] if len(set(parts)) == 1 else "x".join(parts)


def _short(value: str) -> str:
    return value if re.fullmatch(r"\w+", value) else f"({value})"
