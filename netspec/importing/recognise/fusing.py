"""Groups of nodes that are one operator: what exporters write out, and what only a neighbour says.

Each rule is a pattern, what it becomes and, where that depends on more, a function that gives the node's
attributes or None where the pattern means something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from typing import Any

import numpy as np

from netspec.foundation.records import record
from netspec.importing.files.program import Node, Program
from netspec.importing.recognise.attending import attended
from netspec.importing.recognise.cutting import cropped, twice
from netspec.importing.recognise.neighbours import FORMS, response
from netspec.importing.recognise.patterns import Match, Tree, matches, parsed, scalar
from netspec.importing.recognise.rules.bins import binned, both
from netspec.importing.recognise.rules.choosing import ones
from netspec.importing.recognise.rules.pixels import unshuffled
from netspec.importing.recognise.rules.stacking import STACKED, stacked
from netspec.importing.recognise.rules.unpooling import FORM as COUNTED
from netspec.importing.recognise.rules.unpooling import counted
from netspec.importing.recognise.rules.wrapping import wrapped
from netspec.importing.recognise.turning import rotated

Given = Callable[[Match, "Fusing"], "dict[str, Any] | None"]


@record(eq=False)
class Rule:
    """A pattern, the operator it becomes, which of its letters that reads, and how its attributes follow."""

    tree: Tree
    op: str
    reads: tuple[str, ...]
    given: Given


class Fusing:
    """The nodes of a program with groups in the place of what they are made of.

    What makes one of `apart` is left as it is.
    """

    def __init__(self, program: Program, apart: Set[str] = frozenset()) -> None:
        self.program, self.apart = program, apart
        self.constants, self.shapes = program.constants, program.shapes
        self.makers: dict[str, Node] = {}
        # Which tensors are made after which.
        self.rank: dict[str, int] = {}
        self.nodes: list[Node] = []
        self.turnings: dict[object, dict[str, Any] | None] = {}
        # How often each tensor is read, before anything is fused.
        self.reads = Counter(name for node in program.nodes for name in node.inputs)
        self.reads.update(program.outputs)

    def run(self) -> frozenset[str]:
        """Fuses in place, the first nodes first, so that groups are made of groups; what these make."""
        groups: set[str] = set()
        for original in self.program.nodes:
            node = original
            self.rank |= dict.fromkeys(node.outputs, len(self.rank))
            while (fused := self._fused(node)) is not None:
                node = fused
                groups.add(node.output)
            self.nodes.append(node)
            self.makers |= dict.fromkeys(filter(None, node.outputs), node)
        self.program.nodes[:] = self.nodes
        self.program.nodes[:] = self.program.used()
        return frozenset(groups)

    def alone(self, match: Match) -> bool:
        """Whether what a group makes on the way to its output is read in it alone, once."""
        return all(self.reads[node.output] == 1 for node in match.nodes[1:])

    def scalar(self, name: str) -> float | None:
        """The value of a constant of one element."""
        return scalar(name, self.constants)

    def _fused(self, node: Node) -> Node | None:
        self.makers |= dict.fromkeys(filter(None, node.outputs), node)
        if node.output in self.apart:
            return None
        if node.op == "MatMul":
            found = attended(node, self.makers, self.constants, self.shapes, self.program.integers)
            if found is not None:
                return found
        turned = rotated(node, self.makers, self.rank, self.constants, self.shapes, self.turnings)
        if turned is not None:
            return turned
        if node.op == "Concat":
            joined = unshuffled(node, self.makers, self.shapes)
            joined = joined or wrapped(node, self.makers, self.shapes)
            if joined is not None:
                return joined
        if node.op in STACKED and (several := stacked(node, self.makers, self.shapes)):
            return several
        for rule in _RULES.get(node.op, ()):
            for match in matches(rule.tree, node.output, self.makers, self.constants, Match()):
                given = rule.given(match, self)
                if given is not None:
                    reads = tuple(match.tensors[letter] for letter in rule.reads)
                    return Node(rule.op, reads, node.outputs, given, node.name, node.scopes)
        return None


def _nothing(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    return {}


def _fixed(**given: Any) -> Given:
    return lambda match, fusing: dict(given)


def _hard(low: float, high: float) -> Given:
    def given(match: Match, fusing: Fusing) -> dict[str, Any] | None:
        clip = match.node("Clip")
        bounds = (clip.get("min", -np.inf), clip.get("max", np.inf))
        return {"alpha": 1 / 6, "beta": 0.5} if bounds == (low, high) else None

    return given


def _usual(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    gate = match.node("HardSigmoid")
    given = (np.float32(gate.get("alpha", 0.2)), np.float32(gate.get("beta", 0.5)))
    return {} if given == (np.float32(1 / 6), np.float32(0.5)) else None


def _over_last(match: Match, fusing: Fusing) -> tuple[int, float] | None:
    """The axis that a written-out normalisation is along, and what it adds."""
    eps = fusing.scalar(match.tensors["$e"])
    shape = fusing.shapes.get(match.tensors["x"])
    if eps is None or shape is None:
        return None
    perm = _turned(match, len(shape))
    axes = {
        tuple(
            perm.index(a % len(shape))
            if perm and match.tensors["x"] in n.inputs
            else a % len(shape)
            for a in n.get("axes", ())
        )
        for n in match.nodes
        if n.op == "ReduceMean"
    }
    found = axes.pop()
    return (found[0], eps) if len(found) == 1 and not axes else None


def _turned(match: Match, rank: int) -> tuple[int, ...]:
    """How the axes of what a written-out normalisation centres are put in another order; () if not."""
    turned = [n for n in match.nodes if n.op == "Transpose"]
    return tuple(turned[0].get("perm") or reversed(range(rank))) if turned else ()


def _norm(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    found = _over_last(match, fusing)
    if found is None or not all(n.get("keepdims", 1) for n in match.nodes if n.op == "ReduceMean"):
        return None
    if any(n.op == "Pow" and fusing.scalar(n.inputs[1]) != 2 for n in match.nodes):
        return None
    perm = _turned(match, len(fusing.shapes[match.tensors["x"]]))
    return {"axis": found[0], "epsilon": found[1]} | ({"perm": perm} if perm else {})


def _centred(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    """A layer normalisation of what was centred along the same axis is one of what that was made of."""
    norm, mean = match.nodes[0], match.node("ReduceMean")
    rank = len(fusing.shapes.get(match.tensors["x"], ()))
    if not rank:
        return None
    axis = norm.get("axis", -1) % rank
    turned = [n for n in match.nodes if n.op == "Transpose"]
    if turned:
        perm = turned[0].get("perm") or tuple(reversed(range(rank)))
        if tuple(a % rank for a in mean.get("axes", ())) != perm[axis:] or axis != rank - 1:
            return None
        return {**norm.attributes, "perm": perm}
    if tuple(a % rank for a in mean.get("axes", ())) != tuple(range(axis, rank)):
        return None
    return dict(norm.attributes)


def _affine(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    """Scales and shifts of a normalisation along its axis."""
    norm = next(n for n in match.nodes if n.op in ("Normal", "RootMeanSquare", "NormalScaled"))
    rank, axis = len(fusing.shapes.get(match.tensors["x"], ())), norm.get("axis")
    perm = norm.get("perm") or tuple(range(rank))
    for letter in ("$w", "$b"):
        if letter in match.tensors:
            shape = fusing.constants[match.tensors[letter]].shape
            size = fusing.shapes[match.tensors["x"]][perm[axis]]
            wanted = (1,) * axis + (size,) + (1,) * (rank - axis - 1)
            if ((1,) * rank + shape)[-rank:] != wanted:
                return None
    return dict(norm.attributes)


def _scaled_bias(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    """What is added to each channel of a convolution or linear layer is its bias."""
    layer = match.nodes[1]
    bias, shape = fusing.constants[match.tensors["$b"]], fusing.shapes.get(layer.output)
    if shape is None or (bias.size == 1 and shape[-1 if layer.op == "Linear" else 1] != 1):
        return None
    rank = len(shape)
    axis = rank - 1 if layer.op == "Linear" else 1
    wanted = tuple(shape[i] if i == axis else 1 for i in range(rank))
    if ((1,) * rank + bias.shape)[-rank:] != wanted or bias.ndim > rank:
        return None
    return dict(layer.attributes)


def _binned(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    return binned(match, fusing.constants, fusing.shapes) if fusing.alone(match) else None


def _both_binned(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    return both(match) if fusing.alone(match) else None


def _ones(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    return ones(match, fusing.constants, fusing.shapes)


def _counted(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    return counted(match, fusing.makers, fusing.constants, fusing.shapes)


def _twice(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    return twice(match, fusing.shapes) if fusing.alone(match) else None


def _cut(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    return cropped(match, fusing.shapes) if fusing.alone(match) else None


def _gemm(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    node = match.nodes[0]
    if node.get("alpha", 1.0) != 1 or node.get("beta", 1.0) != 1 or node.get("transA", 0):
        return None
    return {"turned": int(node.get("transB", 0))}


def _matrix(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    return {"turned": 0} if fusing.constants[match.tensors["$w"]].ndim == 2 else None


def _padded(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    """A window over what was padded with what it pads itself is one of wider padding."""
    window, pad = match.nodes[0], match.node("Pad")
    amounts = pad.get("pads", ())
    if pad.get("mode", "constant") != "constant" or len(amounts) % 2 or pad.get("axes"):
        return None
    rank = len(amounts) // 2 - 2
    outer = (*amounts[:2], *amounts[rank + 2 : rank + 4])
    value = pad.get("value", 0.0)
    value = value[0] if isinstance(value, tuple) and value else value
    if rank < 1 or any(outer) or min(amounts) < 0:
        return None
    if window.get("auto_pad", "NOTSET") not in ("", "NOTSET"):
        return None
    own = window.get("pads", (0,) * (2 * rank))
    if window.op == "MaxPool" and (value > -3e38 or not any(amounts)):
        return None
    if window.op != "MaxPool" and value != 0:
        return None
    given = dict(window.attributes)
    if window.op == "AveragePool":
        if any(own) and not window.get("count_include_pad", 0):
            return None
        given["count_include_pad"] = 1
    sides = (*amounts[2 : rank + 2], *amounts[rank + 4 :])
    return {**given, "pads": tuple(a + b for a, b in zip(own, sides, strict=True))}


def _groups(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    """An instance normalisation of channels put together in groups."""
    norm, shapes = match.node("InstanceNormalization"), fusing.shapes
    scale, shift = (fusing.constants[n] for n in norm.inputs[1:3])
    inner, outer = shapes.get(norm.inputs[0]), shapes.get(match.tensors["x"])
    if inner is None or outer is None or not (np.all(scale == 1) and np.all(shift == 0)):
        return None
    if shapes.get(match.nodes[0].output) != outer or inner[0] != outer[0] or outer[1] % inner[1]:
        return None
    return {"groups": inner[1], "epsilon": norm.get("epsilon", 1e-5)}


def _group_affine(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    norm, shape = match.node("Groups"), fusing.shapes[match.tensors["x"]]
    for letter in ("$w", "$b"):
        array = fusing.constants[match.tensors[letter]]
        wanted = (shape[1], *(1,) * (len(shape) - 2))
        if array.size != shape[1] or (*(1,) * 9, *array.shape)[-len(wanted) :] != wanted:
            return None
    return dict(norm.attributes)


def _instance(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    axes, rank = (
        match.node("ReduceMean").get("axes", ()),
        len(fusing.shapes.get(match.tensors["x"], ())),
    )
    whole = tuple(a % rank for a in axes) == tuple(range(2, rank)) if rank else False
    return dict(match.nodes[0].attributes) if whole else None


def _length(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    reduce = match.node("ReduceL2")
    clip = [n for n in match.nodes if n.op == "Clip"]
    eps = clip[0].get("min") if clip else fusing.scalar(match.tensors["$e"])
    rank = len(fusing.shapes.get(match.tensors["x"], ()))
    axes = reduce.get("axes", ())
    if eps is None or not rank or len(axes) != 1 or not reduce.get("keepdims", 1):
        return None
    return {"axis": axes[0] % rank, "epsilon": eps}


def _keras_norm(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    """A normalisation whose factor is made first, then applied to the tensor and to its mean."""
    rank = len(fusing.shapes.get(match.tensors["x"], ()))
    eps = fusing.scalar(match.tensors["$e"])
    axes = {
        tuple(range(2, rank)) if n.op == "GlobalAveragePool" else n.get("axes", ())
        for n in match.nodes
        if n.op in ("GlobalAveragePool", "ReduceMean")
    }
    kept = all(n.get("keepdims", 1) for n in match.nodes if n.op == "ReduceMean")
    if rank < 2 or eps is None or len(axes) != 1 or not kept:
        return None
    (found,) = axes
    if len(found) != 1 or found[0] % rank != rank - 1:
        return None
    for letter in ("$w", "$b"):
        if letter in match.tensors:
            array = fusing.constants[match.tensors[letter]]
            if array.size != fusing.shapes[match.tensors["x"]][-1] or array.size != array.shape[-1]:
                return None
    return {"axis": rank - 1, "epsilon": eps}


def _wrapped(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    """Ids that count from the end where they are negative: those of a net are not."""
    rows = fusing.scalar(match.tensors["$n"])
    table = fusing.constants[match.tensors["$t"]]
    axis = match.nodes[0].get("axis", 0)
    return {"axis": axis} if axis == 0 and table.ndim == 2 and rows == table.shape[0] else None


def _response(beta: float | None) -> Given:
    return lambda match, fusing: response(match, fusing.constants, fusing.shapes, beta)


def _rolled(match: Match, fusing: Fusing) -> dict[str, Any] | None:
    """Two slices of one tensor joined the other way round: what leaves at one end comes in at the other."""
    join, first, last = match.nodes
    if len(fusing.shapes.get(match.tensors["x"], ())) == 0:
        return None
    rank = len(fusing.shapes[match.tensors["x"]])
    axes = [tuple(a % rank for a in n.get("axes", ())) for n in (first, last)]
    if axes[0] != axes[1] or axes[0] != (join.get("axis", 0) % rank,):
        return None
    size = fusing.shapes[match.tensors["x"]][axes[0][0]]
    bounds = [slice(n.get("starts")[0], n.get("ends")[0]).indices(size)[:2] for n in (first, last)]
    steps = [n.get("steps", (1,)) for n in (first, last)]
    if steps != [(1,), (1,)] or bounds[0][1] != size or bounds[1] != (0, bounds[0][0]):
        return None
    return {"axis": axes[0][0], "shift": -bounds[0][0]}


_CENTRED = "Sub(x, ReduceMean(x))"
_NORMALS = [
    f"Div({centred}, Sqrt(Add(ReduceMean({square}), $e)))"
    for centred in (_CENTRED, f"Transpose({_CENTRED})")
    for square in (f"Pow({centred}, $p)", f"Mul({centred}, {centred})")
]
_NORMALS += [
    f"Mul({_CENTRED}, Reciprocal(Sqrt(Add(ReduceMean({square}), $e))))"
    for square in (f"Pow({_CENTRED}, $p)", f"Mul({_CENTRED}, {_CENTRED})")
]
_ROOTS = [
    form.replace("SQ", square)
    for form in (
        "Div(x, Sqrt(Add(ReduceMean(SQ), $e)))",
        "Mul(x, Reciprocal(Sqrt(Add(ReduceMean(SQ), $e))))",
        "Mul(x, Div(1, Sqrt(Add(ReduceMean(SQ), $e))))",
    )
    for square in ("Pow(x, $p)", "Mul(x, x)")
]
_KERAS = []
for _mean in ("ReduceMean", "GlobalAveragePool"):
    _apart = f"Sub(x, {_mean}(x))"
    _root = f"Reciprocal(Sqrt(Add({_mean}(Mul({_apart}, {_apart})), $e)))"
    _factor = f"Mul({_root}, $w)"
    _KERAS += [
        f"Add(Mul(x, {_factor}), Sub($b, Mul({_mean}(x), {_factor})))",
        f"Add(Mul(x, {_factor}), Add(Mul(Neg({_mean}(x)), {_factor}), $b))",
    ]
_KERAS_UNSHIFTED = [
    form.replace(f"Add(Mul(Neg({mean}(x))", f"Mul(Neg({mean}(x))").replace(", $b))", ")")
    for mean, form in zip(("ReduceMean", "GlobalAveragePool"), _KERAS[1::2], strict=True)
]
_WRAPPED = [
    "Gather($t, Where(Less(x, 0), Add(x, $n), x))",
    "Gather($t, Add(Mul(Cast(Less(x, 0)), Add(x, $n)), Mul(x, Cast(Not(Less(x, 0))))))",
    "Gather($t, Add(Mul(Cast(Less(Cast(x), 0)), Add(x, $n)), Mul(x, Cast(Not(Less(Cast(x), 0))))))",
]
_ERF = [f"Erf({inner})" for inner in ("Div(x, 1.4142135)", "Mul(x, 0.70710677)")]
_CUBE = ["Pow(x, 3)", "Mul(x, Mul(x, x))", "Mul(Mul(x, x), x)"]
_TANHS = [f"Tanh(Mul(0.7978845, Add(x, Mul(0.044715, {cube}))))" for cube in _CUBE]
_TANHS += [
    "Tanh(Mul(Mul(0.7978845, x), Add(1, Mul(0.044715, Mul(x, x)))))",
    "Tanh(Mul(0.7978845, Mul(x, Add(1, Mul(0.044715, Mul(x, x))))))",
]


def _gelus(inners: list[str]) -> list[str]:
    return [
        form.format(inner)
        for inner in inners
        for form in (
            "Mul(Mul(x, Add({}, 1)), 0.5)",
            "Mul(Mul(x, 0.5), Add({}, 1))",
            "Mul(x, Mul(0.5, Add({}, 1)))",
        )
    ]


_TABLE: tuple[tuple[list[str], str, str, Given], ...] = (
    (["Mul(x, Sigmoid(x))"], "Swish", "x", _nothing),
    (["Mul(x, HardSigmoid(x))"], "HardSwish", "x", _usual),
    (
        ["Div(Mul(x, Clip(Add(x, 3))), 6)", "Mul(Mul(x, Clip(Add(x, 3))), 0.16666667)"],
        "HardSwish",
        "x",
        _hard(0, 6),
    ),
    (
        ["Div(Clip(Add(x, 3)), 6)", "Mul(Clip(Add(x, 3)), 0.16666667)"],
        "HardSigmoid",
        "x",
        _hard(0, 6),
    ),
    (["Mul(x, Tanh(Softplus(x)))"], "Mish", "x", _nothing),
    (["Div(x, Add(1, Abs(x)))"], "Softsign", "x", _nothing),
    (_gelus(_ERF), "Gelu", "x", _fixed(approximate="none")),
    (_gelus(_TANHS), "Gelu", "x", _fixed(approximate="tanh")),
    (_NORMALS, "Normal", "x", _norm),
    (_KERAS, "NormalShifted", "x $w $b", _keras_norm),
    (_KERAS_UNSHIFTED, "NormalScaled", "x $w", _keras_norm),
    (_WRAPPED, "Gather", "$t x", _wrapped),
    (_ROOTS, "RootMeanSquare", "x", _norm),
    (["Mul(Normal(x), $w)"], "NormalScaled", "x $w", _affine),
    (["Add(NormalScaled(x, $w), $b)"], "NormalShifted", "x $w $b", _affine),
    (["Mul(RootMeanSquare(x), $w)"], "RootMeanSquareScaled", "x $w", _affine),
    (
        [
            "LayerNormalization(Sub(x, ReduceMean(x)), $w, $b)",
            "LayerNormalization(Transpose(Sub(x, ReduceMean(x))), $w, $b)",
        ],
        "LayerNormalization",
        "x $w $b",
        _centred,
    ),
    (["LayerNormalization(Sub(x, ReduceMean(x)), $w)"], "LayerNormalization", "x $w", _centred),
    (["Reshape(InstanceNormalization(Reshape(x), $w, $b))"], "Groups", "x", _groups),
    (
        ["Reshape(InstanceNormalization(Sub(Reshape(x), ReduceMean(Reshape(x))), $w, $b))"],
        "Groups",
        "x",
        _groups,
    ),
    (["Add(Mul(Groups(x), $w), $b)"], "GroupsShifted", "x $w $b", _group_affine),
    (
        ["InstanceNormalization(Sub(x, ReduceMean(x)), $w, $b)"],
        "InstanceNormalization",
        "x $w $b",
        _instance,
    ),
    (
        [
            "Div(x, Max(ReduceL2(x), $e))",
            "Div(x, Clip(ReduceL2(x)))",
            "Div(x, Expand(Clip(ReduceL2(x))))",
        ],
        "UnitLength",
        "x",
        _length,
    ),
    *((forms, "LRN", "x", _response(beta)) for beta, forms in FORMS.items()),
    (["Gemm(x, $w)"], "Linear", "x $w", _gemm),
    (["Gemm(x, $w, $b)"], "Linear", "x $w $b", _gemm),
    (["MatMul(x, $w)"], "Linear", "x $w", _matrix),
    (["Add(Linear(x, $w), $b)"], "Linear", "x $w $b", _scaled_bias),
    (["Add(Conv(x, $w), $b)"], "Conv", "x $w $b", _scaled_bias),
    (["Add(ConvTranspose(x, $w), $b)"], "ConvTranspose", "x $w $b", _scaled_bias),
    (["Conv(Pad(x), $w)"], "Conv", "x $w", _padded),
    (["Conv(Pad(x), $w, $b)"], "Conv", "x $w $b", _padded),
    (["AveragePool(Pad(x))"], "AveragePool", "x", _padded),
    (["MaxPool(Pad(x))"], "MaxPool", "x", _padded),
    (["Concat(Slice(x), Slice(x))"], "Roll", "x", _rolled),
    (["Slice(Slice(x))"], "Slice", "x", _twice),
    (["ScatterElements($z, TopK(x), $o)"], "Hardmax", "x", _ones),
    ([COUNTED], "Places", "p", _counted),
    (["ReduceMax(Gather(x, $p))"], "AdaptiveMaxPool", "x", _binned),
    (["AdaptiveMaxPool(AdaptiveMaxPool(x))"], "AdaptiveMaxPool", "x", _both_binned),
    (["Slice(ConvTranspose(x, $w))"], "ConvTranspose", "x $w", _cut),
    (["Slice(ConvTranspose(x, $w, $b))"], "ConvTranspose", "x $w $b", _cut),
)


def _rules() -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for texts, op, reads, given in _TABLE:
        for text in texts:
            tree = parsed(text)
            found.setdefault(tree.word, []).append(Rule(tree, op, tuple(reads.split()), given))
    return found


_RULES = _rules()
