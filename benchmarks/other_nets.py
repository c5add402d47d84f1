"""Networks that no rule was written for, read as specs: one of each family of timm and of torchvision.

    python benchmarks/other_nets.py [NAME...] [--kind traced|dynamo|open|opset11|opset13] [--texts FOLDER]

Each is written with drawn weights, read as it is and with all its names scrambled, and its text written as a
file and read again; `results/imports_others.json` holds what came of it, and of each file nothing is kept.
Needs torch, torchvision, timm and onnxscript. Of each family a small one is taken, of equal layers a few, and
images as small as the net takes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import imports
from import_nets import _drawn
from registry_torchvision import torchvision_without_operators

RESULT = imports.ROOT / "benchmarks/results/imports_others.json"
LIBRARIES = ("torch", "torchvision", "timm", "onnxscript")
# How a file is written: by the exporter that traces, at some opset, its batch open or not, or the newer one.
KINDS = {"traced": 17, "open": 17, "opset11": 11, "opset13": 13, "dynamo": 0}
# Seconds after which what is done with one net is given up.
PATIENCE = 400
# A net's maker, the size of a square image (or all sizes of one sample) and further arguments.
TIMM = """
beit_base_patch16_224 64 img_size=64 depth=4
beitv2_base_patch16_224 64 img_size=64 depth=3
botnet26t_256 256
eca_botnext26ts_256 256
halonet26t 256
lambda_resnet26t 256
lambda_resnet26rpt_256 256
lamhalobotnet50ts_256 256
bat_resnext26ts 128
eca_resnext26ts 64
gcresnet33ts 64
mobileone_s0 64
regnetz_b16 64
cait_xxs24_224 64 img_size=64 depth=6
coat_lite_tiny 64 img_size=64
convit_tiny 64 img_size=64 depth=12
convmixer_768_32 64
convnext_atto 64
convnextv2_atto 64
cpubone_b0_bfrobust 64
crossvit_tiny_240 240
crossvit_9_dagger_240 240
cs3darknet_focus_s 64
cs3darknet_s 64
cspresnet50 64
cspnext_tiny 64
davit_tiny 64
densenetblur121d 64
dla34 64
dla46x_c 64
dla60_res2net 64
dla60_res2next 64
dpn48b 64
dpn68 64
edgenext_xx_small 64
efficientformer_l1 224
efficientformerv2_s0 224
efficientnet_b0 64
efficientnet_b0_gn 64
efficientnetv2_rw_t 64
gc_efficientnetv2_rw_t 64
efficientnet_es 64
efficientnet_lite0 64
tf_efficientnet_b0 64
fbnetc_100 64
mixnet_s 64
mnasnet_050 64
mobilenetv4_conv_small 64
mobilenetv4_hybrid_medium 64
semnasnet_050 64
spnasnet_100 64
tinynet_e 64
efficientvim_m1 64
efficientvit_b0 64
efficientvit_l1 64
efficientvit_m0 224
eva02_tiny_patch14_224 56 img_size=56 depth=4
vit_small_patch16_dinov3 64 img_size=64 depth=4
vit_medium_patch16_rope_reg1_gap_256 64 img_size=64 depth=4
fasternet_t0 64
fastvit_t8 64
fastvit_sa12 64
fastvit_mci0 64
focalnet_tiny_srf 64
gcvit_xxtiny 224
ghostnetv2_100 64
ghostnetv3_100 64
hardcorenas_a 64
hgnet_tiny 64
hgnetv2_b0 64
hiera_tiny_224 64 img_size=64
sam2_hiera_tiny 224 img_size=224
iformer_s 224
inception_next_atto 64
lcnetv2_small 64
levit_128s 224
levit_256d 224
lowformer_b0 64
mambaout_femto 64
maxvit_nano_rw_256 256
maxxvit_rmlp_nano_rw_256 256
caformer_s18 64
convformer_s18 64
poolformer_s12 64
poolformerv2_s12 64
gmixer_12_224 64 img_size=64
gmlp_ti16_224 64 img_size=64
resmlp_12_224 64 img_size=64
fbnetv3_b 64
lcnet_050 64
mobilenetv3_small_100 64
mobilenetv3_rw 64
tf_mobilenetv3_small_minimal_100 64
mobilevitv2_050 64
mvitv2_tiny 64 img_size=64
mvitv2_small_cls 64 img_size=64
nest_tiny 64 img_size=64
nextvit_small 64
eca_nfnet_l0 64
nf_regnet_b0 64
nf_resnet26 64
nf_seresnet26 64
pit_ti_224 224
pit_ti_distilled_224 224
pvt_v2_b0 64
pvt_v2_b2_li 64
rdnet_tiny 64
regnetz_005 64
repghostnet_050 64
repvit_m0_9 64
resnest14d 64
resnest50d_1s4x24d 64
ecaresnet26t 64
resnet10t 64
resnet26d 64
resnetaa34d 64
resnetblur18 64
seresnet18 64
resnetv2_18 64
resnetv2_50x1_bit 64
resnetv2_50d_gn 64
rexnet_100 64
rexnetr_100 64
selecsls42 64
legacy_seresnet18 64
sequencer2d_s 224
shvit_s1 64
skresnet18 64
starnet_s1 64
swiftformer_xs 64
swin_tiny_patch4_window7_224 224
swin_s3_tiny_224 224
swinv2_tiny_window8_256 64 img_size=64
swinv2_cr_tiny_224 224
swinv2_cr_tiny_ns_224 224
tiny_vit_5m_224 224
tnt_s_patch16_224 64 img_size=64 depth=3
tresnet_m 64
twins_pcpvt_small 64 img_size=64
twins_svt_small 64 img_size=64
visformer_tiny 224
flexivit_small 64 img_size=64 depth=3
vit_tiny_patch16_224 64 img_size=64 depth=4
vit_small_patch14_reg4_dinov2 56 img_size=56 depth=4
vit_tiny_r_s16_p8_224 64 img_size=64 depth=4
vit_xsmall_patch16_clip_224 64 img_size=64 depth=4
vit_relpos_small_patch16_224 64 img_size=64 depth=3
vit_srelpos_small_patch16_224 64 img_size=64 depth=3
vit_relpos_medium_patch16_rpn_224 64 img_size=64 depth=3
vitamin_small_224 224
volo_d1_224 64 img_size=64
ese_vovnet19b_slim 64
ese_vovnet19b_dw 64
legacy_xception 64
xception41p 64
xcit_nano_12_p16_224 64 img_size=64
"""
TORCHVISION = """
efficientnet_b0 64
mnasnet0_5 64
mobilenet_v3_large 64
mobilenet_v3_small 64
regnet_y_800mf 64
shufflenet_v2_x0_5 64
squeezenet1_0 64
squeezenet1_1 64
segmentation.deeplabv3_mobilenet_v3_large 64 weights_backbone=None
segmentation.lraspp_mobilenet_v3_large 96 weights_backbone=None num_classes=5
video.r3d_18 3,4,32,32
video.mc3_18 3,4,32,32
video.r2plus1d_18 3,4,32,32
optical_flow.raft_small 3,128,128
detection.backbone_utils.resnet_fpn_backbone 64 backbone_name='resnet18' weights=None
detection.backbone_utils.mobilenet_backbone 64 backbone_name='mobilenet_v3_large' weights=None fpn=True
"""


def rows() -> dict[str, tuple[str, tuple[int, ...]]]:
    """By name: the call that makes a net, and the sizes of one sample."""
    found = {}
    for library, listed in (("timm", TIMM), ("torchvision", TORCHVISION)):
        for line in filter(None, listed.split("\n")):
            name, size, *more = line.split()
            sizes = tuple(map(int, size.split(",")))
            given = ", ".join(more)
            made = {
                "timm": f"timm.create_model('{name}', {given})",
                "torchvision": f"torchvision.models.{name}({given})",
            }
            key = name if library == "timm" else name.rpartition(".")[2]
            key = f"tv_{key}" if key in found else key
            found[key] = (made[library], (3, *sizes * 2) if len(sizes) == 1 else sizes)
    return found


def module(call: str) -> Any:
    """A net in evaluation, with numbers drawn around those that it starts from, no two alike."""
    import timm
    import torch
    import torchvision
    import torchvision.models.detection.backbone_utils

    net = eval(call, {"timm": timm, "torchvision": torchvision}).eval()
    statistics = ((key, t) for key, t in net.named_buffers() if "running_" in key)
    with torch.no_grad():
        for key, tensor in (*net.named_parameters(), *statistics):
            noise, start = _drawn(torch, key, tensor), float(tensor.flatten()[0])
            if "running_" not in key and abs(start) > 0.01 and bool((tensor == start).all()):
                generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
                noise = start * (1 + 0.1 * torch.randn(tensor.shape, generator=generator))
            tensor.copy_(noise)
    return net


def several(net: Any, call: str) -> Any:
    """The net as a module of tensors: dicts are several of them, of guesses at a flow the last counts."""
    import torch

    class Several(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *x: Any) -> Any:
            if "optical_flow" in call:
                return self.net(*x, num_flow_updates=2)[-1]
            found = self.net(*x)
            return tuple(found.values()) if isinstance(found, dict) else found

    return Several().eval()


def write(name: str, kind: str, path: Path) -> None:
    """Writes the file of one net."""
    import torch

    call, sizes = rows()[name]
    net = module(call)
    if any(word in call for word in ("segmentation", "detection", "optical_flow")):
        net = several(net, call)
    samples = (torch.randn(1, *sizes),) * (1 + ("optical_flow" in call))
    if kind == "dynamo":
        torch.onnx.export(net, samples, str(path), dynamo=True, external_data=False, verbose=False)
        return
    free = {"dynamic_axes": {"input": {0: "batch"}}} if kind == "open" else {}
    names = ["input", "other"][: len(samples)]
    torch.onnx.export(
        net, samples, str(path), dynamo=False, opset_version=KINDS[kind], input_names=names, **free
    )


def again(text: str, folder: Path) -> bool:
    """Whether a text's own file, its steps as they are and names scrambled, is read as the same text."""
    import netspec
    import netspec.importing.imported as importing
    from netspec.diagnostics.raised import NetspecError

    path, prove = folder / "again.onnx", importing.prove
    netspec.load(text).to_onnx(path, optimize=False)
    imports.scrambled(path, path)
    importing.prove = lambda *given: None  # type: ignore[assignment,return-value]
    try:
        found = importing.import_file(path, name=text.split()[1]).text
    except NetspecError:
        return False
    finally:
        importing.prove = prove
    return found == text


def runs(name: str, kind: str, texts: Path | None) -> dict[str, Any]:
    """What came of one net's file, as it is and scrambled."""
    with tempfile.TemporaryDirectory() as folder:
        path, blind = Path(folder, f"{name}.onnx"), Path(folder, f"{name}_scrambled.onnx")
        try:
            write(name, kind, path)
        except Exception as failure:
            return {"unwritten": f"{type(failure).__name__}: {failure}".splitlines()[0][:200]}
        imports.scrambled(path, blind)
        found = {}
        for word, file in ((kind, path), (f"{kind}_scrambled", blind)):
            found[word] = one(file, texts / f"{name}.{word}.ns" if texts else None)
            if texts and not found[word].get("proof") and path.stat().st_size < 1.5e8:
                (texts / file.name).write_bytes(file.read_bytes())
        return found


def one(path: Path, text: Path | None) -> dict[str, Any]:
    """What came of one file."""
    import netspec.importing.imported as importing

    kept: list[Any] = []
    real = importing.import_file
    importing.import_file = lambda file: kept.append(real(file)) or kept[-1]  # type: ignore
    try:
        found = imports.figures(path)
    except Exception:
        return {"crash": traceback.format_exc()[-600:]}
    finally:
        importing.import_file = real
    if kept:
        if text:
            text.write_text(kept[-1].text)
        if path.stem.endswith("_scrambled"):  # names of a file are not in those of its text
            found["again"] = again(kept[-1].text, path.parent)
    return found


def apart(name: str, kind: str, texts: Path | None) -> dict[str, Any]:
    """What came of one net, in a process of its own that shares what is loaded here."""
    import signal

    read, to = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(PATIENCE)
        try:
            told = json.dumps(runs(name, kind, texts))
        except BaseException:
            told = json.dumps({"crash": traceback.format_exc()[-600:]})
        os.write(to, told.encode())
        os._exit(0)
    os.close(to)
    with os.fdopen(read, "rb") as pipe:
        told_bytes = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told_bytes) if told_bytes else {"crash": f"nothing within {PATIENCE} s"}


def summary(nets: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Figures of all the files together."""
    read = [run for net in nets.values() for run in net.values() if isinstance(run, dict)]
    proven = [run for run in read if run.get("proof")]
    return {
        "nets": sum(any(isinstance(run, dict) for run in net.values()) for net in nets.values()),
        "files": len(read) // 2,
        "read": len(read),
        "proven": len(proven),
        "refused": sum("refused" in run for run in read),
        "crashed": sum("crash" in run for run in read),
        "again": sum(bool(run.get("again")) for run in proven),
        "written_again": sum("again" in run for run in proven),
        "slowest_reading": max((run["reading"] for run in proven if "reading" in run), default=0.0),
    }


def main() -> None:
    """Reads the nets that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="nets; all by default")
    parser.add_argument("--kind", choices=KINDS, default="traced", help="how they are written")
    parser.add_argument("--texts", type=Path, help="a folder for texts and files that are refused")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torchvision_without_operators()
    import timm
    import torch
    import torchvision

    torch.set_num_threads(1)
    del timm, torchvision
    if given.texts:
        given.texts.mkdir(exist_ok=True)
    nets = json.loads(given.output.read_text())["nets"] if given.output.exists() else {}
    for name in given.names or rows():
        start = time.perf_counter()
        found = apart(name, given.kind, given.texts)
        nets[name] = {**nets.get(name, {}), **found}
        told = {word: shortly(run) for word, run in found.items()}
        print(name, round(time.perf_counter() - start), told, file=sys.stderr, flush=True)
        result = {
            "versions": {name: version(name) for name in LIBRARIES},
            "summary": summary(nets),
            "nets": dict(sorted(nets.items())),
        }
        given.output.write_text(json.dumps(result, indent=1) + "\n")


def shortly(run: Any) -> Any:
    """A run in a few words."""
    if not isinstance(run, dict) or not run.get("proof"):
        return run
    return f"{run['tokens']} tokens, {run['reading']} s, again {run.get('again')}"


if __name__ == "__main__":
    main()
