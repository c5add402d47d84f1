# ruff: noqa: E501
"""Nets of text and sound that transformers has, small and with drawn weights, as ONNX files.

    python benchmarks/import_words_nets.py FOLDER [NAME...]

Needs torch, transformers and onnxscript: `pip install torch transformers onnxscript`. Nothing is downloaded.
`NAME.ts.onnx` is by the exporter that traces, the batch left open, `NAME.mask.onnx` by the same with a mask of
the ids as a second input, `NAME.time.onnx` with the length left open too, `NAME.dyn.onnx` by the newer exporter.
Files that are there already are kept. `benchmarks/imports.py` reads them.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from import_nets import _drawn, written
from registry_torchvision import torchvision_without_operators

LIBRARIES = ("torch", "transformers", "onnxscript")
OPSET = 17
WORDS, LENGTH = 200, 24
# What most configurations call their sizes.
TEXT = (
    "vocab_size=200, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, "
    "intermediate_size=128, max_position_embeddings=64"
)
GROUPED = f"{TEXT}, num_key_value_heads=2, pad_token_id=0, bos_token_id=1, eos_token_id=2"
IMAGE = (
    "image_size=64, patch_size=16, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, "
    "intermediate_size=128"
)
SPEECH = (
    "vocab_size=32, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, "
    "conv_dim=(32, 32, 32), conv_stride=(5, 2, 2), conv_kernel=(10, 3, 3), num_conv_pos_embeddings=16, "
    "num_conv_pos_embedding_groups=4"
)
BART = (
    "vocab_size=200, d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, "
    "decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, max_position_embeddings=64, "
    "pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1"
)
T5 = "vocab_size=200, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, decoder_start_token_id=0"
# By name: the class of the model, its configuration's class, what it is given, what the net takes.
NETS: dict[str, tuple[str, str, str, str]] = {
    "bert": ("BertModel", "BertConfig", TEXT, "ids"),
    "bert_mlm": ("BertForMaskedLM", "BertConfig", TEXT, "ids"),
    "bert_classes": ("BertForSequenceClassification", "BertConfig", TEXT, "ids"),
    "roberta": ("RobertaModel", "RobertaConfig", TEXT, "ids"),
    "xlm_roberta": ("XLMRobertaForTokenClassification", "XLMRobertaConfig", TEXT, "ids"),
    "camembert": ("CamembertModel", "CamembertConfig", TEXT, "ids"),
    "distilbert": (
        "DistilBertModel",
        "DistilBertConfig",
        "vocab_size=200, dim=64, n_layers=2, n_heads=4, hidden_dim=128, max_position_embeddings=64",
        "ids",
    ),
    "albert": ("AlbertModel", "AlbertConfig", f"{TEXT}, embedding_size=32", "ids"),
    "electra": ("ElectraModel", "ElectraConfig", f"{TEXT}, embedding_size=32", "ids"),
    "mpnet": ("MPNetModel", "MPNetConfig", TEXT, "ids"),
    "deberta": (
        "DebertaModel",
        "DebertaConfig",
        f"{TEXT}, relative_attention=True, pos_att_type=['c2p', 'p2c'], max_relative_positions=16",
        "ids",
    ),
    "deberta_v2": (
        "DebertaV2Model",
        "DebertaV2Config",
        f"{TEXT}, relative_attention=True, pos_att_type=['c2p', 'p2c'], position_buckets=8, "
        "share_att_key=True, max_relative_positions=16",
        "ids",
    ),
    "modernbert": ("ModernBertModel", "ModernBertConfig", f"{TEXT}, pad_token_id=0, local_attention=8", "ids"),
    "xlnet": ("XLNetModel", "XLNetConfig", "vocab_size=200, d_model=64, n_layer=2, n_head=4, d_inner=128", "ids"),
    "funnel": (
        "FunnelBaseModel",
        "FunnelConfig",
        "vocab_size=200, d_model=64, block_sizes=[1, 1], n_head=4, d_head=16, d_inner=128",
        "ids",
    ),
    "fnet": ("FNetModel", "FNetConfig", TEXT, "ids"),
    "squeezebert": ("SqueezeBertModel", "SqueezeBertConfig", f"{TEXT}, embedding_size=64", "ids"),
    "convbert": ("ConvBertModel", "ConvBertConfig", f"{TEXT}, embedding_size=64", "ids"),
    "mobilebert": ("MobileBertModel", "MobileBertConfig", f"{TEXT}, embedding_size=32, intra_bottleneck_size=32, true_hidden_size=32", "ids"),
    "gpt1": ("OpenAIGPTModel", "OpenAIGPTConfig", "vocab_size=200, n_positions=64, n_embd=64, n_layer=2, n_head=4", "ids"),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", "vocab_size=200, n_positions=64, n_embd=64, n_layer=2, n_head=4", "ids"),
    "gpt_neo": (
        "GPTNeoForCausalLM",
        "GPTNeoConfig",
        "vocab_size=200, hidden_size=64, num_layers=2, num_heads=4, intermediate_size=128, window_size=8, "
        "max_position_embeddings=64, attention_types=[[['global', 'local'], 1]]",
        "ids",
    ),
    "gpt_neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", TEXT, "ids"),
    "gptj": (
        "GPTJForCausalLM",
        "GPTJConfig",
        "vocab_size=200, n_positions=64, n_embd=64, n_layer=2, n_head=4, rotary_dim=8",
        "ids",
    ),
    "codegen": (
        "CodeGenForCausalLM",
        "CodeGenConfig",
        "vocab_size=200, n_positions=64, n_embd=64, n_layer=2, n_head=4, rotary_dim=8",
        "ids",
    ),
    "bigcode": ("GPTBigCodeForCausalLM", "GPTBigCodeConfig", "vocab_size=200, n_positions=64, n_embd=64, n_layer=2, n_head=4", "ids"),
    "opt": (
        "OPTForCausalLM",
        "OPTConfig",
        "vocab_size=200, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, ffn_dim=128, "
        "max_position_embeddings=64, word_embed_proj_dim=32, do_layer_norm_before=True",
        "ids",
    ),
    "bloom": ("BloomForCausalLM", "BloomConfig", "vocab_size=200, hidden_size=64, n_layer=2, n_head=4", "ids"),
    "mpt": ("MptForCausalLM", "MptConfig", "vocab_size=200, d_model=64, n_layers=2, n_heads=4, max_seq_len=64", "ids"),
    "falcon": ("FalconForCausalLM", "FalconConfig", f"{TEXT}, alibi=False", "ids"),
    "falcon_new": ("FalconForCausalLM", "FalconConfig", f"{TEXT}, new_decoder_architecture=True, num_kv_heads=2", "ids"),
    "falcon_alibi": ("FalconForCausalLM", "FalconConfig", f"{TEXT}, alibi=True", "ids"),
    "llama": ("LlamaForCausalLM", "LlamaConfig", GROUPED, "ids"),
    "llama3_rope": (
        "LlamaForCausalLM",
        "LlamaConfig",
        f"{GROUPED}, rope_parameters=dict(rope_type='llama3', rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, "
        "high_freq_factor=4.0, original_max_position_embeddings=32)",
        "ids",
    ),
    "mistral": ("MistralForCausalLM", "MistralConfig", f"{GROUPED}, sliding_window=8", "ids"),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig", f"{GROUPED}, num_local_experts=4", "ids"),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", GROUPED, "ids"),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", f"{GROUPED}, head_dim=32", "ids"),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", f"{GROUPED}, head_dim=16", "ids"),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", f"{GROUPED}, head_dim=16, sliding_window=8, query_pre_attn_scalar=24", "ids"),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig", f"{GROUPED}, head_dim=16, sliding_window=8, query_pre_attn_scalar=24", "ids"),
    "phi": ("PhiForCausalLM", "PhiConfig", GROUPED, "ids"),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", GROUPED, "ids"),
    "stablelm": ("StableLmForCausalLM", "StableLmConfig", GROUPED, "ids"),
    "starcoder2": ("Starcoder2ForCausalLM", "Starcoder2Config", GROUPED, "ids"),
    "olmo": ("OlmoForCausalLM", "OlmoConfig", f"{GROUPED}, clip_qkv=None", "ids"),
    "olmo2": ("Olmo2ForCausalLM", "Olmo2Config", GROUPED, "ids"),
    "cohere": ("CohereForCausalLM", "CohereConfig", f"{GROUPED}, logit_scale=0.0625, use_qk_norm=False", "ids"),
    "granite": (
        "GraniteForCausalLM",
        "GraniteConfig",
        f"{GROUPED}, embedding_multiplier=12.0, residual_multiplier=0.22, attention_multiplier=0.1, logits_scaling=8.0",
        "ids",
    ),
    "glm": ("GlmForCausalLM", "GlmConfig", f"{GROUPED}, head_dim=16", "ids"),
    "smollm3": ("SmolLM3ForCausalLM", "SmolLM3Config", GROUPED, "ids"),
    "persimmon": ("PersimmonForCausalLM", "PersimmonConfig", TEXT, "ids"),
    "nemotron": ("NemotronForCausalLM", "NemotronConfig", GROUPED, "ids"),
    "ernie": ("ErnieModel", "ErnieConfig", TEXT, "ids"),
    "nystromformer": ("NystromformerModel", "NystromformerConfig", f"{TEXT}, segment_means_seq_len=24, num_landmarks=4", "ids"),
    "mamba": ("MambaForCausalLM", "MambaConfig", "vocab_size=200, hidden_size=32, num_hidden_layers=2, state_size=4", "ids"),
    "rwkv": ("RwkvModel", "RwkvConfig", "vocab_size=200, hidden_size=32, num_hidden_layers=2, context_length=24", "ids"),
    "t5_encoder": ("T5EncoderModel", "T5Config", T5, "ids"),
    "flan_t5_encoder": ("T5EncoderModel", "T5Config", f"{T5}, feed_forward_proj='gated-gelu'", "ids"),
    "t5": ("T5Model", "T5Config", T5, "pair"),
    "bart": ("BartModel", "BartConfig", BART, "pair"),
    "mbart": ("MBartModel", "MBartConfig", BART, "pair"),
    "marian": ("MarianModel", "MarianConfig", BART, "pair"),
    "pegasus": ("PegasusModel", "PegasusConfig", BART, "pair"),
    "blenderbot": ("BlenderbotModel", "BlenderbotConfig", BART, "pair"),
    "bart_encoder": ("BartModel", "BartConfig", BART, "ids.encoder"),
    "marian_encoder": ("MarianModel", "MarianConfig", BART, "ids.encoder"),
    "whisper_encoder": (
        "WhisperModel",
        "WhisperConfig",
        f"{BART}, num_mel_bins=16, max_source_positions=24, max_target_positions=24",
        "mels.encoder",
    ),
    "whisper": (
        "WhisperModel",
        "WhisperConfig",
        f"{BART}, num_mel_bins=16, max_source_positions=24, max_target_positions=24",
        "mels+ids",
    ),
    "wav2vec2": ("Wav2Vec2Model", "Wav2Vec2Config", SPEECH, "wave"),
    "wav2vec2_ctc": ("Wav2Vec2ForCTC", "Wav2Vec2Config", f"{SPEECH}, feat_extract_norm='layer', do_stable_layer_norm=True", "wave"),
    "hubert": ("HubertModel", "HubertConfig", SPEECH, "wave"),
    "wavlm": ("WavLMModel", "WavLMConfig", SPEECH, "wave"),
    "data2vec_audio": ("Data2VecAudioModel", "Data2VecAudioConfig", SPEECH, "wave"),
    "wav2vec2_conformer": ("Wav2Vec2ConformerModel", "Wav2Vec2ConformerConfig", f"{SPEECH}, position_embeddings_type='rotary'", "wave"),
    "wav2vec2_conformer_relative": ("Wav2Vec2ConformerModel", "Wav2Vec2ConformerConfig", f"{SPEECH}, position_embeddings_type='relative'", "wave"),
    "moonshine_encoder": (
        "MoonshineModel",
        "MoonshineConfig",
        "vocab_size=200, hidden_size=64, intermediate_size=128, encoder_num_hidden_layers=2, decoder_num_hidden_layers=2, encoder_num_attention_heads=4, decoder_num_attention_heads=4",
        "wave.encoder",
    ),
    "ast": (
        "ASTModel",
        "ASTConfig",
        "hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, max_length=64, num_mel_bins=32",
        "spectrum",
    ),
    "vit": ("ViTModel", "ViTConfig", IMAGE, "image"),
    "deit": ("DeiTModel", "DeiTConfig", IMAGE, "image"),
    "beit": ("BeitModel", "BeitConfig", f"{IMAGE}, use_relative_position_bias=True, use_mean_pooling=True", "image"),
    "dinov2": ("Dinov2Model", "Dinov2Config", f"{IMAGE}, mlp_ratio=2", "image"),
    "dinov2_registers": ("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", f"{IMAGE}, mlp_ratio=2", "image"),
    "clip_vision": ("CLIPVisionModel", "CLIPVisionConfig", f"{IMAGE}, projection_dim=32", "image"),
    "clip_text": ("CLIPTextModel", "CLIPTextConfig", f"{TEXT}, projection_dim=32, eos_token_id=2, pad_token_id=0", "ids"),
    "clip_text_projected": ("CLIPTextModelWithProjection", "CLIPTextConfig", f"{TEXT}, projection_dim=32, eos_token_id=199, pad_token_id=0", "ids"),
    "siglip_vision": ("SiglipVisionModel", "SiglipVisionConfig", IMAGE, "image"),
    "siglip_text": ("SiglipTextModel", "SiglipTextConfig", TEXT, "ids"),
    "blip_vision": ("BlipVisionModel", "BlipVisionConfig", IMAGE, "image"),
    "blip_text": ("BlipTextModel", "BlipTextConfig", TEXT, "ids"),
    "segformer": (
        "SegformerForSemanticSegmentation",
        "SegformerConfig",
        "num_encoder_blocks=2, depths=[1, 1], sr_ratios=[4, 2], hidden_sizes=[16, 32], patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=32",
        "image",
    ),
    "pvt": ("PvtModel", "PvtConfig", "image_size=64, num_encoder_blocks=2, depths=[1, 1], sequence_reduction_ratios=[4, 2], hidden_sizes=[16, 32], patch_sizes=[4, 2], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2]", "image"),
    "sam_vision": ("SamVisionModel", "SamVisionConfig", "image_size=64, patch_size=16, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, mlp_dim=128, output_channels=16, window_size=3, global_attn_indexes=[1]", "image"),
    "dpt": ("DPTForDepthEstimation", "DPTConfig", f"{IMAGE}, backbone_out_indices=[0, 0, 1, 1], neck_hidden_sizes=[8, 16, 32, 32], fusion_hidden_size=16", "image"),
    "yolos": ("YolosModel", "YolosConfig", "image_size=[64, 64], patch_size=16, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, num_detection_tokens=5", "image"),
    "videomae": ("VideoMAEModel", "VideoMAEConfig", f"{IMAGE.replace('64,', '32,', 1)}, num_frames=4, tubelet_size=2", "video"),
    "timesformer": ("TimesformerModel", "TimesformerConfig", f"{IMAGE.replace('64,', '32,', 1)}, num_frames=4", "video"),
    "vivit": ("VivitModel", "VivitConfig", f"{IMAGE.replace('image_size=64, patch_size=16', 'image_size=32, tubelet_size=[2, 16, 16]')}, num_frames=4", "video"),
    "patchtst": ("PatchTSTModel", "PatchTSTConfig", "num_input_channels=3, context_length=32, patch_length=8, patch_stride=8, d_model=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64", "series"),
    "patchtsmixer": ("PatchTSMixerModel", "PatchTSMixerConfig", "num_input_channels=3, context_length=32, patch_length=8, patch_stride=8, d_model=16, num_layers=2", "series"),
    "perceiver": ("PerceiverModel", "PerceiverConfig", "num_latents=8, d_latents=64, d_model=64, num_blocks=1, num_self_attends_per_block=2, num_self_attention_heads=4, num_cross_attention_heads=4", "vectors"),
}  # fmt: skip


def wrapped(net: Any, takes: str) -> tuple[Any, tuple[Any, ...], dict[str, dict[int, str]]]:
    """A module that gives the first tensor, its inputs, and which axes of them a file leaves open."""
    import torch

    what, _, part = takes.partition(".")
    if part:
        net = getattr(net, f"get_{part}")() if hasattr(net, f"get_{part}") else getattr(net, part)
    net.config.use_cache = False

    class First(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *given: Any) -> Any:
            if what == "ids":
                mask = given[1] if len(given) > 1 else torch.ones_like(given[0])
                answer = self.net(given[0], attention_mask=mask)
            elif what == "pair":
                mask = given[2] if len(given) > 2 else torch.ones_like(given[0])
                answer = self.net(
                    input_ids=given[0], decoder_input_ids=given[1], attention_mask=mask
                )
            elif what == "mels+ids":
                answer = self.net(given[0], decoder_input_ids=given[1])
            else:
                answer = self.net(given[0])
            return next(value for value in answer.values() if torch.is_tensor(value))

    ids = torch.randint(3, WORDS, (1, LENGTH))
    inputs = {
        "ids": (ids,),
        "pair": (ids, torch.randint(3, WORDS, (1, 10))),
        "mels": (torch.randn(1, 16, 48),),
        "mels+ids": (torch.randn(1, 16, 48), torch.randint(3, WORDS, (1, 10))),
        "wave": (torch.randn(1, 2000),),
        "spectrum": (torch.randn(1, 64, 32),),
        "image": (torch.randn(1, 3, 64, 64),),
        "video": (torch.randn(1, 4, 3, 32, 32),),
        "series": (torch.randn(1, 32, 3),),
        "vectors": (torch.randn(1, 12, 64),),
    }[what]
    return First().eval(), inputs, {}


def write(name: str, folder: Path) -> None:
    """Writes the files of one net that are not there yet."""
    import torch
    import transformers

    model, config, given, takes = NETS[name]
    text = takes.split(".")[0] in ("ids", "pair")
    kinds = ("ts", "dyn", *(["mask", "time"] if text else []))
    todo = [kind for kind in kinds if not (folder / f"{name}.{kind}.onnx").exists()]
    if not todo:
        return
    torch.manual_seed(0)
    made = getattr(transformers, config)
    net = getattr(transformers, model)(eval(f"made({given})", {"made": made})).eval()
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(_drawn(torch, key, tensor))
    net, inputs, _ = wrapped(net, takes)

    def traced(path: str, inputs: Any, open_axes: tuple[int, ...]) -> None:
        names = [f"input{i}" for i in range(len(inputs))]
        axes = {
            name: {axis: ("batch", f"time{min(i, 1) if takes == 'pair' and i < 2 else 0}")[axis] for axis in open_axes}
            for i, name in enumerate(names)
        }  # fmt: skip
        torch.onnx.export(
            net, inputs, path, dynamo=False, opset_version=OPSET, input_names=names,
            output_names=["output"], dynamic_axes={**axes, "output": {0: "batch"}},
        )  # fmt: skip

    masked = (*inputs, torch.ones_like(inputs[0])) if text else inputs
    ways: dict[str, Callable[[str], None]] = {
        "ts": lambda path: traced(path, inputs, (0,)),
        "mask": lambda path: traced(path, masked, (0,)),
        "time": lambda path: traced(path, masked, (0, 1)),
        "dyn": lambda path: torch.onnx.export(
            net, inputs, path, dynamo=True, external_data=False, verbose=False
        ),
    }
    written(name, folder, {kind: ways[kind] for kind in todo})


def main() -> None:
    """Writes the nets that the command line names, or all."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torchvision_without_operators()
    for name in sys.argv[2:] or NETS:
        try:
            write(name, folder)
        except Exception as failure:
            print(name, type(failure).__name__, str(failure)[:300], file=sys.stderr, flush=True)
    versions = {name: version(name) for name in LIBRARIES}
    (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


if __name__ == "__main__":
    main()
