"""How a model is served: what is refused before anything is written, in Python and by the command."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.triton_schema import parse

import netspec
from netspec.cli.main import main
from netspec.diagnostics.raised import NetspecError
from netspec.serving.settings import Serving


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_batch": 0}, "at least 1"),
        ({"max_batch": 4, "preferred": (2, 8)}, "1 to 4 rows"),
        ({"preferred": (8, 9)}, "1 to 8 rows"),
        ({"preferred": (4, 2)}, "smallest first"),
        ({"preferred": (0, 2)}, "1 to 8 rows"),
        ({"delay": -1}, "no less than 0"),
        ({"instances": 0}, "at least 1 instance"),
        ({"device": "tpu"}, "cpu, cuda or None"),
        ({"gpus": (0,)}, "need device='cuda'"),
        ({"device": "cuda", "gpus": (0, 0)}, "each given once"),
        ({"device": "cpu", "tf32": True}, "need device='cuda'"),
        ({"versions": "newest"}, "not `newest`"),
        ({"versions": "latest:0"}, "not `latest:0`"),
        ({"versions": "0"}, "not `0`"),
        ({"versions": "1,,2"}, "not `1,,2`"),
        ({"parameters": {"intra_op_threads_count": "2"}}, "did you mean `intra_op_thread_count`"),
        ({"accelerators": {"tensorrt": {}}}, "tensorrt needs device='cuda'"),
        ({"accelerators": {"openvino": {}}, "device": "cuda"}, "openvino needs device='cpu'"),
        ({"accelerators": {"xnnpack": {}}}, "known are cuda, tensorrt, openvino"),
    ],
)
def test_what_has_no_meaning(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        Serving(**given).check()


def test_tf32_is_off_unless_asked_for() -> None:
    assert Serving().providers == Serving(device="cpu").providers == {}
    assert Serving(device="cuda").providers == {"cuda": {"use_tf32": "0"}}
    assert Serving(device="cuda", tf32=True).providers == {}


def command(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "netspec", "deploy", *args]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command(tmp_path: Path) -> None:
    flags = ["--max-batch", "4", "--preferred", "2,4", "--delay", "300", "--device", "cuda"]
    flags += ["--gpus", "0,1", "--versions", "latest:2", "--no-warm-up", "--kserve", "gs://b/m"]
    flags += ["--accelerator", "tensorrt:precision_mode=FP16,trt_engine_cache_enable=1"]
    flags += ["--parameter", "enable_mem_arena=0", "--name", "digits", "--logits", "--seed", "4"]
    done = command(tmp_path, "lenet5", "--triton", "models", *flags, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["models"] == [
        {
            "name": "digits",
            "version": 1,
            "max_batch_size": 4,
            "inputs": {"input": ["N", 1, 32, 32]},
            "outputs": {"output": ["N", 10]},
        }
    ]
    assert said["manifest"] == "models/inferenceservice.yaml"
    assert 'name: "models"' in (tmp_path / "models" / "inferenceservice.yaml").read_text()
    config = parse((tmp_path / "models" / "digits" / "config.pbtxt").read_text())
    assert list(config.instance_group[0].gpus) == [0, 1]
    assert config.version_policy.latest.num_versions == 2
    found = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert {item.name for item in found} == {"tensorrt", "cuda"}
    assert dict(found[0].parameters) == {"precision_mode": "FP16", "trt_engine_cache_enable": "1"}
    netspec.load("lenet5").to_onnx(tmp_path / "same.onnx", logits=True, seed=4)
    model = tmp_path / "models" / "digits" / "1" / "model.onnx"
    assert model.read_bytes() == (tmp_path / "same.onnx").read_bytes()


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--triton", "m", "--preferred", "a"],
        ["--triton", "m", "--gpus", "0"],
        ["--triton", "m", "--max-batch", "0"],
        ["--triton", "m", "--parameter", "enable_mem_arena"],
        ["--triton", "m", "--accelerator", "cuda:x"],
        ["--triton", "m", "--service", "x"],
        ["--triton", "m", "--kserve", "somewhere"],
        ["--triton", "m", "--name", "a/b"],
        ["--triton", "m", "--strict"],
        ["--triton", "m", "--max-batch", "3", "--batch", "2"],
        ["--triton", "m", "--preprocess"],
        ["--triton", "m", "--labels", "none.txt"],
    ],
)
def test_mistakes_of_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["deploy", "mlp", *flags])
    failure = done.exception
    assert done.exit_code == 2 or getattr(failure, "status", 0) == 2, done.output
    assert list(tmp_path.iterdir()) == []


def test_in_python(tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("cat\ndog\n")
    net = netspec.load("net pets\npreprocess mean=0.5\ninput 3x8x8\ngap; fc-2")
    deployed = net.to_triton(
        tmp_path / "models",
        weights=net.to_torch(seed=5),
        preprocess=True,
        max_batch=2,
        labels=tmp_path / "two.txt",
        kserve="pvc://claim/models",
    )
    assert [model.name for model in deployed.models] == ["pets", "pets_preprocess", "pets_images"]
    net.to_onnx(tmp_path / "same.onnx", seed=5)
    model = tmp_path / "models" / "pets" / "1" / "model.onnx"
    assert model.read_bytes() == (tmp_path / "same.onnx").read_bytes()
    with pytest.raises(NetspecError, match="did you mean `max_batch`"):
        net.to_triton(tmp_path / "models", max_batchs=2)
    for wrong in ({"service": "x"}, {"kserve": "x"}, {"dtype": "fp8"}, {"instances": 0}):
        with pytest.raises(ValueError, match=r"."):
            net.to_triton(tmp_path / "other", **wrong)
    assert not (tmp_path / "other").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        samples = [np.ones((1, 3, 8, 8), np.float32)] * 4
        net.to_triton(tmp_path / "eight", quantize="int8", samples=samples)
