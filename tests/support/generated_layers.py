"""Networks as trees of layers that are computed by plain PyTorch, and what they are as text.

A tree is made of `Layer` (has weights), `Step` (has none) and `Group`. Its forward pass is written
here, without netspec: the spec's text and the module only have the tree in common. Tensors are
channels first, (N, C, *sizes), as netspec has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Union

import torch
from torch import Tensor, nn


class Rms(nn.Module):
    """Division by the root mean square of the last axis."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * self.weight


@dataclass(eq=False)
class Layer:
    """A layer with weights. `role` is what a library may call it by.

    `flat` is the map that a linear layer sees flattened. `norm_of` is the convolution that a norm
    directly follows.
    """

    kind: str
    into: int
    out: int
    kernel: int = 1
    stride: int = 1
    bias: bool = False
    role: str = ""
    flat: tuple[int, ...] = ()
    norm_of: Layer | None = None

    @property
    def depthwise(self) -> bool:
        return self.kind == "dwconv"

    @property
    def norm(self) -> bool:
        return self.kind in ("bn", "ln", "rms")

    @property
    def shapes(self) -> tuple[object, ...]:
        """Equal for layers that a file cannot tell apart by their tensors."""
        kind = "ln" if self.kind == "bn" else self.kind
        window = 1 if self.kind == "linear" else self.kernel
        kind = "conv" if window == 1 and kind in ("conv", "linear") else kind
        return kind, self.kind == "bn", self.into, self.out, window, self.bias

    def module(self) -> nn.Module:
        """The layer in PyTorch."""
        if self.kind in ("conv", "dwconv"):
            groups, pad = self.into if self.depthwise else 1, self.kernel // 2
            return nn.Conv2d(
                self.into, self.out, self.kernel, self.stride, pad, groups=groups, bias=self.bias
            )
        if self.kind == "linear":
            return nn.Linear(self.into, self.out, bias=self.bias)
        if self.kind == "attention":
            return nn.MultiheadAttention(self.into, self.kernel, batch_first=True)
        return {"bn": nn.BatchNorm2d, "ln": nn.LayerNorm, "rms": Rms}[self.kind](self.out)

    def run(self, module: nn.Module, x: Tensor) -> Tensor:
        if self.kind in ("conv", "dwconv", "bn"):
            found: Tensor = module(x)
            return found
        x = x.flatten(1) if self.flat else x.movedim(1, -1)
        y = module(x, x, x, need_weights=False)[0] if self.kind == "attention" else module(x)
        return y if self.flat else y.movedim(-1, 1)


@dataclass(eq=False)
class Step:
    """A step without weights: netspec's words for it, and what it computes."""

    text: str
    run: Callable[[Tensor], Tensor]


@dataclass(eq=False)
class Group:
    """Parts that run one after the other; with `merge`, each sees the input and they are joined.

    `kind` is what libraries make a module of (`unit`, `stage`, `branch`...); a group without a kind
    is no module. `written` says how the spec spells it; `reversed` puts the branches the other way
    round than the library lists them.
    """

    parts: list[Node] = field(default_factory=list)
    kind: str = ""
    merge: str = ""
    role: str = ""
    written: str = ""

    @property
    def in_text(self) -> list[Node]:
        """The parts as the spec lists them."""
        return self.parts[::-1] if self.written == "reversed" else self.parts


Node = Union[Layer, Step, Group]


def _like(x: Tensor, other: Tensor) -> Tensor:
    """A vector for each sample, as a map that a larger tensor can be multiplied by."""
    return x.reshape(*x.shape, *[1] * (other.dim() - x.dim()))


_MERGES: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "add": lambda found: sum(found[1:], found[0]),
    "mul": lambda found: _like(found[0], found[1]) * _like(found[1], found[0]),
    "concat": lambda found: torch.cat(found, 1),
}


def layers(node: Node, *, text: bool = False) -> Iterator[Layer]:
    """The layers in the order of a library, or in that of the spec."""
    if isinstance(node, Layer):
        yield node
    elif isinstance(node, Group):
        for part in node.in_text if text else node.parts:
            yield from layers(part, text=text)


class Plain(nn.Module):
    """The tree as a module: its layers in `parts`, in the library's order."""

    def __init__(self, tree: Group) -> None:
        super().__init__()
        self.tree = tree
        self.found = list(layers(tree))
        self.parts = nn.ModuleList(layer.module() for layer in self.found)
        self.place = {id(layer): i for i, layer in enumerate(self.found)}

    def forward(self, *images: Tensor) -> Tensor:
        if len(images) == 1:
            return self._run(self.tree, images[0])
        towers, *rest = self.tree.parts
        assert isinstance(towers, Group)
        sides = [self._run(p, x) for p, x in zip(towers.parts, images, strict=True)]
        return self._run(Group(rest), _MERGES[towers.merge](sides))

    def layer(self, layer: Layer) -> nn.Module:
        """The module of one of the tree's layers."""
        return self.parts[self.place[id(layer)]]

    def _run(self, node: Node, x: Tensor) -> Tensor:
        if isinstance(node, Layer):
            return node.run(self.layer(node), x)
        if isinstance(node, Step):
            return node.run(x)
        if node.merge:
            return _MERGES[node.merge]([self._run(part, x) for part in node.parts])
        for part in node.parts:
            x = self._run(part, x)
        return x


def fill(module: Plain, generator: torch.Generator, gain: float = 1.0) -> None:
    """Numbers under which every layer shows: kernels that keep the variance times `gain`, norms near one."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                tensor.fill_(7)
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            leaf = name.rpartition(".")[2]
            if leaf == "running_var":
                tensor.copy_(1 + 0.1 * noise.abs())
            elif leaf.endswith("bias") or leaf == "running_mean":
                tensor.copy_(0.1 * noise)
            elif tensor.dim() == 1:
                tensor.copy_(1 + 0.1 * noise)
            else:
                tensor.copy_(gain * noise / tensor[0].numel() ** 0.5)
