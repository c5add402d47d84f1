"""Trees of layers as netspec's text, in one of the several ways to say it."""

from __future__ import annotations

from itertools import groupby
from random import Random

from support.generated_layers import Group, Layer, Node, Step


class Writer:
    """Writes a tree. `normed`: automatic projections have a batch norm, others a bias."""

    def __init__(self, normed: bool, random: Random) -> None:
        self.normed, self.random = normed, random
        self.same, self.fused = random.random() < 0.5, random.random() < 0.5
        self.repeats, self.blocks = random.random() < 0.7, random.random() < 0.6
        self.defined: dict[str, str] = {}

    def write(self, tree: Group, inputs: list[str]) -> str:
        """The whole spec."""
        if len(inputs) == 1:
            lines = [f"input {inputs[0]}", self.sequence(tree.parts)]
        else:
            towers, *rest = tree.parts
            assert isinstance(towers, Group)
            letters = "ab"
            lines = [
                f"input {letter}: {size}" for letter, size in zip(letters, inputs, strict=True)
            ]
            for letter, part in zip(letters, towers.parts, strict=True):
                lines.append(f"@{letter}; {self.sequence([part])} as p{letter}")
            lines += [f"{{ | @pa | @pb }}; {towers.merge}", self.sequence(rest)]
        options = ["pad=same"] * self.same
        options += ["bias=no", "norm=bn"] if self.normed else []
        default = [f"default conv({', '.join(options)})"] if options else []
        blocks = [f"block {name} {{ {body} }}" for body, name in self.defined.items()]
        return "\n".join([*default, *blocks, *lines]) + "\n"

    def sequence(self, parts: list[Node]) -> str:
        """Steps one after the other; `identity` where there are none."""
        found: list[str] = []
        flat = list(self._flat(parts))
        while flat:
            part = flat.pop(0)
            if isinstance(part, Step):
                found.append(part.text)
            elif isinstance(part, Layer):
                found.append(self._layer(part, flat))
            else:
                found.append(self._group(part))
        if self.repeats:
            runs = [(step, len(list(run))) for step, run in groupby(found)]
            found = [f"{step} x{count}" if count > 1 else step for step, count in runs]
        return "; ".join(found) or "identity"

    def _flat(self, parts: list[Node]) -> list[Node]:
        flat: list[Node] = []
        for part in parts:
            own = isinstance(part, Group) and not part.merge
            if own and not (self.blocks and part.kind == "unit"):
                flat += self._flat(part.parts)
            else:
                flat.append(part)
        return flat

    def _group(self, group: Group) -> str:
        if not group.merge:
            body = self.sequence(group.parts)
            return self.defined.setdefault(body, f"unit{chr(97 + len(self.defined))}")
        if group.written.startswith("residual"):
            return f"{group.written} {{ {self.sequence([group.parts[0]])} }}"
        branches = [self.sequence([part]) for part in group.in_text]
        return f"{group.merge} {{ | {' | '.join(branches)} }}"

    def _layer(self, layer: Layer, after: list[Node]) -> str:
        """A layer, taking what it can say of the following as arguments of its own."""
        if layer.kind == "attention":
            return f"attention({layer.kernel})"
        if layer.norm:
            return {"bn": "bn", "ln": "layernorm", "rms": "rmsnorm"}[layer.kind]
        options = []
        if layer.kind == "linear":
            options += [] if layer.role in ("head", "vector") else ["over=channels"]
            options += [] if layer.bias else ["bias=no"]
        else:
            options += self._convolution(layer, after)
        if self.fused and layer.norm_of is None and after and isinstance(after[0], Step):
            name = after[0].text
            if name in ("relu", "tanh", "sigmoid", "silu", "gelu"):
                after.pop(0)
                options.append(f"act={name}")
        text = {"conv": f"conv{layer.kernel}-{layer.out}", "dwconv": f"dwconv{layer.kernel}"}.get(
            layer.kind, f"fc-{layer.out}"
        )
        text += f"/{layer.stride}" if layer.stride > 1 else ""
        return text + (f"({', '.join(options)})" if options else "")

    def _convolution(self, layer: Layer, after: list[Node]) -> list[str]:
        options = []
        if (not self.same or layer.stride > 1) and (layer.kernel > 1 or self.same):
            options.append(f"pad={layer.kernel // 2}")
        if layer.bias == self.normed:
            options.append(f"bias={'yes' if layer.bias else 'no'}")
        following = after[0] if after else None
        normed = isinstance(following, Layer) and following.kind == "bn" and self.fused
        if normed:
            after.pop(0)
        if normed != self.normed:
            options.append(f"norm={'bn' if normed else 'none'}")
        return options
