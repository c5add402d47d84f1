"""How a joined projection of queries, keys and values is ordered, where the names around it say so.

Rows are of one shape in either order. What tells is the module that a library's names show, since
each of these has been published in one order only.
"""

from __future__ import annotations

from collections.abc import Mapping

from netspec.checkpoints.formats.tensors import Shape

# The axes of a matrix; a 1x1 convolution's kernel has more.
_MATRIX = 2
# LeViT's table of biases, which TinyViT and EfficientFormer took over with its order.
_LEVIT = "attention_biases"
# Megatron's, which lists rows by heads that share keys and values.
_MEGATRON = tuple(f".self_attention.linear_qkv.{leaf}" for leaf in ("weight", "bias"))
# timm's module of relative positions, and the two attentions of its MaxViT that may hold it.
_RELATIVE, _MAXVIT = "rel_pos", {"attn_block", "attn_grid"}
_TABLE = f"{_RELATIVE}.relative_position_bias_table"
# Salesforce's CodeGen, a GPT-J whose queries, values and keys were made by four devices.
_CODEGEN, _FEED = ("attn", "qkv_proj"), "mlp.fc_in.weight"


def is_by_device(name: str, shapes: Mapping[str, Shape]) -> bool:
    """Whether a joined projection of a file is in four parts, each of queries, values and keys."""
    *around, outer, inner, _ = ("", "", *name.split("."))
    return (outer, inner) == _CODEGEN and ".".join((*around[2:], _FEED)) in shapes


def is_by_head(name: str, shapes: Mapping[str, Shape]) -> bool | None:
    """Whether a joined projection of a file is by head, None where its names do not say so.

    timm's attention by windows, and its attention with kernels, have their relative positions in a
    module: its table is (offsets, heads) where rows are by head; of the nets that follow TensorFlow's it
    is (heads, offsets, offsets), and all queries come first.
    """
    around, found, _ = name.rpartition("qkv")
    if not found:
        return None
    if f".{name}".endswith(_MEGATRON):
        return True
    if f"{around}{_LEVIT}" in shapes:
        return True
    held = any(other.startswith(f"{around}{_RELATIVE}.") for other in shapes)
    # A bias is ordered as its kernel.
    kernel = shapes.get(f"{name.rpartition('.')[0]}.weight", ())
    if held and (len(kernel) > _MATRIX or not _MAXVIT.isdisjoint(around.split("."))):
        return len(shapes.get(f"{around}{_TABLE}", ())) <= _MATRIX
    return None
