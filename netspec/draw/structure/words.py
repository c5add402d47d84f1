"""How what a layer is told reads in a picture, as papers write it: `causal attention, 12 heads`.

A value reads by the name of its parameter, whatever the operator. What several values say together,
as the bounds of a `clip`, is a phrase of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.graph.checked import Node

_WORDS = {
    "each": "each step",
    "last": "next step",
    "all": "all steps",
    "maxpool": "max pool",
    "avgpool": "avg pool",
    "lppool": "Lp pool",
    "adaptive_maxpool": "adaptive max pool",
    "adaptive_avgpool": "adaptive avg pool",
    "gap": "global avg pool",
    "gmp": "global max pool",
    "gsp": "global sum pool",
    "roipool": "RoI pool",
    "roialign": "RoI align",
    "layernorm": "layer norm",
    "groupnorm": "group norm",
    "instancenorm": "instance norm",
    "rmsnorm": "RMS norm",
    "l2norm": "L2 norm",
    "droppath": "drop path",
    "log_softmax": "log softmax",
    "unit_bias": "bias per unit",
    "deformconv": "deformable conv",
    "tableconv": "table conv",
    "nms": "NMS",
    "alibi": "ALiBi",
    "leaky": "leaky relu",
}
# Said before the word where they are not the default, as `bilinear upsample`.
_BEFORE: dict[str, Callable[[Any], str]] = {
    "causal": lambda value: "causal",
    "mode": str,
    "bidirectional": lambda value: "bidirectional",
    "layers": lambda value: f"{value}-layer",
}
# Said after a comma; other values that an operator is given by position follow the word itself.
_AFTER: dict[str, Callable[[Any], str]] = {
    "groups": lambda value: counted(value, "group"),
    "dilation": lambda value: f"dilated {number(value)}",
    "fixed": lambda value: "fixed",
    "shift": lambda value: f"shifted {number(value)}",
    "spaced": lambda value: "spaced",
    "axis": lambda value: f"along {value}",
    "by": lambda value: f"into {number(value)}",
    "heads": lambda value: counted(value, "head"),
    "within": lambda value: f"within {value} steps",
    "kv_heads": lambda value: f"{value} for keys",
    "base": lambda value: f"base {number(value)}",
    "scale": lambda value: f"scale {number(value)}",
    "samples": lambda value: counted(value, "sample"),
    "padding": lambda value: f"{value} outside",
    "offset": lambda value: f"from {number(value)}",
    "iou": lambda value: f"IoU {number(value)}",
    "score": lambda value: f"score {number(value)}",
    "most": lambda value: f"at most {value}",
    "drop_path": lambda value: f"drop path {number(value)}",
    "p": lambda value: f"p = {number(value)}",
}
# Rates that grow from layer to layer are no part of what a repeated layer is.
_UNSAID = {"droppath": ("rate",), "unpool": ("kernel",)}
_SIDES = {
    1: (("start", "end"),),
    2: (("top", "bottom"), ("left", "right")),
    3: (("front", "back"), ("top", "bottom"), ("left", "right")),
}
_MOST = 4


def word(node: Node) -> str:
    """The name of an operator, with what is said before it."""
    told = _told(node)
    before = [say(told[name]) for name, say in _BEFORE.items() if name in told]
    return " ".join([*before, plain(node.op.spelling)])


def plain(spelling: str) -> str:
    """The name of an operator as papers write it."""
    return _WORDS.get(spelling, spelling.replace("_", " "))


def said(node: Node) -> tuple[str, list[str]]:
    """What follows the word of a layer, at once and after commas; no kernel, no width."""
    phrase = _PHRASES.get(node.op.spelling)
    if phrase is not None:
        return phrase(node), []
    told = _told(node)
    skipped = ("kernel", "width", "stride", *_BEFORE)
    own = [n for n in node.op.order if n in told and n not in skipped]
    bare = [_listed(told[n]) for n in own if not _is_after(node, n)]
    later = [n for n in own if _is_after(node, n)]
    # `scale` and `shift` and `by` mean something else where they are an operator's first values.
    later += [n for n in _AFTER if n in told and n not in own and n in _EVERYWHERE]
    return ", ".join(bare), [*_stride(node), *(_AFTER[n](told[n]) for n in later)]


def _stride(node: Node) -> list[str]:
    """The stride, where it is not what all read without it: 1, and of a pool of 2 by 2 the 2."""
    values = node.op.__dict__
    if "stride" not in values or node.op.spelling in _UNSAID:
        return []
    kernel, stride = values.get("kernel"), values["stride"]
    pools = node.op.params["stride"].default is None and _flat(kernel) <= {1, 2}
    steps = stride if stride is not None else kernel
    alike = _flat(steps)
    if steps == kernel if pools else alike == {1}:
        return []
    if len(alike) == 1:
        (steps,) = alike
    return [f"/{number(steps)}"]


def _flat(size: Any) -> set[int]:
    return set(size) if isinstance(size, tuple) else {size}


_EVERYWHERE = frozenset(
    {"groups", "dilation", "fixed", "shift", "spaced", "by", "within", "kv_heads", "axis"}
)


def _is_after(node: Node, name: str) -> bool:
    """Whether a value stands after a comma: not the groups or the axis of what is told only that."""
    return name in _AFTER and not (name in ("groups", "axis") and node.op.order == (name,))


def _told(node: Node) -> dict[str, Any]:
    """The parameters of a layer that are not the default, nor empty, in their order."""
    op = node.op
    unsaid = _UNSAID.get(op.spelling, ())
    return {
        name: value
        for name, value in op.__dict__.items()
        if value is not None and value != op.params[name].default and name not in unsaid
    }


# --- values


def number(value: Any) -> str:
    """A number, a word, or sizes: `0.1`, `3×4`."""
    if isinstance(value, tuple):
        return "×".join(map(number, value))
    if isinstance(value, float):
        value = float(f"{value:.4g}")
        text = str(int(value)) if value.is_integer() and abs(value) < 1e6 else f"{value:g}"
        return text.replace("-", "−")
    return str(value).replace("-", "−") if isinstance(value, int) else str(value)


def counted(count: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _listed(value: Any) -> str:
    """Sizes, or few values in a row, or how many they are."""
    if not isinstance(value, tuple) or all(isinstance(item, int) and item > 0 for item in value):
        return number(value)
    return _row(value)


def _row(values: tuple[Any, ...]) -> str:
    return ", ".join(map(number, values)) if len(values) <= _MOST else f"{len(values)} of them"


# --- phrases


def _line(node: Node) -> str:
    """factor * x + shift."""
    factor, shift = node.op.__dict__["factor"], node.op.__dict__["shift"]
    added = f" {'−' if shift < 0 else '+'} {number(abs(shift))}" if shift else ""
    if not added:
        return f"× {number(factor)}"
    times = "" if factor == 1 else "−" if factor == -1 else f"{number(factor)}"
    return f"{times}x{added}"


def _tanh(node: Node) -> str:
    scale, slope = node.op.__dict__["scale"], node.op.__dict__["slope"]
    if (scale, slope) == (1.0, 1.0):
        return ""
    return f"{number(scale)} tanh({'' if slope == 1 else f'{number(slope)} '}x)"


def _bounds(node: Node) -> str:
    low, high = node.op.__dict__["low"], node.op.__dict__["high"]
    if node.op.spelling == "hardtanh" and (low, high) == (-1.0, 1.0):
        return ""
    if low is None or high is None:
        return f"≥ {number(low)}" if high is None else f"≤ {number(high)}"
    return f"to {number(low)} … {number(high)}"


def _piece(node: Node) -> str:
    told = node.op.__dict__
    end = "" if told["end"] is None else number(told["end"])
    step = "" if told["step"] == 1 else f":{told['step']}"
    axis = "" if told["axis"] == "channels" else f" of {told['axis']}"
    return f"{number(told['start'])}:{end}{step}{axis}"


def _border(node: Node) -> str:
    """What is put around a map or cut off, by side where the sides differ."""
    told = node.op.__dict__
    start = [f"from {number(told['offset'])}"] if told.get("offset") is not None else []
    if told.get("size") is not None:
        return " ".join([f"to {number(told['size'])}", *start])
    amount = told["amount"]
    if amount is None:
        return "".join(start)
    pairs = amount if isinstance(amount, tuple) else (amount,)
    if len(node.input_types[0].spatial) == 1 and len(pairs) == 2:
        # Of one axis the two are its sides.
        pairs = (pairs,)
    if all(not isinstance(pair, tuple) or pair[0] == pair[1] for pair in pairs):
        sizes = [pair[0] if isinstance(pair, tuple) else pair for pair in pairs]
        return number(tuple(sizes) if len(set(sizes)) > 1 else sizes[0])
    sides = _SIDES[len(node.input_types[0].spatial)]
    both = [pair if isinstance(pair, tuple) else (pair, pair) for pair in pairs]
    named = zip(sides, both, strict=True)
    found = [
        f"{side} {n}" for names, pair in named for side, n in zip(names, pair, strict=True) if n
    ]
    return ", ".join(found)


def _grown(node: Node) -> str:
    told = node.op.__dict__
    if told.get("factor") is not None:
        # Not ×2, which says that there are two.
        return f"by {number(told['factor'])}"
    return f"to {number(told['size'])}" if told.get("size") is not None else ""


def _constant(node: Node) -> str:
    value = getattr(node.op.__dict__["value"], "value", None)
    sizes = number(tuple(node.types[0].shape))
    return f"{number(value)}, {sizes}" if isinstance(value, int | float) else sizes


def _parts(node: Node) -> str:
    sizes = node.op.__dict__["sizes"]
    return f"into {node.op.__dict__['parts'] or ', '.join(map(str, sizes))}"


def _axes(node: Node) -> str:
    axes = node.op.__dict__["axes"]
    return f"({', '.join(map(str, axes))})" if axes else ""


def _over(node: Node) -> str:
    over = _told(node).get("over")
    return f"over the {over} axis" if over == "last" else f"over {over}" if over else ""


def _of_channels(node: Node) -> str:
    return f"{node.op.__dict__['take']} over channels"


def _ranked(node: Node) -> str:
    told = node.op.__dict__
    return f"{'top' if told['largest'] else 'lowest'} {told['count']}"


def _shrunk(node: Node) -> str:
    return f"/{number(node.op.__dict__['factor'])}"


def _step(node: Node) -> str:
    step, offset = node.op.__dict__["step"], node.op.__dict__["offset"]
    start = f" from {number(offset)}" if offset not in (0, None) else ""
    return f"/{number(step)}{start}"


_PHRASES: dict[str, Callable[[Node], str]] = {
    "scaled": _line,
    "tanh": _tanh,
    "clip": _bounds,
    "hardtanh": _bounds,
    "slice": _piece,
    "pad": _border,
    "crop": _border,
    "upsample": _grown,
    "pixel_shuffle": _grown,
    "pixel_unshuffle": _shrunk,
    "constant": _constant,
    "split": _parts,
    "transpose": _axes,
    "softmax": _over,
    "log_softmax": _over,
    "over_channels": _of_channels,
    "topk": _ranked,
    "subsample": _step,
}
# Phrases that say what is done without the operator's word.
WHOLE = frozenset({"scaled", "tanh", "over_channels", "topk"})
