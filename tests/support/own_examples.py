"""Examples of operators whose files come back as other steps, or not at all: by why they do.

An example is the operator, what its input is declared as, and its step, as `tests` have them. The lists
are held from both sides: what is not listed comes back, what is listed does not, and why is tested too.
"""

from __future__ import annotations

Example = tuple[str, str, str]

# Files of what training alone needs compute nothing, and a net has a step that does.
REFUSED: frozenset[Example] = frozenset(
    {
        ("pad_channels", "3", "pad_channels(3)"),
        ("dropout", "3x4", "dropout(0.5)"),
        ("dropout", "3x4x5", "dropout(0.2, over=channels)"),
        ("droppath", "3x4x5", "droppath(0.2)"),
        ("droppath", "4", "droppath(0.5)"),
    }
)
# What comes back makes the same file to the node: which numbers are trained, kept or drawn, is in none.
TRAINED: frozenset[Example] = frozenset(
    {
        ("mean", "3x4x5", "mean(drop_path=0.15) { | conv1-3 | conv3-3(pad=1) }"),
        ("bn", "4x5", "bn(affine=no)"),
        ("layernorm", "4x7", "layernorm(affine=no)"),
        ("layernorm", "4x7", "layernorm(bias=no)"),
        ("instancenorm", "3x4x5", "instancenorm"),
        ("instancenorm", "2x2x3x4", "instancenorm"),
        ("instancenorm", "3x4x5", "instancenorm(track=yes)"),
        ("instancenorm", "3x7", "instancenorm(track=yes, affine=no)"),
        ("conv", "1x7x8", "conv-2(fixed=[[[[-1, 0, 1]]], [[[1, 0, -1]]]], pad=same, bias=no)"),
        ("dwconv", "3x9x9", "dwconv(fixed=[[0, 1, 0], [1, -4, 1], [0, 1, 0]], bias=no)"),
        ("dwconv", "2x9x9", "dwconv5/2(fixed=gaussian_window(1.5), pad=2)"),
        ("deconv", "3x4x4", "deconv4-3/2(pad=1, fixed=bilinear, bias=no)"),
        ("constant", "2x3", "mul { | identity | constant([[1, 2, 3], [4, 5, 6]]) }"),
        ("constant", "3x4x4", "add { | identity | constant(0.5, shape=3) }"),
        ("constant", "3", "constant(ones, shape=2x3)"),
        ("waves", "6x5", "waves(offsets=yes)"),
        ("relative_scores", "4x5", "waves(offsets=yes) as p; @input; relative_scores(2, @p)"),
    }
)
# The same file: sizes that follow from others, or from an end, are numbers in it.
SIZES: frozenset[Example] = frozenset(
    {
        ("pick", "3x9", "pick((0, -1, 4, 4), axis=time)"),
        ("reassemble", "2x4x6", "relu as x; partition(by=2); gap; reassemble(@x, by=2)"),
        ("crop", "2x8x9", "relu as whole; maxpool2 as small; @whole; crop(@small, offset=3)"),
        ("crop", "2x9x8", "relu as whole; maxpool2 as small; @whole; crop(@small)"),
        (
            "affine_grid",
            "3x5x6",
            "gap; fc-6; affine_grid(@input) as grid; @input; grid_sample(@grid)",
        ),
        ("upsample", "2x7x9", "relu as x; maxpool2; upsample(@x)"),
        ("embedding", "2x3 ids(4)", "embedding-6(rows=9)"),
    }
)
# The same file: two spellings of one thing, by two words or by two values of an argument.
SPELLINGS: frozenset[Example] = frozenset(
    {
        ("hardtanh", "3x4", "hardtanh"),
        ("hardtanh", "3x4", "hardtanh(-0.5, 2)"),
        ("lrn", "6x5x5", "lrn(5, k=2, alpha=0.5, average=no)"),
        ("lrn", "5x4x3", "lrn(2, alpha=0.5, average=no)"),
        ("lrn", "3x5x5", "lrn(1000001, alpha=10)"),
        ("adaptive_maxpool", "2xHxW", "adaptive_maxpool(1)"),
        ("deconv", "3x4", "deconv2-3/3(pad=tf_same)"),
        (
            "correlate",
            "4x9x9",
            "crop(size=3x2, offset=1x0); relu as seen; @input; correlate(@seen, groups=4)",
        ),
        (
            "deformconv",
            "4x7x6",
            "conv2-16/2 as moved; @input; conv2-8/2; sigmoid as mask; @input; "
            "deformconv2-6/2(@moved, @mask, pad=((0, 0), (0, 1)), groups=2, bias=no)",
        ),
        ("fold", "2x6x9", "relu as x; unfold2x3/2(pad=same); fold2x3/2(@x, pad=same)"),
        ("maxpool", "3x8x8", "maxpool3/2(ceil=yes)"),
        ("avgpool", "2x9", "avgpool3/2(ceil=yes, pad=1)"),
        ("lppool", "2x9", "lppool3/2(ceil=yes)"),
        ("unpool", "2x8x6", "maxpool3/2(ceil=yes) as p; unpool(@p)"),
        ("unpool", "2x6x6", "maxpool3/2(pad=((0, 1), (1, 2)), ceil=yes) as p; unpool(@p)"),
        ("upsample", "2x1x1", "upsample(size=3x4, mode=bilinear)"),
        ("attention", "8x2x3", "attention(2, rotary=100)"),
    }
)
# Other steps that compute the same, and no more tokens: what is folded to constants, or has a plainer word.
SHORTER: frozenset[Example] = frozenset(
    {
        ("slice", "6x4x5", "slice(1, -1, step=2)"),
        ("slice", "6x9", "slice(-1, axis=time)"),
        ("reshape", "2x3x4", "reshape(24)"),
        ("grid", "2x3x4", "relu as x; sequence; grid(@x)"),
        ("unstack", "3x1", "unstack"),
        ("celu", "3x4", "celu"),
        ("layernorm", "4x7", "layernorm(offset=1)"),
        ("rmsnorm", "4x7", "rmsnorm(offset=1)"),
        ("affine", "3x4", "affine(per=layer, init=0.75, bias_init=0.5)"),
        ("clip", "3x4", "clip(low=0)"),
        ("adaptive_avgpool", "3x8x8", "adaptive_avgpool(4)"),
        ("adaptive_maxpool", "3x8x8", "adaptive_maxpool(4)"),
        ("crop", "2x9", "crop(size=5, offset=3)"),
        ("conv", "4x6x7", "conv3-6(pad=same, groups=2, standardise=1e-5)"),
        ("conv", "3x6x7", "conv3-4/2(pad=tf_same, standardise=1e-6, gain=1.71)"),
        ("correlate", "4x7x8", "crop(size=3x3); waves as k; @input; correlate(@k, pad=same)"),
        (
            "correlate",
            "4x6x7",
            "crop(size=2x3); waves; groupnorm(1, affine=no) as k; @input; correlate(@k, dilation=2, pad=2)",
        ),
        ("tableconv", "3x7x8", "tableconv3-2(table=[[0, 2], [1]])"),
        (
            "tableconv",
            "3x9x9",
            "tableconv3-4/2(pad=((1, 0), (1, 2)), table=[[0], [0, 1], [0, 1, 2], [2]])",
        ),
        ("tableconv", "2x8", "tableconv3(table=[[1], [0, 1]], bias=no)"),
        ("tableconv", "2x6x6", "tableconv(table=[[0, 1], [1]], fixed=[[1, 2], [3, 4]])"),
        ("upsample", "2xHxW", "relu as x; gap(keep=yes); upsample(@x, mode=bilinear)"),
        ("fc", "3x6x7", "fc-4(over=3)"),
        ("fc", "3xHxW", "fc-4(over=2x3)"),
        ("fc", "3x4", "fc-5(over=4, bias=no)"),
        ("fc", "2x3x4x5", "fc-3(over=2)"),
        ("lstm", "3x5", "lstm-4(bidirectional=yes, layers=2)"),
        ("lstm", "3x5", "lstm-4(layers=2, bias=no)"),
        ("lstm", "3x5", "lstm-4(projection=2, layers=2)"),
        ("gru", "3x5", "gru-4(bidirectional=yes, layers=2)"),
        ("rnn", "3x5", "rnn-4(layers=2, last=yes)"),
        ("relative", "4xT", "relative(2, buckets=6, most=9)"),
        (
            "offsets",
            "4x2x3",
            "relu as x; offsets; conv1-2; pairwise as b; @x; attention(2, scores=@b)",
        ),
        ("offsets", "4x3x3", "offsets(log); conv1-2(act=relu)"),
        ("position", "4x6", "position(init=sinusoids)"),
        ("parameter", "3x4", "add { | identity | parameter(3x4) }"),
        ("expand", "3x4", "relu as x; parameter(3x4); expand(@x)"),
    }
)
# Other steps that compute the same in more tokens: what no rule sees.
LONGER: dict[Example, str] = {
    (
        "adaptive_avgpool",
        "2xHx9",
        "adaptive_avgpool(1x2)",
    ): "only all axes of a map or none are tried as open",
    (
        "rbf",
        "2x3x2",
        "rbf-4(init=gaussian(1))",
    ): "patterns that are not the usual ones are trained or not, which no file says",
    (
        "pixel_unshuffle",
        "1x2x4x2",
        "pixel_unshuffle(2)",
    ): "an axis that becomes one of a single place is not seen to be taken apart",
    (
        "gru",
        "3x5",
        "gap; fc-16 as h; @input; gru-4(@h, layers=2, bidirectional=yes, state=yes)",
    ): "states of several layers are cut from one, and joined, in more steps than layers",
    (
        "scan",
        "2x3x5",
        "relu as x; gap(keep=yes); sigmoid as keep; @x; scan(@keep)",
    ): "a pooled map is kept where steps slide over it, not where it meets another",
}
