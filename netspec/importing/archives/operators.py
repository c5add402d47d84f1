"""The operators that an archive may call: of torch's own, those that compute a tensor from tensors.

None of them opens a file, draws numbers or runs what it is given; all take numbers, words and tensors only.
They are called as Python has them, so that who traces a module sees which sizes follow from its inputs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]
_ATEN = frozenset(
    """
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d _weight_norm abs abs_
    acos adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
    adaptive_max_pool2d add add_ addbmm addcdiv addcmul addmm addmv affine_grid_generator alpha_dropout
    amax amin aminmax arange argmax argmin asin atan atan2 avg_pool1d avg_pool2d avg_pool3d baddbmm
    batch_norm bilinear bmm broadcast_to cat cdist ceil celu channel_shuffle chunk clamp clamp_
    clamp_max clamp_min clone col2im column_stack concat constant_pad_nd contiguous conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d convolution cos cosh cosine_similarity cumprod
    cumsum diagonal div div_ dropout dropout_ dstack einsum elu elu_ embedding eq erf erfc exp exp2
    expand expand_as expm1 feature_alpha_dropout feature_dropout flatten flip floor floor_divide fmod
    frac full full_like gather ge gelu glu grid_sampler group_norm gru gru_cell gt hardshrink
    hardsigmoid hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ hstack im2col index index_select
    instance_norm isfinite isinf isnan layer_norm le leaky_relu leaky_relu_ lerp linear linspace log
    log10 log1p log2 log_sigmoid log_softmax logical_and logical_not logical_or logical_xor logit
    logsumexp lstm lstm_cell lt masked_fill masked_fill_ matmul max max_pool1d max_pool2d max_pool3d
    max_unpool2d max_unpool3d maximum mean min minimum mish mish_ mm mul mul_ mv
    nan_to_num narrow ne neg new_full new_ones new_zeros norm not_equal ones ones_like outer pad
    pairwise_distance permute pixel_shuffle pixel_unshuffle positive pow prelu prod reciprocal
    reflection_pad1d reflection_pad2d relu relu6 relu6_ relu_ remainder repeat repeat_interleave
    replication_pad1d replication_pad2d reshape rms_norm rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell
    roll rot90 round rsqrt rsub scalar_tensor scaled_dot_product_attention scatter scatter_add select
    selu selu_ sigmoid sigmoid_ sign silu silu_ sin sinh softmax softplus softshrink sort split
    split_with_sizes sqrt square squeeze stack std sub sub_ sum swapaxes swapdims t tan tanh tanh_
    threshold threshold_ tile topk transpose tril triu true_divide trunc type_as unbind unflatten unfold
    unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
    upsample_nearest2d upsample_nearest3d upsample_trilinear3d var var_mean view view_as vstack where
    zeros zeros_like
    """.split()
)
# Calls that only hold a size or a type to something: nothing is computed.
ASSERTING = frozenset(
    """
    _assert_scalar _assert_tensor_metadata sym_constrain_range sym_constrain_range_for_size
    """.split()
)
# Arithmetic of sizes, whose results are no larger than a product.
_SIZES: dict[str, Function] = {
    f"_operator.{name}": getattr(operator, name)
    for name in ("add", "floordiv", "ge", "gt", "le", "lt", "eq", "ne", "mod", "mul", "neg", "sub")
}


def callable_of(torch: Any, target: str) -> Function | None:
    """What a call of an archive calls; None for what is not in the list."""
    if target in _SIZES:
        return _SIZES[target]
    name = _named(target)
    if name is None or name in ASSERTING:
        return None
    own = _own(torch).get(name)
    if own is not None or name not in _ATEN:
        return own
    for place in (torch._C._nn, torch._C._VariableFunctions, torch.Tensor):
        found: Function | None = getattr(place, name, None)
        if found is not None:
            return found
    return None


def is_assertion(target: str) -> bool:
    """Whether a call computes nothing."""
    return _named(target) in ASSERTING


def keywords_of(torch: Any, target: str) -> frozenset[str]:
    """The arguments of a call that are given by name only."""
    words = target.split(".")
    if _named(target) is None:
        return frozenset()
    found = getattr(getattr(torch.ops.aten, words[3]), words[4])
    return frozenset(a.name for a in found._schema.arguments if a.kwarg_only)


def _named(target: str) -> str | None:
    words = target.split(".")
    return words[3] if words[:3] == ["torch", "ops", "aten"] and len(words) == 5 else None


def _own(torch: Any) -> dict[str, Function]:
    """What Python has under another name or otherwise, the parts of core operators among it."""

    def sliced(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
        return x[(*(slice(None),) * (dim % x.dim()), slice(start, end, step))]

    def typed(x: Any, *given: Any, **named: Any) -> Any:
        types = [v for v in (*given, *named.values()) if isinstance(v, torch.dtype)]
        return x.to(types[0]) if types else x

    def same(x: Any) -> Any:
        return x

    def softmax(x: Any, dim: int, half: bool) -> Any:
        return torch.softmax(x, dim)

    def log_softmax(x: Any, dim: int, half: bool) -> Any:
        return torch.log_softmax(x, dim)

    def taken(x: Any, places: Any) -> Any:
        return x[tuple(slice(None) if at is None else at for at in places)]

    def moved(x: Any, source: Any, destination: Any) -> Any:
        # Exporters keep axes that are counted from the end, which no file may hold.
        lists = ([v] if isinstance(v, int) else v for v in (source, destination))
        return torch.movedim(x, *([axis % x.dim() for axis in axes] for axes in lists))

    def pooled(*given: Any) -> Any:
        return torch.max_pool2d(*given), None

    def layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
        return torch.layer_norm(x, shape, weight, bias, eps), None, None

    def batch_norm(x: Any, weight: Any, bias: Any, mean: Any, var: Any, *rest: float) -> Any:
        return torch.batch_norm(x, weight, bias, mean, var, False, *rest, False), None, None

    def group_norm(x: Any, weight: Any, bias: Any, n: Any, c: Any, hw: Any, *rest: Any) -> Any:
        groups, eps = rest
        return torch.group_norm(x, groups, weight, bias, eps), None, None

    def attention(
        q: Any, k: Any, v: Any, p: float = 0.0, causal: bool = False, **given: Any
    ) -> Any:
        mask, scale = given.get("attn_mask"), given.get("scale")
        attend = torch.nn.functional.scaled_dot_product_attention
        return attend(q, k, v, mask, 0.0, causal, scale=scale), None

    def length(x: Any, order: float = 2, dim: Any = None, keep: bool = False, **named: Any) -> Any:
        return torch.linalg.vector_norm(x, order, dim, keep, **named)

    return {
        "_adaptive_avg_pool2d": torch._C._nn.adaptive_avg_pool2d,
        "_log_softmax": log_softmax,
        "_native_batch_norm_legit_no_training": batch_norm,
        "_scaled_dot_product_flash_attention_for_cpu": attention,
        "_softmax": softmax,
        "_to_copy": typed,
        "_unsafe_view": torch.Tensor.reshape,
        "alias": same,
        "detach": same,
        "index": taken,
        "detach_": same,
        "lift_fresh_copy": torch.clone,
        "linalg_vector_norm": length,
        "movedim": moved,
        "moveaxis": moved,
        "max_pool2d_with_indices": pooled,
        "native_group_norm": group_norm,
        "native_layer_norm": layer_norm,
        "slice": sliced,
        "sym_size": torch.Tensor.size,
        "to": typed,
    }
