"""Did you mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

# Layers as other libraries call them, in lower case without `_` and `2d`.
_LAYERS = {
    "adaptiveavgpool": "adaptive_avgpool",
    "adaptivemaxpool": "adaptive_maxpool",
    "averagepool": "avgpool",
    "basicblock": "basic",
    "bottleneckblock": "bottleneck",
    "averagepooling": "avgpool",
    "avgpooling": "avgpool",
    "batchnormalization": "bn",
    "bmm": "matmul",
    "cat": "concat",
    "clamp": "clip",
    "concatenate": "concat",
    "convolution": "conv",
    "convolutional": "conv",
    "convtranspose": "deconv",
    "convtransposed": "deconv",
    "deconvolution": "deconv",
    "dense": "fc",
    "deformableconv": "deformconv",
    "depthtospace": "pixel_shuffle",
    "depthwise": "dwconv",
    "depthwiseconv": "dwconv",
    "dot": "matmul",
    "eltwise": "add",
    "featurepyramid": "fpn",
    "featurepyramidnetwork": "fpn",
    "feedforward": "mlp",
    "fullyconnected": "fc",
    "ffn": "mlp",
    "geglu": "gated",
    "ghostmodule": "ghost",
    "globalaveragepooling": "gap",
    "globalavgpool": "gap",
    "globalmaxpool": "gmp",
    "globalmaxpooling": "gmp",
    "groupnormalization": "groupnorm",
    "instancenormalization": "instancenorm",
    "interpolate": "upsample",
    "layernormalization": "layernorm",
    "linear": "fc",
    "innerproduct": "fc",
    "leakyrelu": "leaky",
    "localresponsenorm": "lrn",
    "maxpooling": "maxpool",
    "mha": "attention",
    "multiheadattention": "attention",
    "multiheadselfattention": "attention",
    "multiply": "mul",
    "nonmaxsuppression": "nms",
    "normalize": "l2norm",
    "permute": "transpose",
    "power": "pow",
    "pixelshuffle": "pixel_shuffle",
    "pixelunshuffle": "pixel_unshuffle",
    "resize": "upsample",
    "se": "squeeze_excite",
    "selayer": "squeeze_excite",
    "semodule": "squeeze_excite",
    "seblock": "squeeze_excite",
    "sep": "depthwise_separable",
    "separable": "depthwise_separable",
    "separableconv": "depthwise_separable",
    "sepconv": "depthwise_separable",
    "spacetodepth": "pixel_unshuffle",
    "selfattention": "attention",
    "squeeze": "reshape",
    "stochasticdepth": "droppath",
    "subtract": "sub",
    "swiglu": "gated",
    "transposedconv": "deconv",
    "unsqueeze": "reshape",
    "up": "upsample",
    "upsampling": "upsample",
    "view": "reshape",
    "zeropad": "pad",
    "zeropadding": "pad",
}
# What has no word of its own.
_UNSPELT = {
    "activation": "name the activation itself: relu, tanh, ...",
    "def": "a block is a layer of one's own: `block name(n) { ... }`",
    **dict.fromkeys(
        ("cbr", "convbn", "convbnact", "convbnrelu", "convrelu"),
        "a convolution takes both: `conv3-64(norm=bn, act=relu)`",
    ),
    **dict.fromkeys(
        ("resblock", "residualblock", "residualunit"),
        "`residual { ... }` adds what flows in; `basic(64)` and `bottleneck(64)` are ResNet's blocks",
    ),
    "class": "a net is a file of steps: `net name`, `input 3x224x224`, then `conv3-64`",
    "elif": "write `else if`",
    "foreach": "`for i in 1..3 { ... }` counts",
    **dict.fromkeys(
        ("branch", "branches", "fork", "parallel", "paths", "towers"),
        "braces alone fork: `{ | a | b }`",
    ),
    "glu": "of halves: `split(2); { | identity | sigmoid }; mul`; with layers of its own: `gated`",
    "input": "what flows in is said by `input 3x224x224`, channels first",
    **dict.fromkeys(
        ("const", "let", "var"), "a net's parameters stand behind its name: `net name(n=8)`"
    ),
    "false": "write `none` where there is no layer",
    "layer": "a layer is a step on a line of its own: `conv3-64`",
    "loop": "write a repeat behind the step: `conv3-64 x3`, or `for i in 1..3 { ... }`",
    "model": "a net's name stands on a line of its own: `net name`",
    "pool": "name the pooling: `maxpool2`, `avgpool2`, or `gap` of a whole map",
    "pooling": "name the pooling: `maxpool2`, `avgpool2`, or `gap` of a whole map",
    "reflectionpad": "write `pad(3, mode=reflect)`, or `conv7-64(pad=3, pad_mode=reflect)`",
    "repeat": "write a repeat behind the step: `conv3-64 x3`, or `for i in 1..3 { ... }`",
    "return": "what flows out at the end is the output; `output a, b` names others",
    "sequential": "steps follow one another without a word: `conv3-64; relu`",
    **dict.fromkeys(("skip", "shortcut"), "use `residual { ... }`, or `add(@name)`"),
    "spatialdropout": "write `dropout(over=channels)`",
    "true": "name the layer itself: `norm=bn`, `act=relu`",
    "while": "write a repeat behind the step: `conv3-64 x3`, or `for i in 1..3 { ... }`",
}

# Arguments as other libraries call them; of several, the one that a step has is meant.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("activation", "activation_fn", "act_layer", "nonlinearity"), ("act",)),
    **dict.fromkeys(("alpha", "negative_slope"), ("slope", "alpha")),
    **dict.fromkeys(("bias_initializer", "bias_filler"), ("bias_init",)),
    **dict.fromkeys(("bias_term", "use_bias"), ("bias",)),
    **dict.fromkeys(("block_size", "scale_factor", "upscale_factor"), ("factor",)),
    **dict.fromkeys(("d", "dilation_rate"), ("dilation",)),
    **dict.fromkeys(("features", "filters", "hidden_size", "num_output"), ("width", "n")),
    **dict.fromkeys(("embedding_dim", "out_channels", "out_features", "units"), ("width", "n")),
    **dict.fromkeys(("g", "group", "num_groups"), ("groups",)),
    **dict.fromkeys(("head", "n_heads", "nhead", "num_heads"), ("heads",)),
    **dict.fromkeys(("k", "kernel_size", "ksize", "pool_size", "window_shape"), ("kernel",)),
    **dict.fromkeys(("kernel_initializer", "weight_filler"), ("init",)),
    **dict.fromkeys(("n_layers", "num_layers"), ("layers",)),
    **dict.fromkeys(("norm_layer", "normalization"), ("norm",)),
    **dict.fromkeys(("s", "strides"), ("stride",)),
    "ceil_mode": ("ceil",),
    "count_include_pad": ("count_pad",),
    "epsilon": ("eps",),
    "interpolation": ("mode",),
    "output_padding": ("output_pad",),
    "output_size": ("size",),
    "p": ("rate", "pad"),
    "padding": ("pad", "amount"),
    "padding_mode": ("pad_mode",),
    "size": ("kernel", "factor"),
    "stride": ("s",),
}
# Arguments of other libraries that say what flows in.
IMPLIED = {
    **dict.fromkeys(
        ("in_channels", "in_features", "input_dim", "input_shape", "input_size", "num_features"),
        "its size is that of what flows in",
    ),
    **dict.fromkeys(
        ("embed_dim", "key_dim", "normalized_shape", "num_embeddings", "num_channels"),
        "its size is that of what flows in",
    ),
    **dict.fromkeys(
        ("batch_first", "data_format"), "sizes are those of one sample, channels first"
    ),
    **dict.fromkeys(
        ("axis", "dim"), "a step works along the channels, but where it says otherwise"
    ),
    "inplace": "every step makes a new tensor",
    "name": "a step is named behind it, `relu as a`",
    "trainable": "`frozen=yes` says that weights are not trained",
}
# Layers that other libraries switch on by an argument of another one.
_SWITCHED = {
    **dict.fromkeys(
        ("batch_norm", "batch_normalize", "batchnorm", "bn", "use_bn"), "write `norm=bn`"
    ),
    **{name: f"write `act={name}`" for name in ("gelu", "leaky", "relu", "sigmoid", "tanh")},
    "dropout": "a dropout is a step of its own: `fc-10; dropout(0.5)`",
}


class _Budget:
    """Comparisons left before words are no longer compared, so that many mistakes cost little.

    As many as for all the mistakes that are shown; each takes some 25 microseconds.
    """

    ALLOWED = 10_000
    left = ALLOWED

    @classmethod
    def allows(cls, comparisons: int) -> bool:
        """Takes note of comparisons; whether there are as many left."""
        cls.left -= comparisons
        return cls.left >= 0


def renew_budget() -> None:
    """Allows as many comparisons as at first: called once for each spec, its edits included."""
    _Budget.left = _Budget.ALLOWED


@contextmanager
def unadvised() -> Iterator[None]:
    """Nothing is compared meanwhile: what goes wrong is not shown."""
    left, _Budget.left = _Budget.left, 0
    try:
        yield
    finally:
        _Budget.left = left


def is_advised() -> bool:
    """Whether words are still compared."""
    return _Budget.left > 0


def closest(word: str, known: Iterable[str]) -> str:
    """The one to three known words nearest to `word`, quoted and joined; empty if none is near."""
    from difflib import get_close_matches

    if not is_advised():
        return ""
    names = sorted(set(known))
    if not _Budget.allows(len(names)):
        return ""
    meant = next((name for name in ARGUMENTS.get(word, ()) if name in names), None)
    near = [meant] if meant else get_close_matches(word, names, n=3, cutoff=0.7)
    if not near:
        near = [name for name in names if name.lower() == word.lower()]
    return " or ".join(f"`{name}`" for name in near)


def advised(word: str, known: Iterable[str], usage: str) -> str:
    """What to say of an argument that is not among the `known`, before how the call is used."""
    if word in _SWITCHED:
        return f"{_SWITCHED[word]}; {usage}"
    near = closest(word, known)
    if word == "kernel" and "width" in known:
        return f"a width stands behind a dash, `fc-10`; {usage}"
    if not near and word in IMPLIED:
        return f"leave it out: {IMPLIED[word]}; {usage}"
    return f"did you mean {near}? {usage}" if near else usage


def elsewhere(word: str, known: Collection[str]) -> str:
    """Advice on a layer that other libraries spell so; empty where none does.

    `known` are the layers there are: one that differs in case and underscores only is meant.
    """
    if not _Budget.allows(len(known)):
        return unspelt(word)
    meant = layer(word, known)
    if not meant and _ABBREVIATED.fullmatch(word):
        return _ABBREVIATIONS
    return f"did you mean `{meant}`?" if meant else unspelt(word)


# Layers as the texts of CycleGAN and pix2pix abbreviate them.
_ABBREVIATED = re.compile(r"c\d+s\d+|CD?\d+|[duR]\d+")
_ABBREVIATIONS = (
    "of CycleGAN's and pix2pix's words `c7s1-64` is `conv7-64`, `d64` `conv3-64/2`, `u64` `deconv3-64/2`, "
    "`R64` `residual { conv3-64; conv3-64 }` and `C64` `conv4-64/2`"
)


def layer(word: str, known: Collection[str]) -> str:
    """The layer among the `known` that other libraries call so; empty where none is."""
    plain = _plain(word)
    return _LAYERS.get(plain) or next((name for name in sorted(known) if _plain(name) == plain), "")


def unspelt(word: str) -> str:
    """What is written instead of a word of another language; empty where it is none."""
    return _UNSPELT.get(_plain(word), "")


@lru_cache(maxsize=1024)
def _plain(word: str) -> str:
    return re.sub("[123]d|_", "", word.lower())
