"""Layers of transformers, mixers and their like, with random details."""

from __future__ import annotations

from support.generated_layers import Group, Layer, Node, Step
from support.generated_units import TOKENS, Maker, act, identity


class SequenceMaker(Maker):
    """Makes layers that see sequences, (N, C, T)."""

    def linear(self, into: int, out: int, role: str, bias: bool = True) -> Layer:
        return Layer("linear", into, out, bias=bias, role=role)

    def post(self, main: list[Node], width: int, role: str) -> Node:
        """Norm, then sublayer, added to what flows in."""
        written = self.random.choice(["residual", "branches"])
        norm = Layer(self.norm, width, width, role=role)
        return Group([Group([norm, *main]), identity()], merge="add", written=written)

    def gated_mlp(self, width: int, inner: int, bias: bool) -> Group:
        gate = Group([self.linear(width, inner, "gate", bias), act(self.gate)])
        up = Group([self.linear(width, inner, "up", bias)])
        written = "reversed" if self.random.random() < 0.1 else ""
        product = Group([gate, up], merge="mul", written=written)
        return Group([product, self.linear(inner, width, "down", bias)], "mlp")

    def mlp(self, width: int, inner: int) -> Group:
        parts = [self.linear(width, inner, "up"), act("gelu"), self.linear(inner, width, "down")]
        return Group([*parts], "mlp")

    def transformer(self, width: int) -> Group:
        attention = Group([Layer("attention", width, width, self.random.choice([1, 2]))], "attn")
        inner = self.random.choice([width, 2 * width])
        bias = self.random.random() < 0.5
        mlp = self.gated_mlp(width, inner, bias) if self.norm == "rms" else self.mlp(width, inner)
        parts = [
            self.post([attention], width, "input_norm"), self.post([mlp], width, "post_norm")
        ]  # fmt: skip
        return Group([*parts], "unit")

    def mixer(self, width: int) -> Group:
        swap = [Step("transpose", lambda x: x.transpose(1, 2)) for _ in range(2)]
        tokens = self.mlp(TOKENS, self.random.choice([TOKENS, width]))
        channels = self.mlp(width, width)
        parts = [
            self.post([swap[0], tokens, swap[1]], width, "input_norm"),
            self.post([channels], width, "post_norm"),
        ]
        return Group([*parts], "unit")

    def gated_layer(self, width: int) -> Group:
        """Linear layers where a transformer has attention: `value * gate`, then `out`."""
        bias = self.random.random() < 0.5
        mixed = self.gated_mlp(width, width, bias)
        mixed.kind = "attn"
        inner = self.random.choice([width, 2 * width])
        parts = [
            self.post([mixed], width, "input_norm"),
            self.post([self.gated_mlp(width, inner, bias)], width, "post_norm"),
        ]
        return Group([*parts], "unit")
