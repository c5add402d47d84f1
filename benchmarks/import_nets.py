"""Networks of torchvision, timm and transformers as ONNX files of torch's two exporters.

    python benchmarks/import_nets.py FOLDER [NAME...]

Needs torch, torchvision, timm, transformers and onnxscript:
`pip install torch torchvision timm transformers onnxscript`; versions are in `results/imports.json`.
Nothing is downloaded: weights are drawn, batch statistics too, so that no two of a net's numbers are alike.
`NAME.ts.onnx` is by the exporter that traces, the batch left open, `NAME.dyn.onnx` by the newer one as it
is called without arguments, `NAME.open.onnx` by the first with height and width left open too.
Files that are there already are kept.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from registry_torchvision import torchvision_without_operators

LIBRARIES = ("torch", "torchvision", "timm", "transformers", "onnxscript")
# Ids of a text's length, or the sizes of an image.
IDS = (48,)
IMAGE = (3, 224, 224)
OPSET = 17
# By name: where the module comes from, and the sizes of one sample.
NETS: dict[str, tuple[str, tuple[int, ...]]] = {
    "alexnet": ("torchvision.models.alexnet()", IMAGE),
    "densenet121": ("torchvision.models.densenet121()", IMAGE),
    "densenet169": ("torchvision.models.densenet169()", IMAGE),
    "googlenet": (
        "torchvision.models.googlenet(aux_logits=False, transform_input=False, init_weights=False)",
        IMAGE,
    ),
    "inception_resnet_v2": ("timm.create_model('inception_resnet_v2')", (3, 299, 299)),
    "inception_v3": (
        "torchvision.models.inception_v3(aux_logits=False, transform_input=False, init_weights=False)",
        (3, 299, 299),
    ),
    "inception_v4": ("timm.create_model('inception_v4')", (3, 299, 299)),
    "mobilenet_v1": ("timm.create_model('mobilenetv1_100')", IMAGE),
    "mobilenet_v2": ("torchvision.models.mobilenet_v2()", IMAGE),
    "nasnetalarge": ("timm.create_model('nasnetalarge')", (3, 331, 331)),
    "resnet18": ("torchvision.models.resnet18()", IMAGE),
    "resnet34": ("torchvision.models.resnet34()", IMAGE),
    "resnet50": ("torchvision.models.resnet50()", IMAGE),
    "resnet101": ("torchvision.models.resnet101()", IMAGE),
    "resnext50_32x4d": ("torchvision.models.resnext50_32x4d()", IMAGE),
    "seresnet50": ("timm.create_model('seresnet50')", IMAGE),
    "shufflenet_v2_x1_0": ("torchvision.models.shufflenet_v2_x1_0()", IMAGE),
    "vgg11": ("torchvision.models.vgg11()", IMAGE),
    "vgg16": ("torchvision.models.vgg16()", IMAGE),
    "vgg16_bn": ("torchvision.models.vgg16_bn()", IMAGE),
    "vgg19": ("torchvision.models.vgg19()", IMAGE),
    "wide_resnet50_2": ("torchvision.models.wide_resnet50_2()", IMAGE),
    "unet": ("own.UNet()", (1, 572, 572)),
    "bert_4x256": (
        "transformers.BertModel(transformers.BertConfig(vocab_size=1000, hidden_size=256, "
        "num_hidden_layers=4, num_attention_heads=8, intermediate_size=1024, max_position_embeddings=128))",
        IDS,
    ),
    "coatnet_0_rw_224": ("timm.create_model('coatnet_0_rw_224')", IMAGE),
    "convnext_tiny": ("torchvision.models.convnext_tiny()", IMAGE),
    "cspdarknet53": ("timm.create_model('cspdarknet53')", (3, 256, 256)),
    "darknet53": ("timm.create_model('darknet53')", (3, 256, 256)),
    "deeplabv3_resnet50": (
        "torchvision.models.segmentation.deeplabv3_resnet50(weights_backbone=None)",
        IMAGE,
    ),
    "deit_tiny_patch16_224": ("timm.create_model('deit_tiny_patch16_224')", IMAGE),
    "efficientnet_v2_s": ("torchvision.models.efficientnet_v2_s()", IMAGE),
    "fcn_resnet50": (
        "torchvision.models.segmentation.fcn_resnet50(weights_backbone=None)",
        IMAGE,
    ),
    "ghostnet_100": ("timm.create_model('ghostnet_100')", IMAGE),
    "gpt2_4x256": (
        "transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=1000, n_positions=128, "
        "n_embd=256, n_layer=4, n_head=8))",
        IDS,
    ),
    "hrnet_w18": ("timm.create_model('hrnet_w18')", IMAGE),
    "llama_4x256": (
        "transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=1000, hidden_size=256, "
        "intermediate_size=688, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=2, "
        "max_position_embeddings=256))",
        IDS,
    ),
    "lraspp_mobilenet_v3_large": (
        "torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None)",
        IMAGE,
    ),
    "maxvit_t": ("torchvision.models.maxvit_t()", IMAGE),
    "mixer_s16_224": ("timm.create_model('mixer_s16_224')", IMAGE),
    "mobilevit_s": ("timm.create_model('mobilevit_s')", (3, 256, 256)),
    "regnet_x_400mf": ("torchvision.models.regnet_x_400mf()", IMAGE),
    "regnet_y_400mf": ("torchvision.models.regnet_y_400mf()", IMAGE),
    "repvgg_a0": ("timm.create_model('repvgg_a0')", IMAGE),
    "res2net50_26w_4s": ("timm.create_model('res2net50_26w_4s')", IMAGE),
    "resnext101_64x4d": ("torchvision.models.resnext101_64x4d()", IMAGE),
    "swin_t": ("torchvision.models.swin_t()", IMAGE),
    "swin_v2_t": ("torchvision.models.swin_v2_t()", (3, 256, 256)),
    "t5_encoder_4x256": (
        "transformers.T5EncoderModel(transformers.T5Config(vocab_size=1000, d_model=256, d_kv=32, "
        "d_ff=1024, num_layers=4, num_heads=8, attn_implementation='eager'))",
        IDS,
    ),
    "vit_b_16": ("torchvision.models.vit_b_16()", IMAGE),
    "crossvit_tiny_240": ("timm.create_model('crossvit_tiny_240')", (3, 240, 240)),
    "dla34": ("timm.create_model('dla34')", IMAGE),
    "eca_nfnet_l0": ("timm.create_model('eca_nfnet_l0')", IMAGE),
    "eva02_tiny_patch14_224": ("timm.create_model('eva02_tiny_patch14_224')", IMAGE),
    "gcvit_xxtiny": ("timm.create_model('gcvit_xxtiny')", IMAGE),
    "hiera_tiny_224": ("timm.create_model('hiera_tiny_224')", IMAGE),
    "mvitv2_tiny": ("timm.create_model('mvitv2_tiny')", IMAGE),
    "resnetv2_50x1_bit": ("timm.create_model('resnetv2_50x1_bit')", IMAGE),
    "volo_d1_224": ("timm.create_model('volo_d1_224')", IMAGE),
    "mixnet_s": ("timm.create_model('mixnet_s')", IMAGE),
    "visformer_tiny": ("timm.create_model('visformer_tiny')", IMAGE),
    "efficientvit_m0": ("timm.create_model('efficientvit_m0')", IMAGE),
    "davit_tiny": ("timm.create_model('davit_tiny')", IMAGE),
    "gmlp_s16_224": ("timm.create_model('gmlp_s16_224')", IMAGE),
    "sequencer2d_s": ("timm.create_model('sequencer2d_s')", IMAGE),
    "fasternet_t0": ("timm.create_model('fasternet_t0')", IMAGE),
    "botnet26t_256": ("timm.create_model('botnet26t_256')", (3, 256, 256)),
    "lambda_resnet26t": ("timm.create_model('lambda_resnet26t')", (3, 256, 256)),
    "levit_128s": ("timm.create_model('levit_128s')", IMAGE),
    "edgenext_xx_small": ("timm.create_model('edgenext_xx_small')", (3, 256, 256)),
    "fastvit_t8": ("timm.create_model('fastvit_t8')", (3, 256, 256)),
    "repvit_m0_9": ("timm.create_model('repvit_m0_9')", IMAGE),
    "starnet_s1": ("timm.create_model('starnet_s1')", IMAGE),
    "hgnet_tiny": ("timm.create_model('hgnet_tiny')", IMAGE),
    "focalnet_tiny_srf": ("timm.create_model('focalnet_tiny_srf')", IMAGE),
    "twins_svt_small": ("timm.create_model('twins_svt_small')", IMAGE),
    "xcit_nano_12_p16_224": ("timm.create_model('xcit_nano_12_p16_224')", IMAGE),
    "cait_xxs24_224": ("timm.create_model('cait_xxs24_224')", IMAGE),
    "tiny_vit_5m_224": ("timm.create_model('tiny_vit_5m_224')", IMAGE),
    "pvt_v2_b0": ("timm.create_model('pvt_v2_b0')", IMAGE),
    "poolformer_s12": ("timm.create_model('poolformer_s12')", IMAGE),
    "inception_next_tiny": ("timm.create_model('inception_next_tiny')", IMAGE),
    "mobilenetv4_conv_small": ("timm.create_model('mobilenetv4_conv_small')", IMAGE),
    "efficientformer_l1": ("timm.create_model('efficientformer_l1')", IMAGE),
    "mobileone_s0": ("timm.create_model('mobileone_s0')", IMAGE),
    "convmixer_768_32": ("timm.create_model('convmixer_768_32')", IMAGE),
    "nextvit_small": ("timm.create_model('nextvit_small')", IMAGE),
    "rexnet_100": ("timm.create_model('rexnet_100')", IMAGE),
    "selecsls42b": ("timm.create_model('selecsls42b')", IMAGE),
    "ese_vovnet39b": ("timm.create_model('ese_vovnet39b')", IMAGE),
    "tresnet_m": ("timm.create_model('tresnet_m')", IMAGE),
    "pit_ti_224": ("timm.create_model('pit_ti_224')", IMAGE),
    "resmlp_12_224": ("timm.create_model('resmlp_12_224')", IMAGE),
    "convnextv2_tiny": ("timm.create_model('convnextv2_tiny')", IMAGE),
    "coat_lite_tiny": ("timm.create_model('coat_lite_tiny')", IMAGE),
}
# Written with open heights and widths too: fully convolutional ones, and classifiers.
OPEN = (
    "resnet18",
    "mobilenet_v2",
    "fcn_resnet50",
    "deeplabv3_resnet50",
    "lraspp_mobilenet_v3_large",
)


def module(call: str) -> Any:
    """The module that a call of `NETS` makes, in evaluation, with drawn weights."""
    import torch

    torchvision_without_operators()
    library, _, rest = call.partition(".")
    holders = {"own": _own} if library == "own" else {library: importlib.import_module(library)}
    made = eval(f"{library}.{rest}" if library != "own" else f"own().{rest}", holders)
    with torch.no_grad():
        for key, tensor in made.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(_drawn(torch, key, tensor))
    return made.eval()


def _drawn(torch: Any, key: str, tensor: Any) -> Any:
    """Numbers with gains near 1, so that deep nets neither vanish nor overflow."""
    noise = torch.randn(
        tensor.shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode()))
    )
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return 1 + 0.1 * noise.abs()
    if leaf == "running_mean" or "bias" in leaf:
        return 0.1 * noise
    if tensor.ndim < 2:
        return 1 + 0.1 * noise
    return noise / math.sqrt(math.prod(tensor.shape[1:]))


def _own() -> Any:
    """Modules that no library has: U-Net as its paper draws it."""
    import torch
    from torch import nn

    class Pair(nn.Sequential):  # type: ignore[misc]
        def __init__(self, before: int, after: int) -> None:
            super().__init__(
                nn.Conv2d(before, after, 3), nn.ReLU(), nn.Conv2d(after, after, 3), nn.ReLU()
            )

    class UNet(nn.Module):  # type: ignore[misc]
        def __init__(self, n: int = 64, depth: int = 4, classes: int = 2) -> None:
            super().__init__()
            widths = [n * 2**i for i in range(depth + 1)]
            pairs = list(pairwise(widths))
            self.down = nn.ModuleList(Pair(a, b) for a, b in [(1, n), *pairs])
            self.pool = nn.MaxPool2d(2)
            self.wide = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairs[::-1])
            self.up = nn.ModuleList(Pair(b, a) for a, b in pairs[::-1])
            self.drop, self.last = nn.Dropout(), nn.Conv2d(n, classes, 1)

        def forward(self, x: Any) -> Any:
            kept = []
            for number, pair in enumerate(self.down):
                x = pair(self.pool(x) if number else x)
                x = self.drop(x) if number >= len(self.down) - 2 else x
                kept.append(x)
            for wide, pair, other in zip(self.wide, self.up, kept[-2::-1], strict=True):
                x = wide(x)
                top, left = (
                    (a - b) // 2 for a, b in zip(other.shape[2:], x.shape[2:], strict=True)
                )
                cut = other[:, :, top : top + x.shape[2], left : left + x.shape[3]]
                x = pair(torch.cat([cut, x], 1))
            return self.last(x)

    class Own:
        pass

    Own.UNet = UNet  # type: ignore[attr-defined]
    return Own


def _first(net: Any, ids: bool) -> Any:
    """A module that gives the first tensor of what a net of transformers or of segmentation gives."""
    import torch

    class First(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Any) -> Any:
            # Without a mask of its own, transformers looks for texts packed side by side.
            given = {"attention_mask": torch.ones_like(x)} if ids else {}
            return next(iter(self.net(x, **given).values()))

    return First().eval()


def write(name: str, folder: Path) -> None:
    """Writes the files of one net that are not there yet."""
    import torch

    call, sizes = NETS[name]
    kinds = ("ts", "dyn", *(["open"] if name in OPEN else []))
    todo = [kind for kind in kinds if not (folder / f"{name}.{kind}.onnx").exists()]
    if not todo:
        return
    net = module(call)
    ids = sizes == IDS
    if ids or "segmentation" in call:
        if ids:
            net.config.use_cache = False
        net = _first(net, ids)
    x = torch.randint(0, 1000, (1, *sizes)) if ids else torch.randn(1, *sizes)
    ways: dict[str, Callable[[str], None]] = {
        "ts": lambda path: _traced(net, x, path, {0: "batch"}),
        "open": lambda path: _traced(net, x, path, {0: "batch", 2: "height", 3: "width"}),
        "dyn": lambda path: torch.onnx.export(
            net, (x,), path, dynamo=True, external_data=False, verbose=False
        ),
    }
    written(name, folder, {kind: ways[kind] for kind in todo})


def written(name: str, folder: Path, ways: Mapping[str, Callable[[str], None]]) -> None:
    """Writes a net's files, each in its way; what goes wrong is said, and leaves no file."""
    for kind, write in ways.items():
        start = time.perf_counter()
        path = folder / f"{name}.{kind}.onnx"
        try:
            write(str(path))
        except Exception as failure:
            path.unlink(missing_ok=True)
            print(name, kind, type(failure).__name__, str(failure)[:300], file=sys.stderr)
        print(name, kind, round(time.perf_counter() - start, 1), file=sys.stderr, flush=True)


def _traced(net: Any, x: Any, path: str, axes: dict[int, str]) -> None:
    import torch

    torch.onnx.export(
        net,
        (x,),
        path,
        dynamo=False,
        opset_version=OPSET,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": axes, "output": {0: "batch"}},
    )


def main() -> None:
    """Writes the nets that the command line names, or all."""
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"needs {', '.join(missing)}: pip install {' '.join(missing)}")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or NETS:
        write(name, folder)
    versions = {name: version(name) for name in LIBRARIES}
    (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


if __name__ == "__main__":
    main()
