"""What a file's names and numbers say of the net that it is of, where its tensors fit another as well.

Libraries keep the same tensors for layers that compute otherwise: a norm's scale, or how far it is from one;
rotary pairs of neighbours, or of halves. Nothing is turned or refused here: a file may have any names, and
numbers are like others by chance. What does not go together is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from netspec.checkpoints.files import Checkpoint
from netspec.checkpoints.layout import Turn
from netspec.checkpoints.names import words
from netspec.checkpoints.plan import Pair
from netspec.diagnostics.messages.weights import MeansOtherwise
from netspec.diagnostics.records import Diagnostic
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.ops.elementwise.arithmetic import Affine
from netspec.ops.elementwise.functions import Exp
from netspec.ops.elementwise.norm import BatchNorm, LayerNorm, RmsNorm
from netspec.ops.spatial.pixels import PixelShuffle, PixelUnshuffle
from netspec.ops.vectors.attention import Attention
from netspec.ops.vectors.rotary import Rotary
from netspec.ops.vectors.sources import Parameter

if TYPE_CHECKING:
    import numpy as np

# A trained scale is hardly ever below zero; how far one is from one is as often as not.
_BELOW = 0.25, 0.01
# Keras adds this to a variance unless it is told otherwise; what is less than the share changes nothing.
_KERAS_EPS, _SHARE = 1e-3, 0.01
# How many steps after a parameter its exponential may be taken.
_STEPS = 4
_LOGARITHMS = {"log", "logit"}


def meanings(graph: Graph, pairs: Iterable[Pair], file: Checkpoint) -> tuple[Diagnostic, ...]:
    """A warning for each thing that the file's names or numbers say and the net does otherwise.

    `pairs` are those taken; of a file with the net's own names nothing is said.
    """
    taken, names = {pair.ours: pair for pair in pairs}, "\n".join(file)
    found = [_turning(graph, names), _scales(graph, taken, file, names)]
    found += [_variances(graph, taken, file), _colours(graph, names)]
    found += [_pixels(graph, taken.values()), *_logarithms(graph, taken)]
    return tuple(Diagnostic(problem, None, warning=True) for problem in found if problem)


# --- what names say


@record
class _Family:
    """Files of one origin: patterns, each of which a name has, and which none has; how they turn, if told."""

    said: str
    patterns: tuple[str, ...]
    without: tuple[str, ...] = ()
    pairs: str = ""

    def is_of(self, names: str) -> bool:
        """Whether names, one a line, are those of such a file."""

        def has(pattern: str) -> bool:
            return re.search(pattern, names, re.MULTILINE) is not None

        return all(map(has, self.patterns)) and not any(map(has, self.without))


_FAMILIES = (
    _Family(
        "of Llama and Mistral as they were published first",
        (r"tok_embeddings\.weight$", r"layers\.\d+\.attention\.wq\.", r"attention_norm\."),
        pairs="neighbours",
    ),
    _Family(
        "of GPT-J and CodeGen",
        (r"h\.\d+\.attn\.(q_proj|qkv_proj)\.", r"h\.\d+\.mlp\.fc_in\."),
        pairs="neighbours",
    ),
    _Family(
        "of Llama, Mistral and Qwen in transformers",
        (
            r"layers\.\d+\.self_attn\.q_proj\.",
            r"layers\.\d+\.mlp\.gate_proj\.",
            r"layers\.\d+\.input_layernorm\.",
            r"layers\.\d+\.post_attention_layernorm\.",
        ),
        pairs="halves",
    ),
    _Family(
        "of GPT-NeoX",
        (r"gpt_neox\.layers\.\d+\.attention\.query_key_value\.",),
        pairs="halves",
    ),
)
_GEMMA = _Family(
    "of Gemma 2 and 3", (r"\.pre_feedforward_layernorm\.weight$",), (r"altup", r"laurel")
)
_BGR = (
    _Family("of Caffe's ResNet", (r"^res\d[a-z]\d*_branch\d", r"^bn\d[a-z]\d*_branch\d")),
    _Family("of Keras' VGG", (r"^block1_conv1[/.]", r"^block5_conv[23][/.]")),
    _Family("of Keras' ResNet", (r"^conv1_conv[/.]", r"^conv2_block1_1_conv[/.]")),
)


def _turning(graph: Graph, names: str) -> MeansOtherwise | None:
    """Which channels of a head turn together; of heads of two channels the same ones do."""
    ours: dict[str, str] = {}
    for node in graph.nodes:
        if isinstance(node.op, Rotary):
            ours.setdefault(node.op.pairs, node.path)
        elif isinstance(node.op, Attention) and node.op.rotary is not None:
            ours.setdefault(node.op.rotary_pairs, node.path)
    family = next((f for f in _FAMILIES if f.is_of(names)), None) if ours else None
    if family is None or family.pairs in ours:
        return None
    pairs, path = next(iter(ours.items()))
    return MeansOtherwise(
        f"the names are those {family.said}, where rotary pairs are {family.pairs}",
        f"`{path}` turns {pairs}",
        f"`pairs={family.pairs}` of `rotary`, or `rotary_pairs={family.pairs}` of `attention`, says it",
    )


def _colours(graph: Graph, names: str) -> MeansOtherwise | None:
    family = next((f for f in _BGR if f.is_of(names)), None)
    image = next((n for n in graph.inputs if n.types[0].shape[:1] == (3,)), None)
    if family is None or image is None or len(image.types[0].shape) != 3:
        return None
    return MeansOtherwise(
        f"the names are those {family.said}, which was trained on images of blue, green and red",
        f"`{image.path}` is taken as it is given",
        "give images in that order, or start the net with `flip(channels)`",
    )


def _pixels(graph: Graph, pairs: Iterable[Pair]) -> MeansOtherwise | None:
    """Where channels become pixels: TensorFlow lists all channels of a pixel together."""
    turned = any(isinstance(pair.turn, Turn) for pair in pairs)
    for node in graph.nodes if turned else ():
        if isinstance(node.op, PixelShuffle | PixelUnshuffle) and node.op.layout != "rows":
            small = node.types[0] if isinstance(node.op, PixelShuffle) else node.input_types[0]
            if small.channels != 1:
                return MeansOtherwise(
                    "the file has outputs last, as TensorFlow, which lists all channels of a pixel together",
                    f"`{node.path}` has layout {node.op.layout}",
                    "`layout=rows` says it",
                )
    return None


def _logarithms(graph: Graph, taken: Mapping[str, Pair]) -> Iterator[MeansOtherwise]:
    """A parameter that is kept as its logarithm, and of which the net takes no exponential."""
    for node in graph.nodes:
        pair = taken.get(f"{node.path}.weight")
        if pair is None or not isinstance(node.op, Parameter | Affine):
            continue
        theirs = pair.theirs.removesuffix(".weight").rpartition(".")[2]
        said = _LOGARITHMS.intersection(words(theirs))
        if said and not said.intersection(words(node.path)) and not _raised(graph, node):
            yield MeansOtherwise(
                f"`{pair.theirs}` is called a logarithm",
                f"the net takes `{node.path}` as it is",
                "`exp` after it takes its exponential",
            )
            return


def _raised(graph: Graph, node: Node) -> bool:
    """Whether an exponential is taken of a step, or of what few steps make of it."""
    reached = [node]
    for _ in range(_STEPS):
        reached = [reader for step in reached for reader in graph.consumers[step]]
        if any(isinstance(reader.op, Exp) for reader in reached):
            return True
    return False


# --- what numbers say


def _scales(
    graph: Graph, taken: Mapping[str, Pair], file: Checkpoint, names: str
) -> MeansOtherwise | None:
    """Scales of norms, or how far they are from one."""
    plain, shifted = (
        [
            node
            for node in graph.nodes
            if isinstance(node.op, LayerNorm | RmsNorm)
            and bool(node.op.offset) is kept
            and f"{node.path}.weight" in taken
        ]
        for kept in (False, True)
    )
    rooted = plain and not shifted and any(isinstance(n.op, RmsNorm) for n in plain)
    if rooted and _GEMMA.is_of(names):
        return MeansOtherwise(
            f"the names are those {_GEMMA.said}, whose norms multiply by one more than their weights",
            f"`{plain[0].path}` multiplies by them",
            "`rmsnorm(offset=1)` says it",
        )
    for nodes, least in ((plain, True), (shifted, False)):
        if nodes:
            parts = [file.read(part) for n in nodes for part in taken[f"{n.path}.weight"].parts]
            below = _share(parts, lambda values: values < 0)
            if least and (below > _BELOW[0] or not any(part.any() for part in parts)):
                return MeansOtherwise(
                    f"{below:.0%} of the norms' scales are below zero, and all may be kept from one on"
                    if below
                    else "the norms' scales are all zero, and may be kept from one on",
                    f"`{nodes[0].path}` multiplies by them",
                    "`offset=1` of `rmsnorm` and `layernorm` multiplies by one more",
                )
            if not least and below < _BELOW[1] and any(part.any() for part in parts):
                return MeansOtherwise(
                    "hardly any of the norms' scales is below zero, as if they were whole",
                    f"`{nodes[0].path}` multiplies by more",
                    "without `offset` a norm multiplies by them",
                )
    return None


def _share(parts: Iterable[np.ndarray], holds: Callable[[np.ndarray], np.ndarray]) -> float:
    counts = [(int(holds(part).sum()), part.size) for part in parts]
    return sum(found for found, _ in counts) / max(1, sum(size for _, size in counts))


def _variances(graph: Graph, taken: Mapping[str, Pair], file: Checkpoint) -> MeansOtherwise | None:
    """Keras' names, and variances so small that what is added to them counts."""
    for node in graph.nodes:
        pair = taken.get(f"{node.path}.running_var")
        if not isinstance(node.op, BatchNorm) or pair is None or node.op.eps >= _KERAS_EPS:
            continue
        if not re.search(r"moving_var(iance)?(:0)?$", pair.parts[0]):
            continue
        least = float(min(file.read(part).min() for part in pair.parts))
        if least >= 0 and (least + _KERAS_EPS) > (1 + _SHARE) ** 2 * (least + node.op.eps):
            return MeansOtherwise(
                "the names are Keras', whose norms add 0.001 to a variance unless told otherwise",
                f"`{node.path}` adds {node.op.eps:g}, which counts: the least is {least:.1g}",
                "`bn(eps=0.001)` says it, if the file's net was not told otherwise",
            )
    return None
