"""The naming schemes: each a way in which some library, or somebody, calls the same layers."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

from support.generated_layers import Group, Layer, Node, layers
from support.generated_names import (
    ALONE,
    GROUPED,
    TIMM,
    TORCH,
    Labels,
    Scheme,
    counted,
    foreign,
    letters,
    positions,
    worded,
)
from support.generated_order import Place

NAMES = (
    "torch_flat torch_nested sequential timm keras caffe foreign letters grouped words"
).split()
MODULES = ("stem stage unit branch shortcut se attn mlp head tower").split()
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth last"
).split()
# The roles that names give away.
SIDES = frozenset(["shortcut"])
GATED = SIDES | {"gate", "up"}


def scheme(name: str, random: Random) -> Scheme:
    """A scheme with its random details."""
    if name == "torch_nested":
        stages = random.choice(["layer", "layer", "layers.", "stage", "encoder.layer."])
        head = random.choice([("head",), ()])  # the last layers may be the net's own
        table = TORCH | {"stage": stages}
        return Scheme(name, _torch(table), inlined=("stem", *head), telling=GATED,
                      attention=random.choice(["in_proj", "joined", "apart"]))  # fmt: skip
    if name == "timm":
        norm = random.choice(["bn", "norm"])
        table = TIMM | {"bn": norm, "ln": "norm", "rms": "norm"}
        return Scheme(name, _timm(table), telling=SIDES)
    if name == "sequential":
        return Scheme(name, _sequential, inlined=("stem",))
    if name == "letters":
        return Scheme(name, letters)
    if name == "foreign":
        return Scheme(name, foreign(random))
    if name == "grouped":
        return Scheme(name, worded(GROUPED, ALONE), telling=SIDES, by_kind=GROUPED)
    if name == "words":
        return Scheme(name, words, telling=GATED, attention="apart")
    if name == "caffe":
        return Scheme(name, _caffe, _caffe_name)
    if name == "keras" and random.random() < 0.5:
        return Scheme(name, _keras, _keras_name, telling=SIDES, attention="apart", keras=True)
    return Scheme(name, lambda block, run, order: [""] * len(order), inlined=tuple(MODULES),
                  attention="apart" if name == "keras" else "joined", keras=name == "keras")  # fmt: skip


def _torch(table: dict[str, str]) -> Labels:
    plain = worded(table, ALONE)
    gates = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
    norms = {"input_norm": "input_layernorm", "post_norm": "post_attention_layernorm"}

    def label(block: Group, run: list[Node], order: list[Node]) -> list[str]:
        roles = [member.role for member in order]
        if "gate" in roles:
            return [gates[role] for role in roles]
        named = plain(block, run, order)
        if any(m.kind == "mlp" for m in order) and any(m.kind == "rms" for m in order):
            named = [norms.get(role, old) for role, old in zip(roles, named, strict=True)]
        return named

    return label


def _timm(table: dict[str, str]) -> Labels:
    alone = set((ALONE + " conv bn conv_dw conv_pw").split())

    def label(block: Group, run: list[Node], order: list[Node]) -> list[str]:
        separable = any(member.kind == "dwconv" for member in order)

        def base(node: Node) -> str:
            if isinstance(node, Layer) and node.kind in ("conv", "dwconv") and separable:
                return "conv_dw" if node.depthwise else "conv_pw"
            return table[node.kind]

        return counted(run, order, base, alone)

    return label


def _sequential(block: Group, run: list[Node], order: list[Node]) -> list[str]:
    numbers = positions(block, run, order)
    if block.kind != "net":
        return numbers
    return [
        "classifier" if m.kind == "head" else f"features.{number}"
        for m, number in zip(order, numbers, strict=True)
    ]


WORDS = {
    "conv": "conv", "dwconv": "depthwise", "bn": "norm", "ln": "norm", "rms": "norm",
    "linear": "linear", "attention": "!", "stage": "stage", "unit": "block", "branch": "branch",
    "shortcut": "shortcut", "se": "excite", "attn": "attention", "mlp": "feedforward",
    "head": "head", "tower": "tower", "stem": "stem",
}  # fmt: skip


def words(block: Group, run: list[Node], order: list[Node]) -> list[str]:
    """Roles where they have a word, else ordinals: no numbers."""
    roles = Counter(m.role for m in order if isinstance(m, Layer))
    meant = {"input_norm", "post_norm", "gate", "up", "down", "transition"}
    table = {id(m): WORDS[m.kind] for m in order}
    labels = counted(run, order, lambda m: table[id(m)], set(WORDS.values()))
    found = []
    for member, label in zip(order, labels, strict=True):
        if isinstance(member, Layer) and member.role in meant and roles[member.role] == 1:
            found.append(member.role)
            continue
        match = re.fullmatch(r"(\D+)(\d+)", label)
        found.append(f"{ORDINALS[int(match[2]) - 1]}_{match[1]}" if match else label)
    return found


def _keras(block: Group, run: list[Node], order: list[Node]) -> list[str]:
    """`conv2_block1_1_conv`, its norm `conv2_block1_1_bn`, the shortcut's `conv2_block1_0_conv`."""
    table = {"stage": "conv", "unit": "block", "stem": "stem!", "head": "top!", "shortcut": "skip!",
             "se": "se!", "attn": "attn", "mlp": "mlp", "branch": "branch", "tower": "tower",
             "conv": "conv", "dwconv": "conv", "bn": "bn", "ln": "ln", "rms": "ln",
             "linear": "dense", "attention": "!"}  # fmt: skip
    labels = counted(run, order, lambda m: table[m.kind])
    return [re.sub(r"\A(conv|bn)(\d+)\Z", r"\2_\1", label) if isinstance(m, Layer) else label
            for m, label in zip(order, labels, strict=True)]  # fmt: skip


def _keras_name(place: Place) -> str:
    return "_".join(filter(None, place.labels))


def _caffe(block: Group, run: list[Node], order: list[Node]) -> list[str]:
    """Units are `2a`, `2b`; in them `branch2a`, with the shortcut at `branch1`."""
    if block.kind == "stage":
        return [chr(97 + i) for i in range(len(order))]
    table = {"stage": "", "stem": "1!", "head": "6!", "shortcut": "1!", "branch": "", "tower": "p",
             "se": "se!", "attn": "at", "mlp": "ml"}  # fmt: skip
    shortcut = [i for i, m in enumerate(order) if m.kind == "shortcut"]
    if shortcut and shortcut[0]:
        # Its number agrees with its place, unless its shape says what it is.
        own = {layer.shapes for layer in layers(order[shortcut[0]]) if not layer.norm}
        others = {m.shapes for m in order if isinstance(m, Layer)}
        table["shortcut"] = "3!" if own & others else "1!"
    kinds = {"conv": "res", "dwconv": "res", "bn": "bn", "ln": "ln", "rms": "ln", "linear": "fc"}
    kinds |= {"attention": "at", "unit": "u"}
    labels = counted(run, order, lambda m: table.get(m.kind, f"{kinds.get(m.kind)}:"))
    shown = []
    for member, label in zip(order, labels, strict=True):
        if isinstance(member, Layer):
            kind, number = label.split(":")
            label = f"{kind}:{chr(96 + int(number))}"
        elif member.kind in ("stage", "branch"):
            label = str(int(label) + (2 if member.kind == "stage" else 3))
        shown.append(label.replace(":", "") if isinstance(member, Group) else label)
    return shown


def _caffe_name(place: Place) -> str:
    around, last = list(place.labels[:-1]), place.labels[-1]
    kind, _, letter = last.partition(":")
    tower = around.pop(0) if around and around[0].startswith("p") else ""
    if len(around) == 2 and around[0].isdigit():  # directly in a unit
        around.append("2")
    unit = len(around) > 2
    kind = "conv" if kind == "res" and not unit else kind
    spelt = "".join(around[:2]) + ("_branch" + "".join(around[2:]) if unit else "_")
    return f"{kind}{spelt}{letter}" + (f"_{tower}" if tower else "")


def flat_names(name: str, found: list[Place], random: Random) -> list[str]:
    """Names by kind and number alone, in the order of definition."""
    table = {
        "torch_flat": {"conv": "conv", "dwconv": "conv", "bn": "bn", "ln": "norm", "rms": "norm",
                       "linear": "fc", "attention": "attn"},
        "keras": {"conv": "conv2d", "dwconv": "depthwise_conv2d", "bn": "batch_normalization",
                  "ln": "layer_normalization", "rms": "rms_normalization", "linear": "dense",
                  "attention": "multi_head_attention"},
    }[name]  # fmt: skip
    seen: Counter[str] = Counter()
    start = random.choice([0, 0, 9, 13]) if name == "keras" else 1
    names = []
    for place in found:
        word = table[place.layer.kind]
        number = seen[word] + start
        seen[word] += 1
        label = f"{word}_{number}" if name == "keras" else f"{word}{number}"
        names.append(label if number else word)
    total = seen["fc"]
    return ["fc" if label == "fc1" and total == 1 else label for label in names]
