"""Several runs of `examples/train.py`, one after the other in this process and those beside it.

Under torchrun: `training_runs.py RESULTS [RUN]...`, what `run` is called with in JSON. The first process
writes what it gave.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from support.places import ROOT

sys.path.insert(0, str(ROOT / "examples"))

import train

import netspec


def run(arguments: list[str], recompute: Sequence[str] = ()) -> dict[str, Any]:
    """The losses of one run, and the share of the net's parameters that this process held in it.

    The blocks of `recompute` are computed anew for backward.
    """
    seen: dict[str, Any] = {}
    spread = train.spread

    def watched(module: torch.nn.Module, parallel: str) -> torch.nn.Module:
        netspec.recompute_blocks(module, *recompute)
        whole = sum(p.numel() for p in module.parameters())
        model = spread(module, parallel)
        held = sum(getattr(p, "to_local", lambda p=p: p)().numel() for p in model.parameters())
        seen["share"] = held / whole
        return model

    train.spread = watched
    try:
        seen["losses"] = train.main.main(arguments, standalone_mode=False)
    finally:
        train.spread = spread
    return seen


if __name__ == "__main__":
    torch.set_num_threads(1)
    results, *runs = sys.argv[1:]
    dist.init_process_group("gloo")
    found = [run(*json.loads(each)) for each in runs]
    if dist.get_rank() == 0:
        Path(results).write_text(json.dumps(found))
    dist.destroy_process_group()
