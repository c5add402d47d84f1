"""Measures what other tools count on netspec's PyTorch modules, for `tests/data/tool_counts.json`.

    pip install torchinfo==1.8.0 fvcore==0.1.5.post20221221
    python benchmarks/count_tools.py

Runs torch's FlopCounterMode, torchinfo and fvcore on every shipped spec and the examples of every
operator. The tests compare the presets of `netspec.analysis.presets` with these figures, so the
tools themselves are needed only here. fvcore traces a real run, minutes for all nets; the
other two run on the meta device.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch.utils.flop_counter import FlopCounterMode
from torchinfo import summary

from netspec.backends.torch.modules import skeleton
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.ops.registry import REGISTRY
from netspec.passes.deploy import deploy
from netspec.sizes.dims import substitute
from netspec.syntax.files import read_spec, shipped_names

TARGET = Path(__file__).parent.parent / "tests" / "data" / "tool_counts.json"


def sizes_of(graph: Graph) -> dict[str, int]:
    """A legal size for each symbol of the inputs."""
    found = graph.legality.example(64)
    assert found is not None
    return found


def inputs_of(graph: Graph, device: str) -> tuple[torch.Tensor, ...]:
    found = []
    for node in graph.inputs:
        tensor = node.types[0]
        batch = tensor.batch.rows(graph.nominal_sizes)
        shape = (batch, *(int(substitute(size, sizes_of(graph))) for size in tensor.shape))
        kind = torch.float32 if tensor.ids is None else torch.int64
        found.append(torch.zeros(shape, dtype=kind, device=device))
    return tuple(found)


def flop_counter(net: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs)
    return counter.get_total_flops() // 2


def torchinfo(net: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    found = summary(net, input_data=inputs, device="meta", verbose=0, depth=100)
    return int(found.total_mult_adds)


def fvcore(net: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    analysis = FlopCountAnalysis(net, inputs)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(analysis.total())


TOOLS = {"mac": (flop_counter, "meta"), "torchinfo": (torchinfo, "meta"), "fvcore": (fvcore, "cpu")}


def measure(graph: Graph) -> dict[str, Any]:
    """Each tool's total, or why it has none."""
    found: dict[str, Any] = {"sizes": sizes_of(graph)} if graph.symbols else {}
    for name, (tool, device) in TOOLS.items():
        net = skeleton(deploy(graph)).eval().to_empty(device=device)
        if device != "meta":
            for tensor in net.state_dict().values():
                tensor.zero_()
        try:
            found[name] = tool(net, inputs_of(graph, device))
        except Exception as error:  # a tool's own failure is what is recorded
            found[name] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return found


def examples() -> dict[str, dict[str, Any]]:
    found = {}
    for kind in dict.fromkeys(REGISTRY.values()):
        for shape, step in kind.examples:
            text = f"net example\ninput {shape}\n{step}\n"
            found[text] = measure(build(Source("example", text)))
    return found


def main() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    nets = {}
    for name in sys.argv[1:] or (shipped_names("lectures") + shipped_names("blocks")):
        nets[name] = measure(build(read_spec(name)))
        print(name, nets[name], flush=True)
    record = {"nets": nets, "examples": examples()}
    if not sys.argv[1:]:
        TARGET.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
