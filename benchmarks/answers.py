"""What libraries' networks answer under weights that their tensors' names give: goldens of the tests.

    python benchmarks/answers.py tests/data/goldens2
    python benchmarks/answers.py --again tests/data/goldens*/*.json

The first writes a file for each network below: how it is made, its tensors by name and shape, and figures
of its answer to seeded input, which `tests/checkpoints/test_published_today.py` asks of the spec. The second
asks the networks of recorded files again, in float64. Nothing is downloaded.

`moved` is by how much the input's other sign, or the words from last to first, move the answer. Where gains
of norms near one let a signal die away layer by layer, no mistake in an early layer would show: `GAINS` has
others.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from libraries import timm, torchvision, transformers
from torch import nn
from torch.nn.utils import parametrize

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.published import values, values_of_today

Network = tuple[str, dict[str, Any], str, dict[str, Any], Any]
WORDS = {"ids": 100, "length": 37}
# By name: the model and its configuration, the spec and its settings, the input.
NETWORKS: dict[str, Network] = {
    "mamba_2x64": (
        "MambaForCausalLM",
        {"vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2},
        "mamba_130m",
        {"n": 64, "layers": 2, "words": 100},
        WORDS,
    ),
    "rwkv4_2x64": (
        "RwkvForCausalLM",
        {
            "vocab_size": 100,
            "hidden_size": 64,
            "attention_hidden_size": 64,
            "num_hidden_layers": 2,
            "rescale_every": 0,
        },
        "rwkv4_169m",
        {"n": 64, "layers": 2, "words": 100},
        WORDS,
    ),
    "segformer_b0": (
        "SegformerForSemanticSegmentation",
        {"num_labels": 150},
        "segformer_b0",
        {},
        [3, 96, 64],
    ),
    "wav2vec2_2x96": (
        "Wav2Vec2Model",
        {
            "hidden_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 384,
        },
        "wav2vec2_base",
        {"n": 96, "heads": 4, "layers": 2},
        [1, 2000],
    ),
}


def plain(module: nn.Module) -> nn.Module:
    """The module with each weight as it is used, not apart from its length."""
    for part in module.modules():
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")
    return module


def described(name: str) -> dict[str, Any]:
    """The record of one network below, without its answer."""
    model, said, spec, settings, asked = NETWORKS[name]
    kind = getattr(transformers, model)
    call = ", ".join(f"{k}={v!r}" for k, v in said.items())
    call = f"transformers.{model}(transformers.{kind.config_class.__name__}({call}))"
    module = plain(module_of(call))
    # What only training reads.
    state = {k: v for k, v in module.state_dict().items() if "masked_spec_embed" not in k}
    owners: dict[int, str] = {}
    for key, tensor in state.items():
        owners.setdefault(tensor.data_ptr(), key)
    tied = {k: owner for k, v in state.items() if (owner := owners[v.data_ptr()]) != k}
    trained = {p.data_ptr(): p.numel() for k, p in module.named_parameters() if k in state}
    return {
        "name": name,
        "spec": spec,
        "settings": settings,
        "library": f"transformers {transformers.__version__}",
        "call": call,
        "input": asked,
        "params": sum(trained.values()),
        "tied": tied,
        "tensors": [[k, list(v.shape)] for k, v in state.items() if v.dtype.is_floating_point],
    }


# By the names of files, where other gains than those of the folder's nets let more of the input through.
GAINS = {
    **dict.fromkeys(("densenet121", "densenet169", "googlenet", "inception_resnet_v2"), 1.0),
    **dict.fromkeys(("inception_v3", "mobilenet_v2", "shufflenet_v2_x1_0", "vgg16_bn"), 1.0),
    **dict.fromkeys(("resnet101", "nasnetalarge"), 0.7),
    **dict.fromkeys(("inception_v4", "mobilenet_v1", "cspdarknet53", "hrnet_w18"), 1.25),
    **{"efficientnet_v2_s": 1.25, "mobilevit_s": 1.5},
}
LIBRARIES = {"timm": timm, "torchvision": torchvision, "transformers": transformers}


def module_of(call: str) -> nn.Module:
    """The network that a recorded call makes."""
    return eval(call, dict(LIBRARIES))  # the calls stand in this repository


def output_of(module: nn.Module, given: torch.Tensor, words: bool) -> np.ndarray:
    """The first output for the first sample; a sequence of vectors has channels first, unless ids went in."""
    with torch.no_grad():
        found = module(given)
    found = next(iter(found.values())) if isinstance(found, dict) else found
    found = found[0] if isinstance(found, tuple) else found
    first = found[0]
    return (first.T if first.dim() == 2 and not words else first).numpy()


def renewed(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a network, its answer and how far that is moved told anew."""
    old = "logits_l2" in record
    gain = GAINS.get(record["name"], 0.5 if old else 1.0)
    drawn = values if old else values_of_today
    module = plain(module_of(record["call"])).double().eval()
    state = module.state_dict()
    with torch.no_grad():
        for key, shape in record["tensors"]:
            if key not in record.get("tied", {}):
                state[key].copy_(torch.from_numpy(np.asarray(drawn(key, shape, gain))))
    asked, random = record["input"], np.random.default_rng(0)
    if words := isinstance(asked, dict):
        given = torch.from_numpy(random.integers(0, asked["ids"], (1, asked["length"])))
        other = given.flip(-1)
    else:
        given = torch.from_numpy(random.standard_normal((1, *asked), dtype=np.float32)).double()
        given = given[:, 0] if len(asked) == 2 else given
        other = -given
    output = output_of(module, given, words)
    y = output.reshape(-1)
    moved = np.linalg.norm(output_of(module, other, words).reshape(-1) - y) / np.linalg.norm(y)
    first = [float(f"{v:.9g}") for v in y[:8]]
    total, length = float(f"{y.sum():.9g}"), float(f"{np.linalg.norm(y):.9g}")
    if old:
        told = {"logits_first8": first, "logits_sum": total, "logits_l2": length}
        told["argmax"] = int(y.argmax())
    else:
        dot = float(f"{y @ np.random.default_rng(1).standard_normal(y.size):.9g}")
        told = {
            "output": list(output.shape),
            "first8": first,
            "sum": total,
            "l2": length,
            "dot": dot,
        }
    was = record.get("logits_l2" if old else "l2")
    if was and math.isclose(was, length, rel_tol=1e-5):
        told = {}  # the same question: what stands there was answered to it
    tensors = record.pop("tensors")
    return {**record, **told, "gain": gain, "moved": float(f"{moved:.2g}"), "tensors": tensors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="+", type=Path, metavar="PLACE", help="a folder, or files")
    parser.add_argument("--again", action="store_true", help="ask what is recorded again")
    given = parser.parse_args()
    files = given.places if given.again else [given.places[0] / f"{n}.json" for n in NETWORKS]
    for file in files:
        record = renewed(json.loads(file.read_text()) if given.again else described(file.stem))
        file.write_text(json.dumps(record, separators=(",", ":")) + "\n")
        print(f"{file.stem:24} gain {record['gain']}  moved {record['moved']}", flush=True)


if __name__ == "__main__":
    main()
