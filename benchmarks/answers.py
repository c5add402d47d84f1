"""What networks of transformers answer under weights that their tensors' names give: goldens of the tests.

    python benchmarks/answers.py tests/data/goldens2

Writes a file for each network below: how it is made, its tensors by name and shape, and figures of its answer
to seeded input, which `tests/checkpoints/test_published_today.py` asks of the spec. Nothing is downloaded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn
from torch.nn.utils import parametrize

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from checkpoints.test_published_today import values

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


def answered(name: str) -> dict[str, Any]:
    """The record of one network."""
    model, said, spec, settings, asked = NETWORKS[name]
    kind = getattr(transformers, model)
    module = plain(kind(kind.config_class(**said))).double().eval()
    # What only training reads.
    state = {k: v for k, v in module.state_dict().items() if "masked_spec_embed" not in k}
    owners: dict[int, str] = {}
    tied = {}
    with torch.no_grad():
        for key, tensor in state.items():
            owner = owners.setdefault(tensor.data_ptr(), key)
            if owner != key:
                tied[key] = owner
            elif tensor.dtype.is_floating_point:
                made = values(key, [*tensor.shape])
                tensor.copy_(torch.from_numpy(np.asarray(made)))
    random = np.random.default_rng(0)
    if isinstance(asked, dict):
        given = torch.from_numpy(random.integers(0, asked["ids"], (1, asked["length"])))
    else:
        given = torch.from_numpy(random.standard_normal((1, *asked), dtype=np.float32)).double()
        given = given[:, 0] if len(asked) == 2 else given
    with torch.no_grad():
        found = module(given)
    output = next(iter(found.values()))[0]
    # A sequence that was no sequence of ids is told channels first, as the spec's.
    output = output.T if output.dim() == 2 and not isinstance(asked, dict) else output
    y = output.reshape(-1).numpy()
    trained = {p.data_ptr(): p.numel() for k, p in module.named_parameters() if k in state}
    figures = {
        "first8": [float(f"{v:.9g}") for v in y[:8]],
        "sum": float(f"{y.sum():.9g}"),
        "l2": float(f"{np.linalg.norm(y):.9g}"),
        "dot": float(f"{y @ np.random.default_rng(1).standard_normal(y.size):.9g}"),
    }
    call = ", ".join(f"{k}={v!r}" for k, v in said.items())
    config = kind.config_class.__name__
    return {
        "name": name,
        "spec": spec,
        "settings": settings,
        "library": f"transformers {transformers.__version__}",
        "call": f"transformers.{model}(transformers.{config}({call}))",
        "input": asked,
        "output": list(output.shape),
        "params": sum(trained.values()),
        **figures,
        "tied": tied,
        "tensors": [
            [key, list(tensor.shape)]
            for key, tensor in state.items()
            if tensor.dtype.is_floating_point
        ],
    }


def main() -> None:
    folder = Path(sys.argv[1])
    for name in NETWORKS:
        text = json.dumps(answered(name), separators=(",", ":"))
        (folder / f"{name}.json").write_text(text + "\n")
        print(name)


if __name__ == "__main__":
    main()
