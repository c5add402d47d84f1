"""Language models of transformers that `today.py` compares: what they are made with and asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

STEPS = 24
# What stores queries, keys and values by heads.
BY_HEADS = ("pythia", "bloom")
UNPOOLED = ("roberta_base", "roberta_large", "mobilebert")


def bert(n: int, layers: int, heads: int, **more: Any) -> dict[str, Any]:
    """A configuration of a net whose parts are called as BERT's."""
    sizes = {"hidden_size": n, "num_hidden_layers": layers, "num_attention_heads": heads}
    return sizes | {"intermediate_size": 4 * n} | more


def halves(n: int, layers: int, heads: int) -> dict[str, Any]:
    """A configuration of BART."""
    sizes = {
        f"{half}_{what}": value
        for half in ("encoder", "decoder")
        for what, value in (("layers", layers), ("attention_heads", heads), ("ffn_dim", 4 * n))
    }
    return {"d_model": n} | sizes


def turned(base: float, part: float = 1.0) -> dict[str, Any]:
    """Rotary positions."""
    said = {"rope_type": "default", "rope_theta": base, "partial_rotary_factor": part}
    return {"rope_parameters": said}


# The model, the spec, and what the configuration says, by the names that the weights have.
NETWORKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{
        f"pythia-{size}": (
            "GPTNeoXForCausalLM",
            f"pythia_{size.replace('.', '_')}",
            bert(n, layers, heads, vocab_size=50304 if n < 4096 else 50432) | turned(10000.0, 0.25),
        )
        for size, n, layers, heads in (
            ("70m", 512, 6, 8),
            ("160m", 768, 12, 12),
            ("410m", 1024, 24, 16),
            ("1b", 2048, 16, 8),
            ("1.4b", 2048, 24, 16),
        )
    },
    **{
        f"opt-{size}": (
            "OPTForCausalLM",
            f"opt_{size.replace('.', '_')}",
            {
                "hidden_size": n,
                "word_embed_proj_dim": n,
                "ffn_dim": 4 * n,
                "num_hidden_layers": layers,
                "num_attention_heads": heads,
            },
        )
        for size, n, layers, heads in (("125m", 768, 12, 12), ("1.3b", 2048, 24, 32))
    },
    **{
        f"bloom-{size}": (
            "BloomForCausalLM",
            f"bloom_{size}",
            {"hidden_size": n, "n_layer": 24, "n_head": 16, "vocab_size": 250880},
        )
        for size, n in (("560m", 1024), ("1b1", 1536), ("1b7", 2048))
    },
    **{
        f"Qwen2-{size}": (
            "Qwen2ForCausalLM",
            f"qwen2_{size.replace('.', '_').lower()}",
            bert(n, layers, heads, num_key_value_heads=2, tie_word_embeddings=True)
            | {"intermediate_size": inner}
            | turned(1e6),
        )
        for size, n, layers, heads, inner in (
            ("0.5B", 896, 24, 14, 4864),
            ("1.5B", 1536, 28, 12, 8960),
        )
    },
    **{
        f"Qwen3-{size}": (
            "Qwen3ForCausalLM",
            f"qwen3_{size.replace('.', '_').lower()}",
            bert(n, 28, 16, num_key_value_heads=8, head_dim=128, tie_word_embeddings=True)
            | {"intermediate_size": 3 * n}
            | turned(1e6),
        )
        for size, n in (("0.6B", 1024), ("1.7B", 2048))
    },
    "phi-1_5": ("PhiForCausalLM", "phi_1_5", bert(2048, 24, 32) | turned(10000.0, 0.5)),
    **{
        f"roberta-{size}": (
            "RobertaModel",
            f"roberta_{size}",
            bert(n, layers, heads, vocab_size=50265, max_position_embeddings=514)
            | {"type_vocab_size": 1, "layer_norm_eps": 1e-5},
        )
        for size, n, layers, heads in (("base", 768, 12, 12), ("large", 1024, 24, 16))
    },
    **{
        f"gpt-neo-{size}": (
            "GPTNeoForCausalLM",
            f"gpt_neo_{size.replace('.', '_').lower()}",
            {
                "hidden_size": n,
                "num_layers": layers,
                "num_heads": heads,
                "attention_types": [[["global", "local"], layers // 2]],
            },
        )
        for size, n, layers, heads in (("125m", 768, 12, 12), ("1.3B", 2048, 24, 16))
    },
    **{
        f"SmolLM2-{size}": (
            "LlamaForCausalLM",
            f"smollm2_{size.replace('.', '_').lower()}",
            bert(n, layers, heads, num_key_value_heads=kv_heads, tie_word_embeddings=True)
            | {"intermediate_size": inner, "vocab_size": 49152, "rms_norm_eps": 1e-5}
            | turned(1e5),
        )
        for size, n, layers, heads, kv_heads, inner in (
            ("135M", 576, 30, 9, 3, 1536),
            ("360M", 960, 32, 15, 5, 2560),
            ("1.7B", 2048, 24, 32, 32, 8192),
        )
    },
    **{
        f"gemma-3-{size}": (
            "Gemma3ForCausalLM",
            f"gemma3_{size}",
            bert(n, layers, 4, num_key_value_heads=1, head_dim=256, vocab_size=262144)
            | {"intermediate_size": inner, "sliding_window": 512},
        )
        for size, n, layers, inner in (("270m", 640, 18, 2048), ("1b", 1152, 26, 6912))
    },
    **{
        f"ModernBERT-{size}": (
            "ModernBertModel",
            f"modernbert_{size}",
            bert(n, layers, heads) | {"intermediate_size": inner},
        )
        for size, n, layers, heads, inner in (
            ("base", 768, 22, 12, 1152),
            ("large", 1024, 28, 16, 2624),
        )
    },
    **{
        f"mamba2-{size}": (
            "Mamba2ForCausalLM",
            f"mamba2_{size}",
            {
                "hidden_size": n,
                "num_hidden_layers": layers,
                "num_heads": n // 32,
                "n_groups": 1,
                "vocab_size": 50288,
                "tie_word_embeddings": True,
            },
        )
        for size, n, layers in (("130m", 768, 24), ("370m", 1024, 48))
    },
    "mobilebert-uncased": ("MobileBertModel", "mobilebert", {}),
    "squeezebert-uncased": ("SqueezeBertModel", "squeezebert", {"vocab_size": 30528}),
    "distilbert-base-uncased": ("DistilBertModel", "distilbert_base", {}),
    **{
        f"albert-{size}-v2": (
            "AlbertModel",
            f"albert_{size}",
            bert(n, layers, heads, embedding_size=128),
        )
        for size, n, layers, heads in (
            ("base", 768, 12, 12),
            ("large", 1024, 24, 16),
            ("xlarge", 2048, 24, 16),
            ("xxlarge", 4096, 12, 64),
        )
    },
    **{
        f"electra-{size}-discriminator": (
            "ElectraModel",
            f"electra_{size}",
            bert(n, layers, heads, embedding_size=narrow),
        )
        for size, n, layers, heads, narrow in (
            ("small", 256, 12, 4, 128),
            ("base", 768, 12, 12, 768),
            ("large", 1024, 24, 16, 1024),
        )
    },
    "mpnet-base": ("MPNetModel", "mpnet_base", bert(768, 12, 12, max_position_embeddings=514)),
    "bart-base": ("BartModel", "bart_base", halves(768, 6, 12)),
    "bart-large": ("BartModel", "bart_large", halves(1024, 12, 16)),
    **{
        f"t5-{size} (both halves)": (
            "T5ForConditionalGeneration",
            f"t5_{size}",
            {"d_model": n, "d_ff": 4 * n, "num_layers": layers, "num_heads": heads},
        )
        for size, n, layers, heads in (
            ("small", 512, 6, 8),
            ("base", 768, 12, 12),
            ("large", 1024, 24, 16),
        )
    },
    **{
        f"deberta-v3-{size}": (
            "DebertaV2Model",
            f"deberta_v3_{size}",
            bert(n, layers, heads, vocab_size=128100, type_vocab_size=0)
            | {
                "relative_attention": True,
                "position_buckets": 256,
                "norm_rel_ebd": "layer_norm",
                "share_att_key": True,
                "pos_att_type": ["p2c", "c2p"],
                "position_biased_input": False,
                "layer_norm_eps": 1e-7,
            },
        )
        for size, n, layers, heads in (
            ("xsmall", 384, 12, 6),
            ("small", 768, 6, 12),
            ("base", 768, 12, 12),
            ("large", 1024, 24, 16),
        )
    },
}


def asked(module: Any) -> tuple[list[np.ndarray], list[torch.Tensor]]:
    """Words, none of which is padding, for each input; and what the model answers, channels first."""
    random = np.random.default_rng(0)
    given = [random.integers(3, 1000, (1, STEPS))]
    named = {"input_ids": torch.from_numpy(given[0])}
    if module.config.is_encoder_decoder:
        given.append(random.integers(3, 1000, (1, STEPS - 5)))
        named["decoder_input_ids"] = torch.from_numpy(given[1])
    found = module(**named)
    answer = found.logits if hasattr(found, "logits") else found.last_hidden_state
    pooled = getattr(found, "pooler_output", None)
    return given, [answer.transpose(1, 2), *([] if pooled is None else [pooled])]
