"""Attention over the steps of a sequence or the places of a map, with its projections."""

from __future__ import annotations

from math import log
from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible, OutOfRange, ShapesDiffer, WrongCount
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, type_of
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator, T
from netspec.ops.declare.params import choice, count, flag, per_axis, real, scheme_of
from netspec.ops.declare.part import Part
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.ops.declare.schemes import Constant, Ones, Xavier, Zeros
from netspec.ops.declare.weight import Scheme, Weight
from netspec.ops.vectors.heads import Heads, as_map
from netspec.ops.vectors.rotary import Rotary, rates_of
from netspec.ops.vectors.turning import Slowing, Turning, places_of
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel

# The most that a trained scale may be, as a logarithm (Liu et al. 2022, Swin V2).
_MOST = log(100.0)
_EPS = 1e-6


class Attention(Heads):
    """Multi-head attention (Vaswani et al. 2017): of a sequence or map to itself, or to `@memory`.

    (C, *sizes), and memory (M, *others), to (C, *sizes), or `width` channels. A second reference has the
    values where they are of other numbers than the keys: `attention(8, @keys, @values)`.

    The tensors are those of torch.nn.MultiheadAttention: queries, keys and values projected together
    where they are made of one width, each for itself (`q_proj_weight`, ...) where not; then the output.
    Of a map rotary positions are those of its axes, which share out the channels of a head (EVA-02, Fang
    et al. 2023); of a sequence that is one after its tokens, `rotary_size` is the map's.
    Multiply-adds are those of the four projections, the scores and the weighted sums.
    """

    spelling = "attention"
    order = ("heads",)
    examples = (
        ("8x5", "attention(2)"),
        ("6x4", "attention(3, causal=yes, bias=no)"),
        ("4x6", "relu as memory; slice(0, 3, axis=time); attention(2, @memory)"),
        ("8xT", "attention(4, kv_heads=2, head_width=4, causal=yes, rotary=10000)"),
        ("8x2x3", "attention(2, rotary=100)"),
        ("32x9", "attention(2, rotary=10000, rotary_factor=8, rotary_length=40)"),
        ("8x7", "attention(1, rotary=100, rotary_size=2x3, rotary_pairs=neighbours)"),
        ("4x2x3", "attention(2, scores=relative(2), key_bias=no)"),
        ("6x4", "relu as q; conv1-4 as k; conv1-3 as v; @q; attention(2, @k, @v, qk_norm=rmsnorm)"),
        ("x: 4x5\ninput seen: 5 ids(2)", "@x; attention(2, mask=@seen)"),
        ("8x5", "attention(2, softcap=2)"),
    )

    width: int | None = count(None, doc="channels of the result; as many as flow in by default")
    head_width: int | None = count(None, doc="channels of a head; channels / heads by default")
    bias: bool = flag(True, doc="the projections add trained values")
    key_bias: str = choice(
        "same",
        "yes",
        "no",
        "idle",
        default="same",
        doc="that of the keys does, as `bias` says; `idle` has its values and adds none (Swin V2)",
    )
    out_bias: bool | None = flag(None, doc="that of the output does; as `bias` by default")
    project: bool = flag(True, doc="the heads' results are projected to the output")
    rotary: float | None = real(
        None, low=1.0, doc="base of rotary positions of queries and keys, as `rotary` has them"
    )
    rotary_part: float = real(1.0, low=0.0, high=1.0, doc="share of a head's channels that turn")
    rotary_pairs: str = choice(
        "halves", "neighbours", default="halves", doc="which channels turn together"
    )
    rotary_factor: float = real(
        1.0, low=1.0, doc="how many times slower long waves turn (Llama 3.1)"
    )
    rotary_length: int = count(8192, doc="steps that long waves are longer than")
    rotary_size: int | tuple[int, ...] | None = per_axis(
        None, doc="sizes of the map that the last steps are; those before do not turn"
    )
    qk_norm: str | None = choice(
        "l2norm",
        "rmsnorm",
        "layernorm",
        default=None,
        doc="normalises each head of queries and keys",
    )
    trained_scale: bool = flag(
        False, doc="the scale is trained, one for each head, as a logarithm of at most ln(100)"
    )
    init: Scheme | None = scheme_of(None, doc="initialisation of the matrices; xavier by default")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        if len(wire) != 1 or len(references) > 2:
            found = f"{len(wire)} tensors and {len(references)} references"
            expected = "a sequence, and at most keys and values"
            raise Rejection(WrongCount(self.spelling, expected, found))
        return (*wire, *references)

    def _sources(self, inputs: tuple[T, ...]) -> tuple[T, T, T]:
        """What queries, keys and values are made of."""
        query, *others = self.apart(inputs)[0]
        key = others[0] if others else query
        return query, key, others[-1] if others else query

    def _width(self, inputs: tuple[TensorType, ...]) -> int:
        """Channels of one head."""
        channels = fixed_channels(self.spelling, inputs[0])
        if self.head_width is not None:
            return self.head_width
        if channels % self.heads:
            raise Rejection(NotDivisible(self.spelling, "channels", self.heads, channels))
        return channels // self.heads

    def _turning(self, width: int, tensor: TensorType) -> Turning | None:
        if self.rotary is None:
            return None
        places = places_of(self, tensor, self.rotary_size)
        neighbours = self.rotary_pairs == "neighbours"
        if places.size and self.rotary_factor != 1:
            allowed = "1 where the positions are those of a map"
            raise Rejection(OutOfRange(self.spelling, "rotary_factor", allowed, self.rotary_factor))
        slowing = Slowing(self.rotary_factor, self.rotary_length)
        found = Turning(self.rotary, width, self.rotary_part, neighbours, places, slowing)
        if found.turned < 2:
            divisor = 2 * found.places.rank
            raise Rejection(NotDivisible(self.spelling, "channels of a head", divisor, width))
        return found

    def infer(self, *inputs: TensorType) -> TensorType:
        self._check(self.spelling, inputs)
        query, key, value = self._sources(inputs)
        if not equal(numel(key.spatial), numel(value.spatial)):
            advice = "there is a value for each key"
            raise Rejection(ShapesDiffer(self.spelling, f"{key} and {value}", advice))
        if self.key_bias == "idle" and not self.bias:
            # Values that stand between others' and are not added: alone nothing reads them.
            allowed = "same, yes or no where bias=no"
            raise Rejection(OutOfRange(self.spelling, "key_bias", allowed, "idle"))
        width = self._width(inputs)
        for tensor in (query, key):
            self._turning(width, tensor)
        joined = self.heads * width
        channels = self.width or fixed_channels(self.spelling, query)
        return query.with_shape(channels if self.project else joined, *query.spatial)

    def _rows(self, width: int) -> tuple[int, int, int]:
        """Channels of all heads of queries, keys and values."""
        shared = self._shared_heads * width
        return self.heads * width, shared, shared

    @property
    def _all_heads(self) -> int:
        """Heads of queries, of keys and of values together."""
        return self.heads + 2 * self._shared_heads

    def _biased(self) -> tuple[bool, bool, bool]:
        """Whether there are added values for queries, keys and values."""
        keys = self.bias if self.key_bias == "same" else self.key_bias != "no"
        return self.bias, keys, self.bias

    def _out_biased(self) -> bool:
        """Whether there are added values for the output."""
        return self.bias if self.out_bias is None else self.out_bias

    def _fused(self, inputs: tuple[TensorType, ...]) -> bool:
        """Whether one matrix holds the three projections: all read as many channels."""
        return len({tensor.channels for tensor in self.apart(inputs)[0]}) == 1

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        sources, width = self._sources(inputs), self._width(inputs)
        rows, init = self._rows(width), self.init or Xavier()
        sizes = [fixed_channels(self.spelling, tensor) for tensor in sources]
        found = []
        if self._fused(inputs):
            shape = (sum(rows), sizes[0])
            found.append(Weight("in_proj_weight", shape, init, "param", sizes[0], rows[0]))
        else:
            for letter, many, size in zip("qkv", rows, sizes, strict=True):
                name = f"{letter}_proj_weight"
                found.append(Weight(name, (many, size), init, "param", size, many))
        added = sum(many for many, there in zip(rows, self._biased(), strict=True) if there)
        if added:
            found.append(Weight("in_proj_bias", (added,), Zeros()))
        if self.trained_scale:
            found.append(Weight("logit_scale", (self.heads, 1, 1), Constant(log(10.0))))
        if self.qk_norm in ("rmsnorm", "layernorm"):
            for letter in "qk":
                found.append(Weight(f"{letter}_norm.weight", (width,), Ones()))
                if self.qk_norm == "layernorm":
                    found.append(Weight(f"{letter}_norm.bias", (width,), Zeros()))
        if self.project:
            joined, out = rows[0], self.width or sizes[0]
            matrix = Weight("out_proj.weight", (out, joined), init, "param", joined, out)
            found.append(matrix)
            if self._out_biased():
                found.append(Weight("out_proj.bias", (out,), Zeros()))
        return (*found, *self._regions(inputs[0]))

    def macs(self, *inputs: TensorType) -> Dim:
        sources, width = self._sources(inputs), self._width(inputs)
        places = [numel(tensor.spatial) for tensor in sources]
        total: Dim = 0
        for many, tensor, steps in zip(self._rows(width), sources, places, strict=True):
            total = total + steps * (many * fixed_channels(self.spelling, tensor))
        if self.project:
            out = self.width or fixed_channels(self.spelling, sources[0])
            total = total + places[0] * (self.heads * width * out)
        return total + self._products(inputs, width, width)

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def figure(self, *inputs: TensorType) -> tuple[Part, ...]:
        plain, _ = self.apart(inputs)
        width = self._width(inputs)
        words = {1: ("",), 2: ("queries", "memory"), 3: ("queries", "keys", "values")}[len(plain)]
        found = [Part(text, "input") for text in (*words, *self.references())]
        sources = (0, min(1, len(plain) - 1), len(plain) - 1)
        sides = []
        for letter, many, source in zip("QKV", self._rows(width), sources, strict=True):
            sides.append(len(found))
            found.append(Part(f"{letter}: fc {many}", "fc", (source,)))
        for i in (0, 1):
            if self.qk_norm is not None:
                found.append(Part(self.qk_norm, self.qk_norm, (sides[i],), self._each))
                sides[i] = len(found) - 1
        for i in (0, 1):
            if self.rotary is not None:
                found.append(Part("rotary", "rotary", (sides[i],), self._each))
                sides[i] = len(found) - 1
        scale = ", trained scale" if self.trained_scale else self._scaling(width)
        last = self._compared(found, sides, inputs, scale)
        found.append(Part("concat", "concat", (last,)))
        if self.project:
            out = self.width or fixed_channels(self.spelling, inputs[0])
            found.append(Part(f"fc {out}", "fc", (len(found) - 1,)))
        return tuple(found)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        functions = torch.nn.functional
        plain, named = self.apart(inputs)
        sources = self._sources(inputs)
        if "in_proj_weight" in weights:
            rows = self._rows(len(weights["in_proj_weight"]) // self._all_heads)
            matrices = weights["in_proj_weight"].split(rows)
        else:
            matrices = tuple(weights[f"{letter}_proj_weight"] for letter in "qkv")
        biases = self._split_bias(weights.get("in_proj_bias"), [len(m) for m in matrices])
        heads = (self.heads, self._shared_heads, self._shared_heads)
        parts = [
            functions.linear(source.flatten(2).transpose(1, 2), matrix, bias)
            .unflatten(2, (many, -1))
            .transpose(1, 2)
            for source, matrix, bias, many in zip(sources, matrices, biases, heads, strict=True)
        ]
        for i, letter in enumerate("qk"):
            parts[i] = self._normed(torch, parts[i], letter, weights)
            turning = self._turning(parts[i].shape[-1], type_of(sources[i]))
            parts[i] = turning.torch(torch, parts[i]) if turning else parts[i]
        scale = self.scale
        if self.trained_scale:
            parts[0] = parts[0] * weights["logit_scale"].clamp(max=_MOST).exp()
            scale = 1.0
        found = self._attended(torch, parts, named, weights.get("regions"), scale)
        if self.project:
            found = functions.linear(
                found, weights["out_proj.weight"], weights.get("out_proj.bias")
            )
        return found.transpose(1, 2).unflatten(2, plain[0].shape[2:])

    def _split_bias(self, bias: Any, sizes: list[int]) -> list[Any]:
        """What is added to queries, keys and values; None where nothing is."""
        biased = self._biased()
        held = [size for size, there in zip(sizes, biased, strict=True) if there]
        pieces = iter(bias.split(held) if len(held) > 1 else (bias,))
        found = [next(pieces) if there else None for there in biased]
        if self.key_bias == "idle":
            found[1] = None
        return found

    def _normed(self, torch: Any, part: Any, letter: str, weights: Any) -> Any:
        functions = torch.nn.functional
        if self.qk_norm is None:
            return part
        if self.qk_norm == "l2norm":
            return functions.normalize(part, dim=-1)
        size, scale = part.shape[-1:], weights[f"{letter}_norm.weight"]
        if self.qk_norm == "rmsnorm":
            return functions.rms_norm(part, size, scale, _EPS)
        return functions.layer_norm(part, size, scale, weights[f"{letter}_norm.bias"], _EPS)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        types = tuple(operand.type for operand in inputs)
        width, sources = self._width(types), self._sources(inputs)
        rows = list(self._rows(width))
        if self._fused(types):
            matrix = graph.node("Transpose", [graph.weight("in_proj_weight")], perm=[1, 0])
            matrices = graph.split(matrix, rows, axis=1)
        else:
            matrices = tuple(
                graph.node("Transpose", [graph.weight(f"{letter}_proj_weight")], perm=[1, 0])
                for letter in "qkv"
            )
        biases = self._onnx_biases(graph, rows)
        last: dict[str, str] = {}
        parts = []
        heads = (self.heads, self._shared_heads, self._shared_heads)
        for i, (source, many) in enumerate(zip(sources, heads, strict=True)):
            if source.name not in last:
                flat = source.name
                if len(source.type.spatial) > 1:
                    channels = fixed_channels(self.spelling, source.type)
                    flat = graph.node("Reshape", [flat, graph.integers([0, channels, -1])])
                last[source.name] = graph.node("Transpose", [flat], perm=[0, 2, 1])
            part = self._projected(graph, last[source.name], matrices[i], biases[i])
            part = graph.node("Reshape", [part, graph.integers([0, 0, many, width])])
            # Keys are turned for the product, (N, heads, channels, S), unless more is done first.
            turned = i == 1 and self.rotary is None and self.qk_norm is None
            part = graph.node("Transpose", [part], perm=[0, 2, 3, 1] if turned else [0, 2, 1, 3])
            if i < 2:
                part = self._onnx_normed(graph, part, "qk"[i])
                turning = self._turning(width, source.type)
                part = turning.onnx(graph, part, source) if turning else part
            if i == 1 and not turned:
                part = graph.node("Transpose", [part], perm=[0, 1, 3, 2])
            parts.append(part)
        scale = self.scale if self.scale is not None else width**-0.5
        if self.trained_scale:
            parts[0] = graph.node("Mul", [parts[0], self._onnx_scale(graph)])
            scale = 1.0
        joined = self._attended_onnx(graph, parts, inputs, scale)
        channels = self.heads * width
        if self.project:
            matrix = graph.node("Transpose", [graph.weight("out_proj.weight")], perm=[1, 0])
            bias = graph.weight("out_proj.bias") if self._out_biased() else None
            joined = self._projected(graph, joined, matrix, bias)
            channels = self.width or fixed_channels(self.spelling, types[0])
        out = graph.node("Transpose", [joined], perm=[0, 2, 1])
        return as_map(graph, out, channels, sources[0])

    def _onnx_biases(self, graph: Builder, rows: list[int]) -> list[str | None]:
        there = self._biased()
        sizes = [size for size, has in zip(rows, there, strict=True) if has]
        if not sizes:
            return [None] * 3
        whole = graph.weight("in_proj_bias")
        pieces = iter(graph.split(whole, sizes, axis=0) if len(sizes) > 1 else (whole,))
        found = [next(pieces) if has else None for has in there]
        if self.key_bias == "idle":
            found[1] = None
        return found

    def _onnx_scale(self, graph: Builder) -> str:
        import numpy as np

        most = graph.constant(np.float32(_MOST))
        return graph.node("Exp", [graph.node("Min", [graph.weight("logit_scale"), most])])

    def _onnx_normed(self, graph: Builder, part: str, letter: str) -> str:
        import numpy as np

        if self.qk_norm is None:
            return part
        if self.qk_norm == "l2norm":
            length = graph.reduce("ReduceL2", part, [3])
            least = graph.constant(np.float32(1e-12))
            return graph.node("Div", [part, graph.node("Max", [length, least])])
        scale = graph.weight(f"{letter}_norm.weight")
        if self.qk_norm == "layernorm":
            centre = graph.reduce("ReduceMean", part, [3])
            centred = graph.node("Sub", [part, centre])
            return graph.layer_norm(centred, scale, graph.weight(f"{letter}_norm.bias"), _EPS)
        square = graph.reduce("ReduceMean", graph.node("Mul", [part, part]), [3])
        root = graph.node("Sqrt", [graph.node("Add", [square, graph.constant(np.float32(_EPS))])])
        return graph.node("Mul", [graph.node("Div", [part, root]), scale])

    def _projected(self, graph: Builder, name: str, matrix: str, bias: str | None) -> str:
        product = graph.node("MatMul", [name, matrix])
        return graph.node("Add", [product, bias]) if bias else product


def frequencies(op: Operator, *inputs: TensorType) -> tuple[float, ...]:
    """Radians a step of each pair of channels that an operator turns by its place; none of others."""
    if isinstance(op, Rotary):
        return rates_of(op, inputs[0])
    turning = op._turning(op._width(inputs), inputs[0]) if isinstance(op, Attention) else None
    return tuple(turning.rates) if turning else ()
