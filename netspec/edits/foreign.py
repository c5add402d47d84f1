"""Steps as PyTorch, Keras and Caffe call them, in the language's words.

`Conv2d(3, 64, 3, padding=1)` is `conv3-64(pad=1)`: what says how much flows in is left out, a kernel,
a width and a stride take the shorthand. What has no translation is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_CALL = re.compile(
    r"\s*(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*?)(\d+(?:x\d+)*)?(-\w+)?\((.*)\)\s*\Z", re.S
)

# Arguments, in the order of each library, by our name; `in` is what flows in, and is left out.
_TORCH_CONV = ("in", "width", "kernel", "stride", "pad", "dilation", "groups", "bias")
_KERAS_CONV = ("width", "kernel", "stride", "pad")
_POOL = ("kernel", "stride", "pad")
_ORDERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "conv": (_TORCH_CONV, _KERAS_CONV),
    "deconv": ((*_TORCH_CONV[:5], "output_pad"), _KERAS_CONV),
    "maxpool": (_POOL,),
    "avgpool": (_POOL,),
    "fc": (("in", "width", "bias"), ("width",)),
    "bn": (("in", "eps", "momentum"),),
    "layernorm": (("in", "eps"),),
    "dropout": (("rate",),),
    "embedding": (("in", "width"),),
    **dict.fromkeys(("relu", "sigmoid", "tanh", "softmax", "flatten", "gap", "gmp"), ((),)),
}
_WORDS = {
    **dict.fromkeys(("conv", "conv1d", "conv2d", "conv3d", "convolution"), "conv"),
    **dict.fromkeys(("convolution2d", "convolution1d", "convolution3d"), "conv"),
    **{f"convtranspose{d}": "deconv" for d in ("1d", "2d", "3d", "")},
    **{f"conv{d}transpose": "deconv" for d in ("1d", "2d", "3d")},
    **{f"max{pool}{d}": "maxpool" for pool in ("pool", "pooling") for d in ("1d", "2d", "3d", "")},
    **{f"avg{pool}{d}": "avgpool" for pool in ("pool", "pooling") for d in ("1d", "2d", "3d", "")},
    **{f"averagepool{end}": "avgpool" for end in ("", "ing", "ing1d", "ing2d", "ing3d")},
    **dict.fromkeys(("fc", "linear", "dense", "innerproduct", "fullyconnected"), "fc"),
    **{f"batchnorm{d}": "bn" for d in ("1d", "2d", "3d", "", "alization")},
    **{"bn": "bn", "layernorm": "layernorm", "layernormalization": "layernorm"},
    **{f"dropout{d}": "dropout" for d in ("", "1d", "2d", "3d")},
    **{f"globalaveragepooling{d}": "gap" for d in ("1d", "2d", "3d", "")},
    **{f"globalmaxpooling{d}": "gmp" for d in ("1d", "2d", "3d", "")},
    **{word: word for word in ("embedding", "relu", "sigmoid", "tanh", "softmax", "flatten")},
}
_NAMES = {
    **{"in_channels": "in", "in_features": "in", "num_features": "in", "input_dim": "in"},
    **{"normalized_shape": "in", "num_embeddings": "in", "input_shape": "in"},
    **{"out_channels": "width", "out_features": "width", "filters": "width", "units": "width"},
    **{"num_output": "width", "embedding_dim": "width", "width": "width"},
    **{"kernel_size": "kernel", "pool_size": "kernel", "kernel": "kernel"},
    **{"strides": "stride", "stride": "stride", "padding": "pad", "pad": "pad"},
    **{"dilation": "dilation", "dilation_rate": "dilation", "groups": "groups", "group": "groups"},
    **{"output_padding": "output_pad", "bias": "bias", "use_bias": "bias", "bias_term": "bias"},
    **{"activation": "act", "act": "act", "p": "rate", "rate": "rate", "eps": "eps"},
    **{"epsilon": "eps", "momentum": "momentum", "norm": "norm"},
    # What is said of no step, or has one answer here.
    **dict.fromkeys(("inplace", "name", "dim", "axis", "trainable", "data_format"), "in"),
}
_AT = re.compile(r"[\w.]+(?:\((?:[^()]|\([^()]*\))*\))?")
_KERNELS = frozenset({"1", "3", "5", "7", "9", "11"})
_VALUES = {"True": "yes", "true": "yes", "False": "no", "false": "no", "None": "none"}


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
    kind = _WORDS.get(f"{word}{digits or ''}".lower().replace("_", ""))
    known: dict[str, str] = {}
    if kind is None:  # digits that are no dimension are a kernel
        kind = _WORDS.get(word.lower().replace("_", ""))
        known = {"kernel": digits} if digits else {}
    if width:
        known["width"] = width[1:]
    if kind is None:
        return
    orders = _ORDERS[kind]
    if library := re.search(r"\d([dD])\Z", f"{word}{digits or ''}"):
        # PyTorch writes Conv2d, Keras Conv2D.
        orders = orders[:1] if library[1] == "d" else orders[-1:]
    meant = []
    for order in orders:
        said = _said(apart(inside), order)
        if said is not None and not known.keys() & said.keys():
            meant.append({**known, **said})
    # Of two orders the one that gives a kernel which nets have.
    usual = [said for said in meant if _sizes(said.get("kernel", "3")) in _KERNELS]
    for said in usual or meant:
        yield _written(kind, said)


def apart(inside: str) -> list[str]:
    """The arguments between the commas that stand in no brackets."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(inside):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append(inside[start:i].strip())
            start = i + 1
    return [part for part in (*parts, inside[start:].strip()) if part]


def _said(arguments: list[str], order: tuple[str, ...]) -> dict[str, str] | None:
    """The arguments by our names; None where one has none."""
    found: dict[str, str] = {}
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not equals:
            if i >= len(order) or (order[i] == "in" and not argument.isdigit()):
                return None
            ours, value = order[i], argument
        else:
            ours = _NAMES.get(name.strip(), "")
        if not ours or ours in found:
            return None
        if ours != "in":
            value = value.strip().strip("\"'")
            found[ours] = _VALUES.get(value, value.lower() if value.isalpha() else value)
    return found


def _written(kind: str, said: Mapping[str, str]) -> str:
    rest = dict(said)
    kernel = _sizes(rest.pop("kernel", ""))
    width, stride = rest.pop("width", ""), _sizes(rest.pop("stride", ""))
    if rest.get("pad") in ("valid", "0"):
        del rest["pad"]
    step = kind + kernel + (f"-{_short(width)}" if width else "")
    if stride and stride != "1" and not (kind.endswith("pool") and stride == kernel):
        step += f"/{stride}"
    if kind == "dropout" and "rate" in rest:
        return f"{step}({rest['rate']})"
    arguments = ", ".join(f"{name}={value}" for name, value in rest.items())
    return f"{step}({arguments})" if arguments else step


def _sizes(text: str) -> str:
    """`3` for `(3, 3)`, `1x7` for `(1, 7)`."""
    parts = [part.strip() for part in text.strip("()[]").split(",") if part.strip()]
    return parts[0] if len(set(parts)) == 1 else "x".join(parts)


def _short(value: str) -> str:
    return value if re.fullmatch(r"\w+", value) else f"({value})"
