"""The training example: the same losses in one process and in two, gone on with, and exported."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from support.places import ROOT
from support.training_runs import run, train

import netspec

# Heads, frozen and shared weights, blocks in blocks, one that shares its weights with a step outside it.
PLAIN = """
net plain
input 1x12x12
default conv(pad=same, act=relu)
block unit { conv3-8; conv3-8 as b; conv3-8(weights=@b) }
block pair { unit; residual { unit }; groupnorm(2) }
block single { conv3-8 as only }
conv3-8; pair as first; maxpool2
head aux(loss=0.3) { gap; fc-10; softmax }
freeze { conv3-8 as still }
single as lone; conv3-8(weights=@lone.only)
pair as second; gap; fc-10; softmax
"""
NORMED = """
net normed
input 1x12x12
default conv(pad=same, norm=bn, act=relu)
block unit { conv3-8; conv3-8 }
unit; maxpool2; freeze { unit as still }; unit; gap; fc-10; softmax
"""
# Adam divides by the size of gradients: where they are nearly nothing, their rounding decides.
COMMON = "--batch 64 --epochs 2 --optimizer sgd --lr 0.05 --weight-decay 0.01".split()
IMAGES = 400


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    every = train.read("digits", netspec.load(PLAIN), 0)[0]
    images, labels = zip(*(every[i] for i in range(IMAGES)), strict=True)
    np.savez(folder / "some.npz", images=torch.stack(images), labels=torch.stack(labels))
    for text in (PLAIN, NORMED):
        net = netspec.load(text)
        (folder / f"{net.name}.ns").write_text(text)
    return folder


def arguments(place: Path, name: str, run: str, *more: str) -> list[str]:
    """Of a run of a spec, whose files are called after it."""
    files = ["--checkpoint", f"{place}/{run}.pt", "--output", f"{place}/{run}.onnx"]
    return ["--spec", f"{place}/{name}.ns", "--data", f"{place}/some.npz", *COMMON, *files, *more]


def crash(after: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """Runs until it says a line that starts so."""

    def echo(text: str) -> None:
        if text.startswith(after):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(click, "echo", echo)
        with pytest.raises((KeyboardInterrupt, click.Abort)):
            run(arguments)


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, Any]:
    """Losses by the name of the run: alone, in parts, in two processes of both kinds, gone on with."""
    found = {
        "plain": run(arguments(place, "plain", "plain")),
        "normed": run(arguments(place, "normed", "normed")),
        "parts": run(arguments(place, "normed", "parts", "--accumulate", "2")),
    }
    with pytest.MonkeyPatch.context() as monkeypatch:
        crash("epoch 1", monkeypatch, arguments(place, "plain", "cut"))
    two: dict[str, Any] = {}
    for how in ("ddp", "fsdp"):
        shutil.copy(place / "cut.pt", place / f"cut_{how}.pt")
        for name, net, more, recompute in (
            (how, "plain", [], []),
            (f"{how}_normed", "normed", [], ["unit"]),
            (f"cut_{how}", "plain", ["--accumulate", "2"], []),
        ):
            two[name] = arguments(place, net, name, "--parallel", how, *more), recompute
    script = [str(ROOT / "tests" / "support" / "training_runs.py"), str(place / "results.json")]
    done = torchrun(*script, *map(json.dumps, two.values()))
    assert done.returncode == 0, done.stderr
    found |= dict(zip(two, json.loads((place / "results.json").read_text()), strict=True))
    found["cut"] = run(arguments(place, "plain", "cut"))
    return found


def torchrun(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Two processes of a script, on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_two_processes_have_the_losses_of_one(runs):
    alone = runs["plain"]["losses"]
    assert len(alone) == 2 * (IMAGES * 4 // 5 // 64)
    assert alone[-1] < alone[0] - 0.1
    for name in ("ddp", "fsdp"):
        assert runs[name]["losses"] == pytest.approx(alone, rel=1e-5), name


def test_each_process_has_the_whole_net_or_about_half_of_each_block(runs):
    assert runs["plain"]["share"] == runs["ddp"]["share"] == 1
    assert 0.45 < runs["fsdp"]["share"] < 0.6


def test_with_batch_statistics_two_processes_are_one_that_takes_its_batch_in_two_parts(runs):
    # The processes compute their blocks anew for backward, which changes nothing.
    parts = runs["parts"]["losses"]
    for name in ("ddp_normed", "fsdp_normed"):
        assert runs[name]["losses"] == pytest.approx(parts, rel=1e-5), name
    assert runs["normed"]["losses"] != pytest.approx(parts, rel=1e-3)


def test_what_was_cut_goes_on_as_if_it_had_not_been_in_one_process_or_in_two_and_in_parts(runs):
    assert runs["cut"]["losses"] == runs["plain"]["losses"]
    for name in ("cut_ddp", "cut_fsdp"):
        assert runs[name]["losses"] == pytest.approx(runs["plain"]["losses"], rel=1e-5), name


@pytest.mark.parametrize("name", ["plain", "ddp", "fsdp", "cut_ddp", "cut_fsdp"])
def test_a_checkpoint_loads_by_name_and_its_file_answers_as_the_module(runs, place, name):
    net = netspec.load(place / "plain.ns")
    model = net.to_torch(weights=place / f"{name}.pt").eval()
    alone = net.to_torch(weights=place / "plain.pt").state_dict()
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, alone[key], atol=1e-5, rtol=1e-4, msg=f"{name}: {key}")
    start = net.to_torch(seed=0).state_dict()
    changed = {key for key in alone if not torch.equal(alone[key], start[key])}
    assert set(alone) - changed == {"still.weight", "still.bias"}
    x = torch.randn(5, 1, 12, 12)
    session = onnxruntime.InferenceSession(place / f"{name}.onnx")
    (found,) = session.run(None, {"input": x.numpy()})
    assert np.allclose(found, model(x).detach().numpy(), atol=1e-5)


def test_running_statistics_are_those_of_the_first_process_however_weights_are_spread(runs, place):
    net = netspec.load(place / "normed.ns")
    ddp, fsdp = (net.to_torch(weights=place / f"{how}_normed.pt") for how in ("ddp", "fsdp"))
    for (name, one), two in zip(ddp.named_buffers(), fsdp.buffers(), strict=True):
        torch.testing.assert_close(one, two, msg=name)
    start = dict(net.to_torch(seed=0).named_buffers())
    for name, buffer in ddp.named_buffers():
        if name.endswith("running_mean"):
            assert torch.equal(buffer, start[name]) == name.startswith("still."), name


def test_photos_in_folders_are_learnt_in_mixed_precision_from_weights_by_parts(tmp_path):
    random = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            pixels = random.normal(level, 20, (14, 18, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    spec = tmp_path / "two.ns"
    spec.write_text(
        "net two\npreprocess resize=14, crop=12\ninput 3x12x12\n"
        "conv3-4(pad=same, norm=bn, act=relu) as trunk; dropout(0.1); gap; fc-2 as scores; softmax\n"
    )
    old = tmp_path / "old.pt"
    torch.save({"trunk.weight": netspec.load(spec).to_torch(seed=9).trunk.weight.data}, old)
    common = ["--spec", f"{spec}", "--data", f"{tmp_path}/photos", "--weights", f"{old}"]
    common += ["--dtype", "bf16", "--mirror", "--batch", "8", "--epochs", "6", "--lr", "0.1"]
    common += ["--optimizer", "sgd", "--schedule", "plateau", "--part", "*=0", "--part", "scores=1"]
    files = ["--checkpoint", f"{tmp_path}/a.pt", "--output", f"{tmp_path}/a.onnx"]
    losses = run([*common, *files])["losses"]
    assert len(losses) == 6 * 4
    assert losses[-1] < 0.7 * losses[0]
    held = torch.load(tmp_path / "a.pt", weights_only=True)
    assert torch.equal(held["model"]["trunk.weight"], torch.load(old)["trunk.weight"])
    assert held["model"]["scores.weight"].dtype == torch.float32
    files = ["--checkpoint", f"{tmp_path}/b.pt", "--output", f"{tmp_path}/b.onnx"]
    assert run([*common, *files])["losses"] == losses


def test_arrays_of_a_file_are_learnt_too(tmp_path):
    labels = np.arange(60) % 3
    images = np.zeros((60, 1, 6, 6), np.float32)
    images[np.arange(60), 0, 2 * labels, :] = 1
    np.savez(tmp_path / "some.npz", images=images, labels=labels)
    (tmp_path / "bars.ns").write_text(
        "net bars(k=2)\ninput 1x6x6\nfc-16(act=relu); fc-k; softmax\n"
    )
    losses = run(
        [
            *("--spec", f"{tmp_path}/bars.ns", "--set", "k=3", "--data", f"{tmp_path}/some.npz"),
            *("--lr", "0.03", "--checkpoint", f"{tmp_path}/a.pt", "--output", f"{tmp_path}/a.onnx"),
            *("--epochs", "20", "--batch", "16"),
        ]
    )["losses"]
    assert losses[-1] < 0.1


def test_the_page_has_what_was_measured_and_it_is_within_what_is_promised():
    nets = json.loads((ROOT / "benchmarks" / "results" / "training.json").read_text())["nets"]
    page = (ROOT / "docs" / "scale.md").read_text()
    for name, net in nets.items():
        kept = [
            f"{net[key] / 2**20:.0f} MiB" if key in net else "" for key in ("kept", "kept then")
        ]
        cells = ["two parts" if net["batch statistics"] else "whole"]
        cells += [
            f"{net['ddp']:.0e}",
            f"{net['fsdp']:.0e}",
            net["units"],
            f"{net['held']:.0%}",
            *kept,
        ]
        assert f"| {name} | {' | '.join(map(str, cells))} |" in page
        assert max(net["ddp"], net["fsdp"]) < 1e-5
    engines = json.loads((ROOT / "benchmarks" / "results" / "trainers.json").read_text())
    assert {name.split(",")[0] for name in engines} == {"accelerate", "lightning"}
    assert all(run["furthest_weight_from_a_plain_loop"] < 1e-7 for run in engines.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--parallel", "ddp"], "--parallel and torchrun go together"),
        (["--batch", "30", "--accumulate", "4"], "equal parts"),
        (["--part", "scores=1"], "lenet5 has no layer `scores`"),
        (["--part", "fc3"], "fc3 has no value: NAME=VALUE"),
        (["--batch", "5000"], "1438 images fill no batch of 5000"),
        (["--data", "nowhere.npz"], "there is no nowhere.npz"),
        (["--spec", "resnet18"], "resnet18 takes 3x224x224, the images are 1x224x224"),
        (["--set", "classes=9"], "lenet5 gives 9 classes, there are 10"),
        (["--spec", "unet"], "unet does not give the classes of one image"),
        (["--spec", "nowhere"], "no file or shipped spec `nowhere`"),
    ],
)
def test_what_cannot_be_is_said(given, said, tmp_path):
    files = ["--checkpoint", f"{tmp_path}/a.pt", "--output", f"{tmp_path}/a.onnx"]
    done = CliRunner().invoke(train.main, [*given, *files])
    assert done.exit_code in (1, 2)
    assert said in done.output


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ddp", "fsdp"])
def test_lenet5_learns_digits_under_torchrun_and_its_export_gives_the_same_answers(tmp_path, how):
    done = torchrun(str(ROOT / "examples" / "train.py"), "--parallel", how, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the same answers" in done.stdout
    accuracy = re.findall(r"([\d.]+)% of held-out", done.stdout)
    assert len(accuracy) == 30
    assert float(accuracy[-1]) >= 97
    session = onnxruntime.InferenceSession(tmp_path / "lenet5.onnx")
    assert session.get_inputs()[0].shape == ["N", 1, 32, 32]
