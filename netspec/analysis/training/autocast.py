"""Which functions `torch.autocast` computes in which type; PyTorch's own lists, for CPU and CUDA.

The dispatcher holds them as kernels of `AutocastCPU` and `AutocastCUDA`; a test asks it.
"""

from __future__ import annotations

from netspec.foundation.records import record

_PRODUCTS = {
    "linear",
    "matmul",
    "prelu",
    "scaled_dot_product_attention",
    *(f"conv{rank}d" for rank in (1, 2, 3)),
    *(f"conv_transpose{rank}d" for rank in (1, 2, 3)),
}


@record
class Policy:
    """The functions computed in the lower type, in float32, and in the widest type of what they are given."""

    low: frozenset[str]
    full: frozenset[str]
    widest: frozenset[str]


POLICIES = {
    "cpu": Policy(
        low=frozenset(_PRODUCTS | {"mkldnn_rnn_layer"}),
        full=frozenset(
            {
                "adaptive_avg_pool3d",
                "adaptive_max_pool3d",
                "avg_pool3d",
                "grid_sampler",
                "max_pool3d",
                "prod",
                "reflection_pad1d",
                "reflection_pad2d",
                "replication_pad1d",
                "replication_pad2d",
                "replication_pad3d",
            }
        ),
        widest=frozenset({"cat", "index_copy", "stack"}),
    ),
    "cuda": Policy(
        low=frozenset(_PRODUCTS | {"_cudnn_rnn"}),
        full=frozenset(
            {
                "cumsum",
                "exp",
                "group_norm",
                "layer_norm",
                "linalg_vector_norm",
                "log",
                "log2",
                "log_softmax",
                "pow",
                "prod",
                "reciprocal",
                "rms_norm",
                "rsqrt",
                "softmax",
                "softplus",
                "sum",
                "upsample_bicubic2d",
                "upsample_bilinear2d",
                "upsample_linear1d",
                "upsample_trilinear3d",
            }
        ),
        widest=frozenset({"grid_sampler"}),
    ),
}
