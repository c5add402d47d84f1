"""Packages in the hands of the programs that they are for: each reads, runs or refuses them.

    python -m venv packages && . packages/bin/activate
    pip install torch==2.13.0
    pip install -e '.[sign]' onnxruntime pillow torch==2.13.0 huggingface_hub 'transformers<5' \\
        'optimum[onnxruntime]' timm mlflow pytest
    python benchmarks/packages.py -o benchmarks/results/packages.json

or `pytest -m engines tests/packaging`, which holds what is found to what the page says.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.update(
    {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "MLFLOW_DISABLE_TELEMETRY": "true"}
)

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))  # where a test loads this by its path

from registry_torchvision import torchvision_without_operators

PROGRAMS = """huggingface_hub transformers timm optimum optimum-onnx mlflow model-signing safetensors torch
onnxruntime""".split()
# What is packaged: a net with images in every precision, signed; one resized by bicubic filters; one whose
# crop lies at half a pixel; one of several inputs, ids among them; one of several outputs.
NETS = {
    "resnet18": ["--dtype", "fp32,fp16", "--quantize", "int8", "--license", "apache-2.0"],
    "efficientnet_b0": ["--no-verify"],
    "inception_v3": ["--no-verify"],
    "captioning": ["--no-verify"],
    "vae": ["--license", "My own"],
}
IMAGES = ((300, 400), (401, 303), (500, 500), (137, 900), (641, 480), (640, 427))
CHECKS: dict[str, Callable[[Packages], dict[str, Any]]] = {}


class Packages:
    """The packages in a folder, written by the command; and keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private, self.public = _keys(folder, "owner")
        self.other = _keys(folder, "other")[1]
        for name, options in NETS.items():
            netspec("package", name, "-o", folder / name, "--key", self.private, *options)
        # The same weights, given as a file: the card then has figures.
        weights = folder / "resnet18" / "model.safetensors"
        netspec(
            "package", "resnet18", "-o", folder / "trained", "--weights", weights, "--no-verify"
        )

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


def check(function: Callable[[Packages], dict[str, Any]]) -> Callable[[Packages], dict[str, Any]]:
    """Adds a check by the name of its function."""
    CHECKS[function.__name__] = function
    return function


def netspec(*words: Any, status: int = 0) -> str:
    """Runs netspec's command; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "netspec", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def _keys(folder: Path, name: str) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    known = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(key.public_key().public_bytes(*known))
    return private, public


def _refusal(call: Callable[[], Any]) -> str:
    """The kind of exception that a call raises; empty where it raises none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return type(error).__name__
    return ""


def _inputs(folder: Path, batch: int) -> dict[str, np.ndarray[Any, Any]]:
    """Noise for a package's inputs, as its spec takes it."""
    from netspec.packaging.spec import built
    from netspec.verify.samples import sample_inputs

    told = json.loads((folder / "config.json").read_text())["netspec"]
    return sample_inputs(built(folder, told), batch=batch)


def _by_runtime(path: Path, inputs: dict[str, Any]) -> dict[str, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def _apart(found: dict[str, Any], expected: dict[str, Any]) -> float:
    assert found.keys() == expected.keys()
    return max(float(np.abs(np.asarray(found[k]) - v).max()) for k, v in expected.items())


# --- cards


@check
def cards(packages: Packages) -> dict[str, Any]:
    """huggingface_hub reads every card, and its figures as results of evaluations."""
    from huggingface_hub import ModelCard, metadata_load

    found = {}
    for name in (*NETS, "trained"):
        card = ModelCard.load(packages / name / "README.md", ignore_metadata_errors=False)
        assert metadata_load(packages / name / "README.md")["library_name"] == "onnx"
        results = card.data.eval_results or []
        found[name] = {
            "license": card.data.license,
            "task": card.data.pipeline_tag,
            "results": [[r.dataset_type, r.metric_type, r.metric_value] for r in results],
        }
    trained = found["trained"]["results"]
    ok = bool(trained) and not any(found[name]["results"] for name in NETS)
    ok = ok and found["vae"]["license"] == "other" and found["resnet18"]["license"] == "apache-2.0"
    return {"ok": ok and trained[0][:2] == ["imagenet-1k", "accuracy"], "found": found}


@check
def code_of_cards(packages: Packages) -> dict[str, Any]:
    """The Python of a card runs in its folder."""
    from PIL import Image

    place = os.getcwd()
    torchvision_without_operators()
    ran = 0
    try:
        for name in NETS:
            os.chdir(packages / name)
            names: dict[str, Any] = dict(_inputs(packages / name, 2))
            if Path("preprocessor_config.json").exists():
                names["image"] = Image.fromarray(np.zeros((300, 400, 3), np.uint8))
            blocks = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.S)
            for block in blocks:
                exec(block, names)
                ran += 1
            assert len(names["outputs"]) >= 1
    finally:
        os.chdir(place)
    return {"ok": ran >= 3 * len(NETS), "blocks": ran}


# --- images


def _pictures() -> Iterator[Any]:
    from PIL import Image

    draw = np.random.default_rng(0)
    for width, height in IMAGES:
        coarse = draw.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        yield Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def _prepared(name: str, image: Any, packages: Packages) -> Any:
    """The array that `netspec run` makes of an image."""
    from netspec import load
    from netspec.analysis.preprocessing import preprocessings
    from netspec.backends.images import read_image
    from netspec.backends.runtime import InputInfo

    graph = load(name).graph
    image.save(packages / "image.png")
    sizes = ("N", *(int(size) for size in graph.inputs[0].types[0].shape))
    info = InputInfo("input", sizes, "<f4", preprocessings(graph)["input"])
    return read_image(info, str(packages / "image.png"), lambda text: None)


def _moved(found: Any, ours: Any) -> float:
    """How far two crops are apart, where one may begin a pixel before the other."""
    best = np.inf
    for rows in (0, 1):
        for columns in (0, 1):
            high, wide = ours.shape[2] - rows, ours.shape[3] - columns
            part = found[:, :, rows:, columns:] - ours[:, :, :high, :wide]
            best = min(best, float(np.abs(part).max()))
    return best


@check
def transformers(packages: Packages) -> dict[str, Any]:
    """AutoImageProcessor prepares images as `netspec run`; models are refused, not made up."""
    torchvision_without_operators()
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

    found: dict[str, Any] = {}
    for name in ("resnet18", "efficientnet_b0", "inception_v3"):
        slow, fast, beside = 0.0, 0.0, 0
        for image in _pictures():
            ours = _prepared(name, image, packages)
            for use_fast in (False, True):
                processor = AutoImageProcessor.from_pretrained(packages / name, use_fast=use_fast)
                theirs = processor(image, return_tensors="pt")["pixel_values"].numpy()
                off = _moved(theirs, ours)
                if use_fast:
                    fast = max(fast, off)
                else:
                    slow = max(slow, off)
                    beside += off < float(np.abs(theirs - ours).max())
        found[name] = {"pillow": slow, "torchvision": fast, "a_pixel_beside": beside}
    refused = {
        kind.__name__: _refusal(partial(kind.from_pretrained, packages / "resnet18"))
        for kind in (AutoConfig, AutoModelForImageClassification)
    }
    exact = all(item["pillow"] < 2e-6 for item in found.values())
    return {
        "ok": exact and all(refused.values()),
        "images": len(IMAGES),
        "largest_difference": found,
        "refused": refused,
    }


@check
def timm(packages: Packages) -> dict[str, Any]:
    """timm's transform of `pretrained_cfg` prepares images alike; its models are refused."""
    torchvision_without_operators()
    from timm import create_model
    from timm.data import create_transform, resolve_data_config

    found = {}
    for name in ("resnet18", "efficientnet_b0", "inception_v3"):
        told = json.loads((packages / name / "config.json").read_text())["netspec"]
        transform = create_transform(**resolve_data_config(pretrained_cfg=told["pretrained_cfg"]))
        apart = [
            np.abs(transform(image).numpy()[None] - _prepared(name, image, packages)).max()
            for image in _pictures()
        ]
        found[name] = float(max(apart))
    refused = {
        str(pretrained): _refusal(
            partial(create_model, f"local-dir:{packages / 'resnet18'}", pretrained=pretrained)
        )
        for pretrained in (True, False)
    }
    ok = max(found.values()) < 2e-6 and all(refused.values())
    return {"ok": ok, "images": len(IMAGES), "largest_difference": found, "refused": refused}


# --- running


@check
def optimum(packages: Packages) -> dict[str, Any]:
    """Optimum loads each file by its precision's name, and gives what ONNX Runtime gives."""
    torchvision_without_operators()
    from optimum.onnxruntime import ORTModelForCustomTasks

    found = {}
    inputs = _inputs(packages / "resnet18", 2)
    for name in ("model.onnx", "model_fp16.onnx", "model_int8.onnx"):
        model = ORTModelForCustomTasks.from_pretrained(
            packages / "resnet18", subfolder="onnx", file_name=name
        )
        expected = _by_runtime(packages / "resnet18" / "onnx" / name, inputs)
        found[name] = _apart(dict(model(**inputs)), expected)
    return {"ok": max(found.values()) == 0, "largest_difference": found}


@check
def mlflow(packages: Packages) -> dict[str, Any]:
    """MLflow loads each package, predicts what ONNX Runtime does, and refuses what the signature does."""
    import mlflow.onnx
    import mlflow.pyfunc
    from mlflow.models import Model

    found, refused, offered = {}, 0, 0
    for name in NETS:
        folder = packages / name / "onnx"
        signature = Model.load(str(folder)).signature
        graph = mlflow.onnx.load_model(str(folder)).graph
        assert [item.name for item in graph.input] == signature.inputs.input_names()
        assert [item.name for item in graph.output] == signature.outputs.input_names()
        model = mlflow.pyfunc.load_model(str(folder))
        inputs = _inputs(packages / name, 3)
        expected = _by_runtime(folder / "model.onnx", inputs)
        found[name] = _apart(model.predict(inputs), expected)
        for wrong in _wrong(inputs):
            offered += 1
            refused += bool(_refusal(partial(model.predict, wrong)))
    ok = max(found.values()) == 0 and refused == offered
    return {"ok": ok, "largest_difference": found, "wrong_inputs": offered, "refused": refused}


def _wrong(inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Inputs of another type, size, rank and name."""
    for name, array in inputs.items():
        rest = {key: value for key, value in inputs.items() if key != name}
        yield {**rest, name: array.astype(np.float16 if array.dtype.kind == "f" else np.float32)}
        yield {**rest, name: array[..., None]}
        yield {**rest, f"{name}_": array}
        if array.shape[1:]:
            yield {**rest, name: np.concatenate([array, array[:, :1]], 1)}


@check
def pytorch(packages: Packages) -> dict[str, Any]:
    """safetensors loads into `to_torch()` strictly, whose outputs are those of the ONNX file."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    from netspec.packaging.spec import built

    found = {}
    for name in NETS:
        folder = packages / name
        told = json.loads((folder / "config.json").read_text())["netspec"]
        import netspec as library

        module = library.api.Net(built(folder, told)).to_torch(seed=1).eval()
        module.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            assert file.metadata() == {"format": "pt"}
        inputs = _inputs(folder, 2)
        with torch.no_grad():
            result = module(*(torch.from_numpy(array) for array in inputs.values()))
        results = result if isinstance(result, tuple) else (result,)
        expected = _by_runtime(folder / "onnx" / "model.onnx", inputs)
        pairs = zip(results, expected.values(), strict=True)
        found[name] = max(float(np.abs(r.numpy() - e).max() / np.abs(e).max()) for r, e in pairs)
    return {"ok": max(found.values()) < 2e-5, "relative_difference": found}


# --- signatures


@check
def signatures(packages: Packages) -> dict[str, Any]:
    """model_signing's own command takes each signature, and refuses it with another's key."""
    for name in NETS:
        assert "signed by the owner" in netspec("verify", packages / name, "--key", packages.public)
        assert _by_command(packages / name, packages.public)
        assert not _by_command(packages / name, packages.other)
        said = netspec("verify", packages / name, "--key", packages.other, status=1)
        assert "NS532" in said
    assert "NS532" in netspec("verify", packages / "trained", "--key", packages.public, status=1)
    assert "NS533" in netspec("verify", packages / "vae", "--key", packages.private, status=2)
    assert "NS533" in netspec(
        *("package", "vae", "-o", packages / "x", "--key", packages.public), status=2
    )
    assert not (packages / "x").exists()
    return {"ok": True, "packages": len(NETS)}


def _by_command(folder: Path, key: Path) -> bool:
    program = Path(sys.executable).with_name("model_signing")
    words = ["verify", "key", "--public_key", key, "--signature", folder / "model.sig", folder]
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "succeeded" in done.stdout


def _single_bytes(folder: Path, count: int, left_out: tuple[str, ...] = ()) -> Iterator[None]:
    """Changes one byte of a file at a time, and puts it back: each file in turn, then by size."""
    draw = random.Random(0)
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in left_out)
    sizes = [path.stat().st_size for path in files]
    chosen = (files * 10 + draw.choices(files, sizes, k=count))[:count]
    for path in chosen:
        at, by = draw.randrange(path.stat().st_size), draw.randrange(1, 256)
        with path.open("r+b") as file:
            for changed in (True, False):
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ by]))
                file.flush()
                if changed:
                    yield


@check
def single_bytes(packages: Packages) -> dict[str, Any]:
    """A thousand changes of one byte, in all files: refused with a key and without."""
    from netspec.packaging.check import check_package

    folder = Path(shutil.copytree(packages / "vae", packages / "bytes"))
    refused = {"digests": 0, "key": 0}
    for _ in _single_bytes(folder, 1000):
        refused["digests"] += bool(_refusal(lambda: check_package(folder)))
        refused["key"] += bool(_refusal(lambda: check_package(folder, key=packages.public)))
    assert check_package(folder, key=packages.public).ok
    return {"ok": set(refused.values()) == {1000}, "changed": 1000, "refused": refused}


@check
def single_bytes_with_new_digests(packages: Packages) -> dict[str, Any]:
    """A thousand more by someone who writes the digests anew: all pass without a key, none with one."""
    from netspec.packaging.check import check_package
    from netspec.packaging.sums import write_sums

    folder = Path(shutil.copytree(packages / "vae", packages / "forged"))
    passed, refused = 0, 0
    for _ in _single_bytes(folder, 1000, ("model.sig", "SHA256SUMS")):
        write_sums(folder)
        passed += not _refusal(lambda: check_package(folder).files)
        refused += bool(_refusal(lambda: check_package(folder, key=packages.public)))
    return {
        "ok": refused == 1000,
        "changed": 1000,
        "refused_with_key": refused,
        "passed_without": passed,
    }


def run() -> dict[str, Any]:
    """Every check on packages written anew, with the versions of the programs."""
    found: dict[str, Any] = {"versions": {name: version(name) for name in PROGRAMS}, "checks": {}}
    with tempfile.TemporaryDirectory(prefix="packages-") as folder:
        packages = Packages(Path(folder))
        for name, function in CHECKS.items():
            found["checks"][name] = function(packages)
            print(name, json.dumps(found["checks"][name]), file=sys.stderr)
    return found


def main() -> None:
    """Runs every check and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    text = json.dumps(run(), indent=1) + "\n"
    if given.output:
        given.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
