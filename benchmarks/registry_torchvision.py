"""torchvision as the registry has it, beside a torch for CPUs: for the benchmarks that load it."""

from __future__ import annotations

import importlib.util
import sys


def torchvision_without_operators() -> None:
    """Says what two of torchvision's operators are called, which only its build for CUDA brings along.

    The one of the registry fails to load beside a torch for CPUs; its transforms need none of them.
    """
    import torch

    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torchvision_without_operators.library = library  # type: ignore[attr-defined]
