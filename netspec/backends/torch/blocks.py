"""The blocks of a module, for what is done block by block: sharding it, computing it anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from torch import nn

from netspec.backends.torch.layers import Shared
from netspec.backends.torch.net import Block, NetModule
from netspec.diagnostics.arguments import advising
from netspec.diagnostics.messages.backends import NoSuchBlock
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest


@advising
def sharding_units(module: nn.Module, *blocks: str) -> list[Block]:
    """The blocks of a net to call FSDP2's `fully_shard` on, inner ones before those around them.

    By default they are those with weights of their own, beside those of blocks inside. `blocks` are
    globs of others: of what the spec calls them, `bottleneck`, or of their paths, `stage4.*`. What
    stands in none is left to the call on the module itself, which comes last. So is what shares its
    weights with a step outside it: a unit's weights are whole only while it runs.

    Raises NetspecError for a block that the net does not have.

    >>> import netspec
    >>> model = netspec.load("resnet18").to_torch()
    >>> len(netspec.sharding_units(model)), len(netspec.sharding_units(model, "stage"))
    (8, 4)
    """
    net = unwrapped(module)
    found = _called(net, blocks) if blocks else [b for b in _inside(net) if _has_own(b)]
    shared = [(inner, inner.owner) for inner in net.modules() if isinstance(inner, Shared)]
    return [block for block in found if not _split(block, shared)][::-1]


@advising
def recompute_blocks(module: nn.Module, *blocks: str) -> list[Block]:
    """Has blocks of a net keep none of their inner tensors for backward, which computes them again.

    `blocks` are globs of what the spec calls them, `bottleneck`, or of their paths, `stage4.*`. Each
    then costs the memory of its inputs and a second forward pass: activation checkpointing. Dropout
    draws the same masks both times, and running statistics move once. It is so in training only.
    Without names no block does so any more. Returns the blocks, those around others before them.

    Raises NetspecError for a block that the net does not have.

    >>> import netspec
    >>> model = netspec.load("resnet18").to_torch()
    >>> len(netspec.recompute_blocks(model, "basic"))
    8
    """
    net = unwrapped(module)
    found = _called(net, blocks)
    for block in _inside(net):
        block._recomputed = block in found
    return found


def unwrapped(module: nn.Module) -> nn.Module:
    """The net itself, without DistributedDataParallel and torch.compile around it."""
    inner = dict(module.named_children())
    if isinstance(module, NetModule) or len(inner) != 1 or not {"module", "_orig_mod"} & set(inner):
        return module
    return unwrapped(*inner.values())


def _inside(net: nn.Module) -> Iterator[Block]:
    """Blocks of the net but for itself, those around before those inside."""
    return (inner for inner in net.modules() if isinstance(inner, Block) and inner is not net)


def _called(net: nn.Module, globs: tuple[str, ...]) -> list[Block]:
    blocks = {
        path: block for path, block in net.named_modules() if path and isinstance(block, Block)
    }
    found: dict[Block, None] = {}
    for glob in globs:
        here = [
            b
            for path, b in blocks.items()
            if fnmatchcase(b._wiring.kind, glob) or matches(path, glob)
        ]
        if not here:
            raise NetspecError(NoSuchBlock(glob, _advice(glob, blocks)), status=2)
        found |= dict.fromkeys(here)
    return [block for block in blocks.values() if block in found]


def _advice(glob: str, blocks: Mapping[str, Block]) -> str:
    kinds = sorted({block._wiring.kind for block in blocks.values()})
    near = closest(glob, [*kinds, *blocks])
    if near:
        return f"did you mean {near}?"
    return f"the net has {', '.join(f'`{kind}`' for kind in kinds)}" if kinds else "it has none"


def matches(path: str, glob: str) -> bool:
    """Whether each name of a path matches that of the glob: `stage1.unit2` does `stage*.unit?`."""
    names, globs = path.split("."), glob.split(".")
    return len(names) == len(globs) and all(map(fnmatchcase, names, globs))


def _has_own(block: Block) -> bool:
    leaves = (child for child in block.children() if not isinstance(child, Block))
    return any(next(leaf.parameters(), None) is not None for leaf in leaves)


def _split(block: Block, shared: list[tuple[Shared, nn.Module]]) -> bool:
    """Whether weights of the block are used outside it, or it uses some from outside."""
    here = set(block.modules())
    return any((step in here) != (owner in here) for step, owner in shared)
