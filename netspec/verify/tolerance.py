"""How far a file may be off, by the precision that it computes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.foundation.records import record
from netspec.ops.declare.source import Input

if TYPE_CHECKING:
    import torch

    from netspec.graph.checked import Graph


@record
class Tolerance:
    """What is accepted of a precision: `times` PyTorch's own error in it, plus `plus`.

    Where rounding alone moves an output further than `steady`, what is allowed would hide a mistake.
    `nudge` is a few roundings' worth, relative.
    """

    times: float
    plus: float
    steady: float
    nudge: float

    def allowed(self, torch_error: float) -> float:
        """How far ONNX Runtime may be off, given how far PyTorch is in this precision."""
        return self.times * torch_error + self.plus


# Measured on 6,000 random nets: rounding stays below this, mistakes in meaning are 1e-2 and more.
SINGLE = Tolerance(times=32.0, plus=1e-5, steady=3e-4, nudge=1e-6)
TF32 = Tolerance(times=32.0, plus=1e-2, steady=3e-4, nudge=1e-6)
# A half's rounding is 2^-11: four of them, and four times what rounding every layer does.
HALF = Tolerance(times=4.0, plus=2.0**-9, steady=2.0**-9, nudge=2.0**-11)

# Between a double's 53 binary digits and a half's 11: what Veltkamp's splitting multiplies by.
_SPLIT = 2.0**42 + 1


def tolerance(dtype: str, *, tf32: bool = False) -> Tolerance:
    """That of a file's precision, `fp32` or `fp16`."""
    if dtype == "fp16":
        return HALF
    return TF32 if tf32 else SINGLE


def in_half(module: Any, graph: Graph) -> Any:
    """Rounds a module in double precision: its weights, and what each of its layers gives, to half's digits.

    Its exponents stay: what leaves half's range is kept in single precision by the file too.
    """
    import torch

    def hook(_module: Any, _inputs: Any, result: Any) -> Any:
        several = isinstance(result, tuple | list)
        rounded = [_rounded(t) for t in (result if several else (result,))]
        return tuple(rounded) if several else rounded[0]

    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.copy_(_rounded(tensor))
    for node in graph.nodes:
        if not isinstance(node.op, Input):
            module.get_submodule(node.path).register_forward_hook(hook)
    return module


def _rounded(tensor: torch.Tensor | None) -> torch.Tensor | None:
    if tensor is None or not tensor.is_floating_point():
        return tensor
    large = tensor * _SPLIT
    return large - (large - tensor)
