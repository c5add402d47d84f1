"""Which module declares each operator, so that a net imports those it uses and no others.

Written by `python docs/make_operators.py`; edit the declarations in netspec/ops.
"""

# Modules under `netspec.ops`, and the words of the operators in each.
MODULES = {
    "arranging.channels": "split slice pick flip pad_channels shuffle",
    "arranging.merge": "concat add sum mul sub div maximum minimum mean",
    "arranging.partition": "partition reassemble roll",
    "arranging.reduce": "gsp sum_over_time over_channels",
    "arranging.select": "topk gather hardmax nms",
    "arranging.shape": "flatten reshape transpose sequence grid",
    "arranging.steps": "unstack stack",
    "elementwise.activation": "relu sigmoid softsign hardswish mish selu silu swish"
    " hardsigmoid relu6 hardtanh leaky prelu elu celu gelu"
    " softplus tanh softmax log_softmax",
    "elementwise.arithmetic": "scaled affine square sqrt abs",
    "elementwise.functions": "exp log sin cos reciprocal pow clip",
    "elementwise.norm": "bn batchnorm layernorm rmsnorm l2norm groupnorm instancenorm",
    "elementwise.regular": "dropout droppath sample",
    "elementwise.response": "lrn",
    "spatial.adaptive": "adaptive_avgpool adaptive_maxpool",
    "spatial.align": "roialign",
    "spatial.border": "pad crop subsample",
    "spatial.conv": "conv dwconv deconv",
    "spatial.correlate": "correlate",
    "spatial.deform": "deformconv",
    "spatial.historic": "tableconv unit_bias subsampling rbf",
    "spatial.pixels": "pixel_shuffle pixel_unshuffle",
    "spatial.pool": "maxpool avgpool lppool gap gmp max_over_time",
    "spatial.region": "roipool",
    "spatial.sampling": "grid_sample affine_grid",
    "spatial.unfold": "unfold fold",
    "spatial.unpool": "unpool",
    "spatial.upsample": "upsample",
    "vectors.attend": "attend",
    "vectors.attention": "attention",
    "vectors.by_offset": "relative_scores",
    "vectors.counted": "position_ids",
    "vectors.linear": "fc linear",
    "vectors.product": "matmul",
    "vectors.recurrent": "lstm gru rnn",
    "vectors.relative": "relative alibi offsets pairwise",
    "vectors.rotary": "rotary",
    "vectors.scan": "scan",
    "vectors.sequence": "embedding position token",
    "vectors.sources": "parameter constant waves expand",
}
HOMES = {word: f"netspec.ops.{at}" for at, words in MODULES.items() for word in words.split()}
