"""What is done with heads of queries and keys that no layer projects: steps before their product."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netspec.importing.files.program import Node
from netspec.importing.recognise.elementwise import merge
from netspec.importing.recognise.layers import layer_norm, rms_norm, unit_length
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Unsaid, Writer

# What attention's normalisations divide by at least, or add to what they divide by.
_EPS = {"l2norm": 1e-12, "rmsnorm": 1e-6, "layernorm": 1e-6}
_RULES = {"l2norm": unit_length, "rmsnorm": rms_norm, "layernorm": layer_norm}


def needs_projections(node: Node) -> bool:
    """Whether an attention does what only one with projections says: heads normalised, scaled, turned."""
    return bool(node.get("norm") or node.get("turning")) or node.get("scales") is not None


def taken_apart(writer: Writer, node: Node) -> Node:
    """An attention of queries and keys that are normalised and scaled before it; raises Unsaid elsewhere."""
    if node.get("turning"):
        raise Unsaid("it turns heads that no layer projects by the axes of a map")
    names, words = list(node.inputs), ("query", "key")
    norm, scales = node.get("norm"), node.get("scales")
    for place, letter in enumerate("qk" if norm else ""):
        weights = []
        for word in ("weight", "bias"):
            array = node.get("weights").get(f"{letter}_norm.{word}")
            if array is not None:
                weights.append(f"{node.output} {letter} {word}")
                writer.constants[weights[-1]] = array
        names[place] = f"{node.output} {letter} normalised"
        along = {"axis": len(writer.shapes[node.inputs[place]]) - 1, "epsilon": _EPS[norm]}
        one = Node(norm, (node.inputs[place], *weights), (names[place],), along)
        order = [*node.get(f"{words[place]}_order")]
        if place:
            order[-2:] = order[:-3:-1]
        view = by_heads(writer, _RULES[norm](writer, one).moved(order))
        writer.views[names[place]] = view.moved([int(i) for i in np.argsort(order)])
        writer.shapes[names[place]] = writer.shapes[node.inputs[place]]
    if scales is not None:
        # Queries (..., heads, T, D) in their own order of axes: a factor for each head.
        order, factors = node.get("query_order"), f"{node.output} scales"
        whole = np.expand_dims(scales, tuple(range(len(order) - scales.ndim)))
        writer.constants[factors] = np.ascontiguousarray(whole.transpose(np.argsort(order)))
        scaled = f"{node.output} q scaled"
        one = Node("Mul", (names[0], factors), (scaled,))
        writer.views[scaled] = merge(writer, one)
        writer.shapes[scaled] = writer.shapes[names[0]]
        names[0] = scaled
    done = {**node.attributes, "norm": "", "weights": {}, "scales": None}
    return replace(node, inputs=tuple(names), attributes=done)


def by_heads(writer: Writer, view: View) -> View:
    """The view (..., T, D) on a value whose channels are those of all its heads."""
    *outer, places, width = view.axes
    heads = tuple(atom for axis in outer for atom in axis if atom not in view.base[0])
    return writer.arranged(view, (view.base[0], (*heads, *width), places))
