"""The second shelf against the libraries it follows: counts recorded, and outputs compared.

    python benchmarks/today.py --record tests/data/today.json    what the libraries' networks count
    python benchmarks/today.py regnet_y_16gf vgg11_bn            outputs; of every network without a name
    python benchmarks/today.py -o benchmarks/results/today.json  and kept, beside what is there

Needs torchvision and timm, from which nothing is downloaded. A network's tensors are drawn from their
names, saved, and loaded by structure; what PyTorch and ONNX Runtime then answer to a small image is
compared with the library's own answer, relative to its norm. `moved` is by how much other inputs move the
answer: where little does, an agreement says little, and the gains are others.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import texts
import torch
from dense_nets import DENSE, answers, tensors
from libraries import timm, torchvision, transformers
from torch import nn
from torchvision.models import get_model, get_model_weights, list_models, regnet

import netspec
from netspec.backends.onnx.compile import compile_graph, prepared
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.graph.checked import Graph

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.published import values_of_today

MODELS = torchvision.models
# Where a name of torchvision's is another net's on the lectures' shelf.
RENAMED = {
    "alexnet": "alexnet_owt",
    "googlenet": "googlenet_bn",
    "resnet50": "resnet50_v1_5",
    "resnet101": "resnet101_v1_5",
    "resnet152": "resnet152_v1_5",
}
TIMM = {
    "coatnet_0_rw_224": "coatnet_0_rw_224",
    **{
        f"deit_{n}_patch16_224": f"deit_{n}_patch16_224"
        for n in ("tiny", "small", "base", "tiny_distilled", "small_distilled", "base_distilled")
    },
    **{f"mobilevit_{n}": f"mobilevit_{n}" for n in ("xxs", "xs", "s")},
    "cspdarknet53": "cspdarknet53",
    "darknet53": "darknet53",
    "ghostnet_050": "ghostnet_050",
    "ghostnet_100": "ghostnet",
    "ghostnet_130": "ghostnet_130",
    "res2net50_26w_4s": "res2net50",
    "res2net101_26w_4s": "res2net101",
    **{f"hrnet_w{n}": f"hrnet_w{n}" for n in (18, 30, 32, 40, 44, 48, 64)},
    **{f"mixer_{n}_224": f"mixer_{n}" for n in ("s32", "s16", "b32", "b16", "l32", "l16")},
    **{
        f"repvgg_{n}": f"repvgg_{n}"
        for n in ("a0", "a1", "a2", "b0", "b1", "b1g4", "b2", "b2g4", "b3", "b3g4", "d2se")
    },
    **{
        name: name
        for family, members in {
            "beit": ("base", "large"),
            "caformer": ("s18", "s36", "m36", "b36"),
            "cait": ("xxs24_224", "xxs36_224", "s24_224", "xs24_384", "m36_384"),
            "convformer": ("s18", "s36", "m36", "b36"),
            "convmixer": ("768_32", "1536_20", "1024_20_ks9_p14"),
            "convnextv2": ("atto", "femto", "pico", "nano", "tiny", "base", "large", "huge"),
            "deit3": ("small", "medium", "base", "large"),
            "efficientformer": ("l1", "l3", "l7"),
            "edgenext": ("xx_small", "x_small", "small", "base"),
            "efficientvit": ("b0", "b1", "b2", "b3", "m0", "m1", "m2", "m3", "m4", "m5"),
            "focalnet": tuple(
                f"{n}_{e}" for n in ("tiny", "small", "base") for e in ("srf", "lrf")
            ),
            "fastvit": ("t8", "t12", "s12", "sa12", "sa24", "sa36", "ma36"),
            "gcvit": ("xxtiny", "xtiny", "tiny", "small", "base"),
            "crossvit": ("tiny_240", "small_240", "base_240", "9_240", "15_240", "18_240"),
            "botnet26t": ("256",),
            "davit": ("tiny", "small", "base"),
            "eva02": tuple(f"{n}_patch14_224" for n in ("tiny", "small", "base", "large")),
            "fasternet": ("t0", "t1", "t2", "s", "m", "l"),
            "gmlp": ("ti16_224", "s16_224", "b16_224"),
            "hgnet": ("tiny", "small"),
            "hiera": tuple(
                f"{n}_224" for n in ("tiny", "small", "base", "base_plus", "large", "huge")
            ),
            "inception_next": ("atto", "tiny", "small", "base"),
            "lambda": ("resnet26t",),
            "levit": ("128s", "128", "192", "256", "384"),
            "eca_nfnet": ("l0", "l1", "l2"),
            "mixnet": ("s", "m", "l"),
            "mobilenetv4": ("conv_small",),
            "mobileone": ("s0", "s1", "s2", "s3", "s4"),
            "mvitv2": ("tiny", "small", "base"),
            "nfnet": ("f0", "f1", "f2", "f3", "f4", "l0"),
            "pit": ("ti_224", "xs_224", "s_224", "b_224"),
            "poolformer": ("s12", "s24", "s36", "m36", "m48"),
            "pvt_v2": ("b0", "b1", "b2", "b3", "b4", "b5"),
            "repvit": ("m0_9", "m1_0", "m1_1", "m1_5", "m2_3", "m1", "m2", "m3"),
            "rexnet": ("100", "130", "150", "200", "300"),
            "resnetv2": tuple(
                f"{n}_bit" for n in ("50x1", "101x1", "50x3", "101x3", "152x2", "152x4")
            ),
            "resmlp": ("12_224", "24_224", "36_224", "big_24_224"),
            "sequencer2d": ("s", "m", "l"),
            "starnet": ("s1", "s2", "s3", "s4"),
            "xcit": tuple(
                f"{n}_p{patch}_224"
                for n in ("nano_12", "tiny_12", "small_12", "tiny_24", "small_24", "medium_24")
                for patch in (16, 8)
            ),
            "tresnet": ("m", "l", "xl"),
            "twins_svt": ("small", "base", "large"),
            "visformer": ("tiny", "small"),
            "volo": ("d1_224", "d2_224", "d3_224"),
        }.items()
        for member in members
        for name in (f"{family}_{member}" + "_patch16_224" * (family in ("beit", "deit3")),)
    },
    "deit3_huge_patch14_224": "deit3_huge_patch14_224",
    **{f"vit_{n}_patch14_dinov2": f"dinov2_{n}" for n in ("small", "base", "large")},
    **{f"tiny_vit_{n}m_224.dist_in22k_ft_in1k": f"tiny_vit_{n}m_224" for n in (5, 11, 21)},
    **{
        f"dla{n}": f"dla{n}"
        for n in ("34", "46_c", "46x_c", "60x_c", "60", "60x", "102", "102x", "102x2", "169")
    },
    **{f"dpn{n}": f"dpn{n}" for n in ("92", "68", "68b", "98", "131", "107")},
    **{n: n for n in ("skresnet18", "skresnet34", "skresnext50_32x4d", "selecsls42b")},
    **{n: n for n in ("vovnet39a", "vovnet57a")},
    **{
        f"ese_vovnet{n}": f"ese_vovnet{n}"
        for n in ("39b", "57b", "99b", "19b_slim", "19b_dw", "19b_slim_dw")
    },
    "legacy_xception": "xception",
    **{f"resnest{n}": f"resnest{n}" for n in ("14d", "26d", "50d", "101e", "200e")},
}
# Networks of transformers: the model, the spec, and what the configuration says.
TRANSFORMERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert-base-uncased": ("BertModel", "bert_base", {}),
    "bert-large-uncased": (
        "BertModel",
        "bert_large",
        {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
        },
    ),
    **{
        f"gpt2{end}": (
            "GPT2LMHeadModel",
            f"gpt2{end.replace('-', '_')}",
            {"n_embd": width, "n_layer": depth, "n_head": heads},
        )
        for end, width, depth, heads in (
            ("", 768, 12, 12),
            ("-medium", 1024, 24, 16),
            ("-large", 1280, 36, 20),
            ("-xl", 1600, 48, 25),
        )
    },
    "TinyLlama-1.1B": (
        "LlamaForCausalLM",
        "tinyllama",
        {
            "hidden_size": 2048,
            "intermediate_size": 5632,
            "num_hidden_layers": 22,
            "num_attention_heads": 32,
            "num_key_value_heads": 4,
        },
    ),
    **{
        f"t5-{size}": (
            "T5EncoderModel",
            f"t5_{size}_encoder",
            {"d_model": width, "d_ff": inner, "num_layers": depth, "num_heads": heads},
        )
        for size, width, inner, depth, heads in (
            ("small", 512, 2048, 6, 8),
            ("base", 768, 3072, 12, 12),
            ("large", 1024, 4096, 24, 16),
        )
    },
    **{
        f"mamba-{size}": (
            "MambaForCausalLM",
            f"mamba_{size.replace('.', '_')}",
            {"hidden_size": width, "num_hidden_layers": depth, "vocab_size": 50280},
        )
        for size, width, depth in (
            ("130m", 768, 24),
            ("370m", 1024, 48),
            ("790m", 1536, 48),
            ("1.4b", 2048, 48),
        )
    },
    **{
        f"rwkv-4-{size}-pile": (
            "RwkvForCausalLM",
            f"rwkv4_{size}",
            {
                "hidden_size": width,
                "attention_hidden_size": width,
                "num_hidden_layers": depth,
                "vocab_size": 50277,
            },
        )
        for size, width, depth in (("169m", 768, 12), ("430m", 1024, 24), ("1b5", 2048, 24))
    },
    "OLMo-2-1B": (
        "Olmo2ForCausalLM",
        "olmo2_1b",
        {
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "num_attention_heads": 16,
            "vocab_size": 100352,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
        },
    ),
    **{
        f"segformer-b{size}": (
            "SegformerForSemanticSegmentation",
            f"segformer_b{size}",
            {
                "hidden_sizes": [n, 2 * n, 5 * n, 8 * n],
                "depths": list(depths),
                "decoder_hidden_size": wide,
                "num_labels": 150,
            },
        )
        for size, n, wide, depths in (
            (0, 32, 256, (2, 2, 2, 2)),
            (1, 64, 256, (2, 2, 2, 2)),
            (2, 64, 768, (3, 4, 6, 3)),
            (3, 64, 768, (3, 4, 18, 3)),
            (4, 64, 768, (3, 8, 27, 3)),
            (5, 64, 768, (3, 6, 40, 3)),
        )
    },
}
TRANSFORMERS |= texts.NETWORKS
SETTINGS = {"darknet53": {"slope": 0.01}, "seresnet50": {"v1_5": True}}
# Gains of norms where such near 1 let a signal die away, or grow until scores are all or nothing.
GAINS = {
    **{
        "efficientnet_b6": 1.4,
        "efficientnet_b7": 1.35,
        "efficientnet_v2_m": 1.15,
        "efficientnet_v2_l": 1.15,
    },
    **dict.fromkeys(("mixnet", "mobilevit", "mobilenet_v3", "deeplabv3_mobilenet", "rexnet"), 1.5),
    **dict.fromkeys(("efficientnet_b", "hgnet", "convmixer", "inception_v3", "squeezenet"), 1.5),
    **dict.fromkeys(("inception_v4", "mobilenetv1"), 2.0),
    **dict.fromkeys(("efficientnet_v2", "vovnet", "ese_vovnet", "selecsls"), 1.25),
    **{"repvgg_d2se": 2.0, "repvit": 0.9, "efficientvit_m": 0.8},
}
# Maps that a classifier flattens, or a training-only head needs, are as large as they are.
SIZES = {
    "inception_v3": 299,
    "alexnet": 224,
    "mobilevit": 256,
    "swin_v2": 256,
    "crossvit": 240,
    "botnet": 256,
}
# Attention over all of an image, or over windows that its maps are made of.
ATTENTION = (
    *("vit", "deit", "swin", "maxvit", "coatnet", "mixer", "cait", "resmlp", "beit", "xcit"),
    *("levit", "tiny_vit", "efficientformer", "pit", "gcvit", "hiera", "mvitv2", "eva02", "volo"),
    *("gmlp", "sequencer", "davit", "efficientvit_m", "visformer"),
)
TOLERANCE = 1e-4
AUXILIARY = ("aux1", "aux2", "AuxLogits", "aux_classifier", "auxiliary_head")


def constructors() -> list[str]:
    """torchvision's names for its classifiers and segmenting nets."""
    return [*list_models(module=MODELS), *list_models(module=MODELS.segmentation)]


def spec_of(name: str) -> str:
    """The shipped spec of a library's network."""
    if name in TRANSFORMERS:
        return TRANSFORMERS[name][1]
    return TIMM.get(name, RENAMED.get(name, name))


def reads_words(name: str) -> bool:
    """Whether a network is asked for words; transformers' others are asked for images."""
    return name in TRANSFORMERS and not name.startswith("segformer")


def network(name: str) -> nn.Module:
    """A library's network with its training-only heads and without weights."""
    if name in DENSE:
        return DENSE[name].make()
    if name in TIMM:
        return timm.create_model(name)
    if name in TRANSFORMERS:
        model, spec, said = TRANSFORMERS[name]
        kind = getattr(transformers, model)
        more = {"add_pooling_layer": False} if spec in texts.UNPOOLED else {}
        return kind(kind.config_class(**said), **more)
    given: dict[str, Any] = {"weights": None}
    if name in ("googlenet", "inception_v3"):
        given |= {"aux_logits": True, "init_weights": False}
    if name in list_models(module=MODELS.segmentation):
        given |= {"weights_backbone": None} | ({} if "lraspp" in name else {"aux_loss": True})
    return get_model(name, **given)


def on_no_device(name: str) -> nn.Module:
    """The network without its numbers; RegNet computes its widths with tensors, which need some."""
    real = regnet.BlockParams.from_init_params.__func__

    def widths(cls: Any, *given: Any, **named: Any) -> Any:
        with torch.device("cpu"):
            return real(cls, *given, **named)

    regnet.BlockParams.from_init_params = classmethod(widths)
    try:
        with torch.device("meta"):
            return network(name)
    finally:
        regnet.BlockParams.from_init_params = classmethod(real)


def counted(name: str) -> dict[str, Any]:
    """What the network counts: parameters, buffers, those of training-only heads apart, gigaMACs."""
    module = on_no_device(name)
    found = {"params": 0, "buffers": 0, "params_heads": 0, "buffers_heads": 0}
    left_out = DENSE[name].left_out if name in DENSE else ()
    held = [("params", item) for item in module.named_parameters() if item[0] not in left_out]
    held += [("buffers", item) for item in module.named_buffers() if "running_" in item[0]]
    for what, (key, tensor) in held:
        heads = key.split(".")[0] in AUXILIARY
        found[f"{what}_heads" if heads else what] += tensor.numel()
    if name not in TIMM and name not in TRANSFORMERS and name not in DENSE:
        # Those of other sizes of the image have other positions.
        metas = [weights.meta for weights in get_model_weights(name)]
        own = [meta for meta in metas if meta["num_params"] == found["params"]]
        found["gigamacs"] = (own or metas)[0]["_ops"]
    return {"spec": spec_of(name)} | {k: v for k, v in found.items() if v}


def record() -> dict[str, dict[str, Any]]:
    """The figures of every network, by library and name."""
    found = {
        f"torchvision {torchvision.__version__.split('+')[0]}": {
            n: counted(n) for n in constructors()
        },
        f"timm {timm.__version__}": {n: counted(n) for n in TIMM},
        f"transformers {transformers.__version__}": {n: counted(n) for n in TRANSFORMERS},
    }
    for name, network in DENSE.items():
        found.setdefault(network.version, {})[name] = counted(name)
    return found


def values(key: str, shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    """The tensor called `key`: gains near one, so that an exchange of two layers shows."""
    # Scales of layers are gains, whatever axes they have.
    flat = (math.prod(shape),) if key.rsplit(".", 1)[-1] == "layer_scale" else shape
    return values_of_today(key, flat, gain).reshape(shape)


def size_of(name: str) -> int:
    if name.endswith("_384"):
        return 384
    if name.endswith("_dinov2"):
        return 518
    own = [size for start, size in SIZES.items() if name.startswith(start)]
    whole = 224 if name.startswith((*ATTENTION, "vgg")) else 128 if name in TIMM else 96
    return own[0] if own else whole


@dataclass(frozen=True)
class Asked:
    """A spec's graph, what both nets are asked, and what the library's answers, one tensor an output.

    `qkv` is how a joint projection lies, where a file does not say it.
    """

    graph: Graph
    inputs: list[np.ndarray]
    answer: list[torch.Tensor]
    left_out: Collection[str] = ()
    qkv: str | None = None


def asked(name: str, module: nn.Module) -> Asked:
    """The question that fits the network: an image, words, or what a dense network reads."""
    if name in DENSE:
        dense = DENSE[name]
        graph = netspec.load(name, input=dense.shapes, **dense.settings).graph
        inputs = tensors(dense)
        return Asked(graph, inputs, answers(dense, module, inputs), dense.left_out)
    if reads_words(name):
        graph = netspec.load(TRANSFORMERS[name][1]).graph
        inputs, answer = texts.asked(module)
        # The library takes one segment by itself.
        inputs += [np.zeros_like(inputs[0])] * (len(graph.inputs) - len(inputs))
        return Asked(
            graph, inputs, answer, (), "heads" if name.startswith(texts.BY_HEADS) else None
        )
    shape = (3, size_of(name), size_of(name))
    graph = netspec.load(spec_of(name), input=shape, **SETTINGS.get(name, {})).graph
    inputs = [np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)]
    image, states = torch.from_numpy(inputs[0]), name.endswith("_dinov2")
    found = module.forward_features(image).mT if states else module(image)
    if isinstance(found, Mapping):
        found = found["logits" if name in TRANSFORMERS else "out"]
    return Asked(graph, inputs, [found])


@dataclass(frozen=True)
class Compared:
    """Deviations of PyTorch and of ONNX Runtime from the library, relative to its outputs' norms.

    Of several outputs those are compared that the library gives. `moved` is what other inputs do to
    the one of them that they move least.
    """

    torch: float
    onnxruntime: float
    moved: float

    @property
    def agree(self) -> bool:
        """Whether both are as near as float32 is, and what deviates is little beside what moves."""
        return max(self.torch, self.onnxruntime) <= min(TOLERANCE, self.moved / 100)


def others(inputs: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
    """Other inputs of the same kind: numbers with their signs turned, words from last to first."""
    for each in inputs:
        yield torch.from_numpy(-each if each.dtype.kind == "f" else each[..., ::-1].copy())


def compared(name: str) -> Compared:
    """A network with tensors drawn from their names, by the library, by PyTorch and by ONNX Runtime."""
    module = filled(network(name).eval(), name)
    with torch.no_grad():
        given = asked(name, module)
    expected = [each.numpy().astype(np.float64) for each in given.answer]
    with tempfile.TemporaryDirectory() as folder:
        file, model = Path(folder) / "weights.pt", Path(folder) / "m.onnx"
        state = {k: v for k, v in module.state_dict().items() if k not in given.left_out}
        torch.save(state, file)
        del module, state
        loaded = load(file, given.graph, qkv=given.qkv)
        assert not loaded.unused, loaded.unused
        assert not loaded.initial, loaded.initial
        built = to_module(prepared(given.graph, logits=True), loaded.source).eval()
        ours, moved = answered(built, given)
        del built
        compile_graph(given.graph, model, FileOptions(logits=True), source=loaded.source)
        names = [node.path for node in given.graph.inputs]
        run = Session(model).run(dict(zip(names, given.inputs, strict=True)))
    return Compared(gap(ours, expected), gap(run.outputs.values(), expected), moved)


def filled(module: nn.Module, name: str) -> nn.Module:
    """The network `name` of a library, its tensors drawn from their names."""
    gain = next((gain for start, gain in GAINS.items() if name.startswith(start)), 1.0)
    # What is not trained has the numbers that the spec says too, as Whisper's sines.
    fixed = {key for key, tensor in module.named_parameters() if not tensor.requires_grad}
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if tensor.dtype.is_floating_point and tensor.dim() and key not in fixed:
                tensor.copy_(torch.from_numpy(np.asarray(values(key, tuple(tensor.shape), gain))))
    return module


def answered(module: nn.Module, given: Asked) -> tuple[list[np.ndarray], float]:
    """What our module answers, and by how much other inputs move the output that they move least."""
    with torch.no_grad():
        ours = arrays(module(*map(torch.from_numpy, given.inputs)))
        other = arrays(module(*others(given.inputs)))
    asked_for = ours[: len(given.answer)]
    return ours, min(gap([a], [b]) for a, b in zip(other, asked_for, strict=False))


def arrays(given: Any) -> list[np.ndarray]:
    """What a module gives, a tensor or several by name or in order."""
    given = given.values() if isinstance(given, Mapping) else given
    return [each.numpy() for each in ([given] if isinstance(given, torch.Tensor) else given)]


def gap(given: Iterable[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest deviation of an output, relative to its norm."""
    pairs = zip(islice(given, len(expected)), expected, strict=True)
    gaps = (np.linalg.norm((a - b.reshape(a.shape)).ravel()) / np.linalg.norm(b) for a, b in pairs)
    return float(max(gaps))


def length_of(name: str) -> int:
    """The side of the image that a network is asked, or the length of what it reads."""
    if name in DENSE:
        return max(max(x.shape[1:]) for x in tensors(DENSE[name]))
    return texts.STEPS if reads_words(name) else size_of(name)


def results(names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The deviations of each network, which are printed as they are found."""
    for name in names or [*constructors(), *TIMM, *TRANSFORMERS, *DENSE]:
        found = compared(name)
        row = {key: f"{value:.1e}" for key, value in asdict(found).items()}
        size, said = length_of(name), "ok" if found.agree else "DIFFERS"
        told = "  ".join(f"{key} {value}" for key, value in row.items())
        print(f"{name:32} {size:4} {told}  {said}", flush=True)
        yield name, {"size": size, **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--record", type=Path, metavar="FILE", help="counts, and no outputs")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where deviations are kept"
    )
    given = parser.parse_args()
    if given.record:
        given.record.write_text(json.dumps(record(), indent=1) + "\n")
        return
    kept = json.loads(given.output.read_text()) if given.output and given.output.exists() else {}
    for name, found in results(given.names):
        kept[name] = found
        if given.output:
            rows = (f"  {json.dumps(key)}: {json.dumps(kept[key])}" for key in sorted(kept))
            given.output.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
