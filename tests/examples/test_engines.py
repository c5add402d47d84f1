"""Trainers of others: what docs/training.md shows of them trains a net as a plain loop does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.places import ROOT
from torch.nn.functional import cross_entropy

import netspec

pytestmark = pytest.mark.engines

# Heads and frozen parts, and no step whose result depends on how a batch is divided.
SPEC = """
net small
input 1x8x8
default conv(pad=same, act=relu)
block unit { conv3-4; residual { conv3-4 } }
unit; maxpool2
head aux(loss=0.3) { gap; fc-3; softmax }
freeze { unit as still }
unit; gap; fc-3 as scores; softmax
"""
EPOCHS, BATCH, IMAGES = 3, 16, 64
RESULTS = ROOT / "benchmarks" / "results" / "trainers.json"

DATA = f"""
import os

def data(batch, processes=1):
    random = torch.Generator().manual_seed(0)
    images = torch.randn({IMAGES}, 1, 8, 8, generator=random)
    classes = torch.randint(0, 3, ({IMAGES},), generator=random)
    pairs = torch.utils.data.TensorDataset(images, classes)
    here = int(os.environ.get("LOCAL_RANK", 0)) if processes > 1 else 0
    order = torch.utils.data.DistributedSampler(pairs, processes, here, shuffle=False)
    return torch.utils.data.DataLoader(pairs, batch, sampler=order)
"""
# What the two pages' blocks are run by: where they are, in how many processes, what comes of it.
LIGHTNING = f"""
import sys, warnings
warnings.filterwarnings("ignore")
folder, processes = sys.argv[1], int(sys.argv[2])
trainer = lightning.Trainer(
    max_epochs={EPOCHS}, accelerator="cpu", devices=processes, logger=False,
    strategy="ddp" if processes > 1 else "auto", default_root_dir=folder,
    enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    use_distributed_sampler=False,  # it would shuffle
)
trainer.fit(Classifier(folder + "/small.ns"), data({BATCH} // processes, processes))
trainer.save_checkpoint(folder + "/trained.ckpt")
"""
ACCELERATE = f"""
import json, sys
folder, processes = sys.argv[1], int(sys.argv[2])
net, losses = train(folder + "/small.ns", data({BATCH} // processes), {EPOCHS})
if int(os.environ.get("RANK", 0)) == 0:
    torch.save(net.state_dict(), folder + "/trained.ckpt")
    with open(folder + "/losses.json", "w") as file:
        json.dump(losses, file)
"""


def shown(engine: str) -> str:
    """The page's block of Python under the heading of the engine."""
    page = (ROOT / "docs" / "training.md").read_text()
    section = page[page.index(f"## {engine}\n") :]
    found = re.search(r"```python\n(.*?)```", section, re.S)
    assert found is not None
    return found[1]


def plain() -> tuple[netspec.Net, dict[str, torch.Tensor], list[float]]:
    """Weights and losses of a loop of one's own, on whole batches."""
    space: dict[str, Any] = {"torch": torch}
    exec(DATA, space)
    net = netspec.load(SPEC)
    model = net.to_torch(logits=True)
    optimizer = torch.optim.SGD(netspec.param_groups(model, lr=0.05, weight_decay=0.01))
    losses = []
    for _ in range(EPOCHS):
        for images, classes in space["data"](BATCH):
            loss = model.total_loss(cross_entropy, model(images), classes)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return net, model.state_dict(), losses


def note(engine: str, processes: int, worst: float) -> None:
    """Keeps what was found among the results, with the versions it was found with."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found[f"{engine}, {processes} processes"] = {
        "versions": {engine: version(engine), "torch": torch.__version__},
        "furthest_weight_from_a_plain_loop": float(f"{worst:.1e}"),
    }
    RESULTS.write_text(json.dumps(dict(sorted(found.items())), indent=2) + "\n")


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("engine", "heading", "driver"),
    [("lightning", "Lightning", LIGHTNING), ("accelerate", "Accelerate", ACCELERATE)],
)
def test_an_engine_trains_the_net_as_a_plain_loop_does(
    engine: str, heading: str, driver: str, processes: int, tmp_path: Path
) -> None:
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    (tmp_path / "small.ns").write_text(SPEC)
    script = tmp_path / "script.py"
    script.write_text(shown(heading) + DATA + driver)
    command = [sys.executable]
    if engine == "accelerate" and processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, str(script), str(tmp_path), str(processes)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    net, expected, losses = plain()
    found = net.to_torch(weights=tmp_path / "trained.ckpt", logits=True)
    worst = max(
        (found.state_dict()[n] - tensor).abs().max().item() for n, tensor in expected.items()
    )
    start = net.to_torch(logits=True).state_dict()
    moved = {name for name in start if not torch.equal(start[name], expected[name])}
    assert {name.split(".")[0] for name in start} - {name.split(".")[0] for name in moved} == {
        "still"
    }
    assert worst < 1e-5
    if engine == "accelerate":
        assert json.loads((tmp_path / "losses.json").read_text()) == pytest.approx(losses, rel=1e-5)
    net.to_onnx(tmp_path / "small.onnx", weights=tmp_path / "trained.ckpt")
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8), dtype=np.float32)
    (answers,) = net.run(x, weights=tmp_path / "trained.ckpt").outputs.values()
    exact = found.eval()(torch.from_numpy(x)).softmax(1).detach().numpy()
    assert np.allclose(answers, exact, atol=1e-5)
    note(engine, processes, worst)
