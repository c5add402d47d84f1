"""Libraries' networks of several inputs or outputs, or of other things than images: for `today.py`.

Each is made without weights, and asked for what the spec of its name gives: detectors for their raw
heads, from regions that are given. diffusers and segmentation_models_pytorch are asked where they are
installed; Conv-TasNet's file of torchaudio is read alone, as its compiled part needs its own torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import texts
import torch
from libraries import torchvision, transformers
from torch import Tensor, nn
from torch.nn.utils import parametrize

DETECTION = torchvision.models.detection
VIDEO = torchvision.models.video
ROIS = np.float32([[0, 3, 4, 60, 70], [0, 10, 20, 100, 126], [0, 30, 2, 45, 17]])


@dataclass(frozen=True)
class Dense:
    """A network: its library, its maker, inputs as shapes or values, and what is asked of it.

    `shapes` and `settings` are what the spec is built with, `left_out` tensors that are no weights.
    """

    library: str
    make: Callable[[], nn.Module]
    inputs: Sequence[tuple[int, ...] | np.ndarray]
    run: Callable[..., Any] = lambda module, *inputs: module(*inputs)
    shapes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        return f"{self.library} {version(self.library.split()[0]).split('+')[0]}"


def columns(module: nn.Module, image: Tensor) -> list[Tensor]:
    """The heads of a detector of one stage, a column for each anchor."""
    found = module.head(list(module.backbone(image).values()))
    keys = ("cls_logits", "bbox_regression", "bbox_ctrness")
    return [found[key].transpose(1, 2) for key in keys if key in found]


def regions(part: str) -> Callable[..., list[Tensor]]:
    """What a detector of two stages makes of regions, `part` (masks or points) at the end, if any."""

    def run(module: nn.Module, image: Tensor, rois: Tensor) -> list[Tensor]:
        maps, size = module.backbone(image), [tuple(image.shape[-2:])]
        objectness, deltas = module.rpn.head(list(maps.values()))
        heads = module.roi_heads
        boxes = heads.box_predictor(heads.box_head(heads.box_roi_pool(maps, [rois[:, 1:]], size)))
        found = [*objectness, *deltas, *boxes]
        if not part:
            return found
        pool, head, last = (
            getattr(heads, f"{part}_{n}") for n in ("roi_pool", "head", "predictor")
        )
        return [*found, last(head(pool(maps, [rois[:, 1:]], size)))]

    return run


def diffusers(kind: str, **given: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import diffusers

        return getattr(diffusers, kind)(**given)

    return make


def encoded(module: nn.Module, image: Tensor) -> list[Tensor]:
    found = module.encode(image).latent_dist
    return [module.decode(found.mode()).sample, found.mean, found.logvar]


def deeplabv3plus() -> nn.Module:
    from segmentation_models_pytorch import DeepLabV3Plus

    rates = (12, 24, 36)
    return DeepLabV3Plus("resnet50", encoder_weights=None, classes=21, decoder_atrous_rates=rates)


def conv_tasnet() -> nn.Module:
    file = Path(next(iter(importlib.util.find_spec("torchaudio").submodule_search_locations)))
    spec = importlib.util.spec_from_file_location("conv_tasnet", file / "models" / "conv_tasnet.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ConvTasNet()


def upernet() -> nn.Module:
    stages = [f"stage{i}" for i in (1, 2, 3, 4)]
    config = transformers.UperNetConfig(
        backbone_config=transformers.ResNetConfig(out_features=stages),
        num_labels=150,
        auxiliary_in_channels=1024,
    )
    return transformers.UperNetForSemanticSegmentation(config)


def hifigan(n: int) -> Callable[[], nn.Module]:
    config = transformers.SpeechT5HifiGanConfig(
        upsample_initial_channel=n,
        upsample_rates=[8, 8, 2, 2],
        upsample_kernel_sizes=[16, 16, 4, 4],
        normalize_before=False,
    )
    return lambda: transformers.SpeechT5HifiGan(config)


def plain(module: nn.Module) -> nn.Module:
    """The module with each weight as it is used, not apart from its length."""
    for part in module.modules():
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")
    return module


def clip(n: int, heads: int, layers: int, patch: int, text: int, out: int) -> nn.Module:
    def half(width: int, heads: int, layers: int, **more: Any) -> dict[str, Any]:
        return texts.bert(width, layers, heads, **more)

    config = transformers.CLIPConfig(
        text_config=half(text, text // 64, 12, eos_token_id=49407),
        vision_config=half(n, heads, layers, patch_size=patch),
        projection_dim=out,
    )
    return transformers.CLIPModel(config)


def beside(module: nn.Module, image: Tensor, words: Tensor) -> list[Tensor]:
    """Image and text as vectors, and how well they go together."""
    found = module(input_ids=words, pixel_values=image)
    return [found.image_embeds, found.text_embeds, found.logits_per_image]


def listening(kind: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        config = getattr(transformers, f"{kind}Config")()
        module = plain(getattr(transformers, f"{kind}Model")(config))
        del module.masked_spec_embed  # read in training
        return module

    return make


def whisper(n: int, heads: int, layers: int) -> nn.Module:
    config = transformers.WhisperConfig(
        d_model=n,
        encoder_layers=layers,
        encoder_attention_heads=heads,
        encoder_ffn_dim=4 * n,
        decoder_layers=1,
        decoder_attention_heads=heads,
    )
    return transformers.WhisperModel(config).encoder


def encodec() -> nn.Module:
    module = plain(transformers.EncodecModel(transformers.EncodecConfig()))
    del module.quantizer
    return module


def sound(module: nn.Module, x: Tensor) -> list[Tensor]:
    codes = module.encoder(x)
    return [codes, module.decoder(codes)]


def videomae(n: int, heads: int, layers: int) -> nn.Module:
    config = transformers.VideoMAEConfig(**texts.bert(n, layers, heads), num_labels=400)
    return transformers.VideoMAEForVideoClassification(config)


def depth_anything(n: int, heads: int, taken: Sequence[int], m: int, wide: int) -> nn.Module:
    backbone = transformers.Dinov2Config(
        hidden_size=n,
        num_hidden_layers=taken[-1],
        num_attention_heads=heads,
        image_size=518,
        patch_size=14,
        out_indices=list(taken),
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=n,
        neck_hidden_sizes=[m, 2 * m, 4 * m, 8 * m] if m < 256 else [256, 512, 1024, 1024],
        fusion_hidden_size=wide,
    )
    module = transformers.DepthAnythingForDepthEstimation(config)
    del module.backbone.embeddings.mask_token  # read in training
    del module.neck.fusion_stage.layers[0].residual_layer1  # read by none
    return module


def points(module: nn.Module, image: Tensor) -> list[Tensor]:
    """SuperPoint's two maps, before points are chosen."""
    seen = module.encoder(image).last_hidden_state
    one, two = module.keypoint_decoder, module.descriptor_decoder
    scores = one.conv_score_b(one.relu(one.conv_score_a(seen))).softmax(1)[:, :-1]
    found = two.conv_descriptor_b(two.relu(two.conv_descriptor_a(seen)))
    return [nn.functional.pixel_shuffle(scores, 8), nn.functional.normalize(found, dim=1)]


def bare(kind: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    return lambda: kind(weights=None, weights_backbone=None)


IMAGE = (1, 3, 128, 160)
DOWN = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
UP = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
STEP = np.float32([[321]])
# Words, the last of which has the highest number.
CAPTION = np.random.default_rng(0).integers(3, 1000, (1, 77))
CAPTION[0, 9] = 49407
DENSE = {
    **{
        name: Dense(
            "torchvision",
            bare(getattr(DETECTION, name)),
            [IMAGE],
            columns,
            ("3x128x160",),
            {"eps": 1e-5},
        )
        for name in ("retinanet_resnet50_fpn", "fcos_resnet50_fpn")
    },
    "ssd300_vgg16": Dense("torchvision", bare(DETECTION.ssd300_vgg16), [(1, 3, 300, 300)], columns),
    **{
        f"{kind}rcnn_resnet50_fpn": Dense(
            "torchvision",
            bare(getattr(DETECTION, f"{kind}rcnn_resnet50_fpn")),
            [IMAGE, ROIS],
            regions(part),
            ("image:3x128x160",),
            {"eps": 1e-5},
        )
        for kind, part in (("faster", ""), ("mask", "mask"), ("keypoint", "keypoint"))
    },
    **{
        name: Dense("torchvision", getattr(VIDEO, name), [(1, 3, 8, 32, 32)], shapes=("3x8x32x32",))
        for name in ("r2plus1d_18", "r3d_18", "mc3_18")
    },
    "raft_large": Dense(
        "torchvision",
        torchvision.models.optical_flow.raft_large,
        [(1, 3, 128, 144)] * 2,
        lambda module, *images: module(*images)[-1],
        ("first:3x128x144", "second:3x128x144"),
    ),
    "upernet_resnet50": Dense(
        "transformers", upernet, [(1, 3, 96, 96)], lambda module, x: module(x).logits, ("3x96x96",)
    ),
    **{
        name: Dense(
            "transformers",
            hifigan(n),
            [(1, 80, 12)],
            lambda module, x: module(x.transpose(1, 2)),
            ("80x12",),
            left_out=("mean", "scale"),
        )
        for name, n in (("hifigan", 512), ("hifigan_v2", 128))
    },
    **{
        f"clip_vit_{name}": Dense(
            "transformers", partial(clip, *sizes), [(1, 3, 224, 224), CAPTION], beside
        )
        for name, sizes in {
            "b_32": (768, 12, 12, 32, 512, 512),
            "b_16": (768, 12, 12, 16, 512, 512),
            "l_14": (1024, 16, 24, 14, 768, 768),
        }.items()
    },
    "siglip_base_patch16_224": Dense(
        "transformers",
        lambda: transformers.SiglipModel(transformers.SiglipConfig()),
        [(1, 3, 224, 224), np.random.default_rng(0).integers(3, 1000, (1, 64))],
        beside,
    ),
    "sam_vit_b": Dense(
        "transformers",
        lambda: transformers.SamVisionModel(transformers.SamVisionConfig()),
        [(1, 3, 1024, 1024)],
        lambda module, x: module(x).last_hidden_state,
    ),
    **{
        name: Dense(
            "transformers",
            listening(kind),
            [(1, 1, 4000)],
            lambda module, x: module(x[:, 0]).last_hidden_state.mT,
            ("1x4000",),
        )
        for name, kind in (("wavlm_base", "WavLM"), ("wav2vec2_base", "Wav2Vec2"))
    },
    "whisper_base_encoder": Dense(
        "transformers",
        partial(whisper, 512, 8, 6),
        [(1, 80, 3000)],
        lambda module, x: module(x).last_hidden_state.mT,
        left_out=("embed_positions.weight",),
    ),
    "encodec_24khz": Dense("transformers", encodec, [(1, 1, 3200)], sound, ("1x3200",)),
    **{
        f"videomae_{name}": Dense(
            "transformers",
            partial(videomae, *sizes),
            [(1, 3, 16, 224, 224)],
            lambda module, x: module(x.transpose(1, 2)).logits,
        )
        for name, sizes in {
            "small": (384, 6, 12),
            "base": (768, 12, 12),
            "large": (1024, 16, 24),
        }.items()
    },
    **{
        f"depth_anything_v2_{name}": Dense(
            "transformers",
            partial(depth_anything, *sizes),
            [(1, 3, 518, 518)],
            lambda module, x: module(x).predicted_depth,
        )
        for name, sizes in {
            "small": (384, 6, (3, 6, 9, 12), 48, 64),
            "base": (768, 12, (3, 6, 9, 12), 96, 128),
            "large": (1024, 16, (5, 12, 18, 24), 256, 256),
        }.items()
    },
    "superpoint": Dense(
        "transformers",
        lambda: transformers.SuperPointForKeypointDetection(transformers.SuperPointConfig()),
        [(1, 1, 48, 64)],
        points,
        ("1x48x64",),
    ),
    "deeplabv3plus_resnet50": Dense(
        "segmentation_models_pytorch", deeplabv3plus, [(1, 3, 96, 96)], shapes=("3x96x96",)
    ),
    "conv_tasnet": Dense("torchaudio", conv_tasnet, [(1, 1, 800)], shapes=("1x800",)),
    "ddpm_cifar10": Dense(
        "diffusers",
        diffusers(
            "UNet2DModel",
            block_out_channels=(128, 256, 256, 256),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            norm_eps=1e-6,
            downsample_padding=0,
            flip_sin_to_cos=False,
            freq_shift=1,
            attention_head_dim=None,
        ),
        [(1, 3, 32, 32), STEP],
        lambda module, image, step: module(image, step[0]).sample,
    ),
    "stable_diffusion_unet": Dense(
        "diffusers",
        diffusers(
            "UNet2DConditionModel",
            cross_attention_dim=768,
            down_block_types=DOWN,
            up_block_types=UP,
            attention_head_dim=8,
        ),
        [(1, 4, 16, 16), STEP, (1, 768, 7)],
        lambda module, image, step, text: module(image, step[0], text.transpose(1, 2)).sample,
        ("image:4x16x16", "text:768x7"),
    ),
    "stable_diffusion_vae": Dense(
        "diffusers",
        diffusers(
            "AutoencoderKL",
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        [(1, 3, 64, 64)],
        encoded,
        ("3x64x64",),
    ),
}


def tensors(network: Dense) -> list[np.ndarray]:
    """What the network is given: the numbers of its table, or normal ones from the input's place."""
    return [
        given
        if isinstance(given, np.ndarray)
        else np.random.default_rng(place).standard_normal(given, dtype=np.float32)
        for place, given in enumerate(network.inputs)
    ]


def answers(network: Dense, module: nn.Module, inputs: Sequence[np.ndarray]) -> list[Tensor]:
    with torch.no_grad():
        found = network.run(module, *map(torch.from_numpy, inputs))
    return [found] if isinstance(found, Tensor) else list(found)
