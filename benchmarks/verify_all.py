"""Verifies and times every shipped net, and every published checkpoint, on one device.

    python benchmarks/verify_all.py --output results.json
    python benchmarks/verify_all.py --device cuda resnet50_v1_5 vgg16
    python benchmarks/verify_all.py --goldens

For each net: PyTorch in single precision and ONNX Runtime against PyTorch in double precision, and
ONNX Runtime's time per run at each batch size. For each golden: the published logits, through both.
The JSON names the machine and the versions of what took part. A net that does not fit in memory,
or runs longer than --timeout, is reported as such; each runs in a process of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "specs"


def machine(device: str) -> dict[str, Any]:
    """What the numbers were measured on."""
    import torch

    from netspec.backends.switches import cores, processor
    from netspec.verify.report import versions

    found: dict[str, Any] = {
        "device": device,
        "processor": processor(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": dict(versions()),
    }
    if device == "cuda" and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(0)
    return found


def timings(graph: Any, device: str, batches: tuple[int, ...], runs: int) -> list[dict[str, Any]]:
    """Median seconds per run of ONNX Runtime, after one run to warm up."""
    from netspec.backends.onnx.compile import compile_graph
    from netspec.backends.runtime import Session
    from netspec.verify.samples import sample_inputs

    found: list[dict[str, Any]] = []
    if not batches:
        return found
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        compile_graph(graph, path)
        session = Session(path, device=device)
        for batch in batches:
            inputs = sample_inputs(graph, batch=batch)
            session.run(inputs)
            seconds = [session.run(inputs).seconds for _ in range(runs)]
            found.append({"batch": batch, "seconds": statistics.median(seconds), "runs": runs})
    return found


def verified(name: str, device: str, batches: tuple[int, ...], runs: int) -> dict[str, Any]:
    """A shipped net's verification and its times."""
    import netspec
    from netspec.verify import verify

    graph = netspec.load(name).graph
    report = verify(graph, device=device)
    return {
        "verify": report.as_json(),
        "ok": report.ok,
        "times": timings(graph, device, batches, runs),
    }


def golden(name: str, device: str, batches: tuple[int, ...], runs: int) -> dict[str, Any]:
    """A published checkpoint's answer, relative to the norm of its logits."""
    import numpy as np
    import torch

    sys.path.insert(0, str(ROOT / "tests"))
    from support import published as goldens

    from netspec.backends.onnx.compile import compile_graph, prepared
    from netspec.backends.onnx.options import FileOptions
    from netspec.backends.runtime import Session
    from netspec.backends.torch.modules import to_module
    from netspec.checkpoints import load

    expected, graph = goldens.golden(name), goldens.spec(name)
    image = np.random.default_rng(0).standard_normal((1, *expected["input"]), dtype=np.float32)
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        loaded = load(goldens.checkpoint(name, Path(folder)), graph)
        module = to_module(prepared(graph, logits=True), loaded.source).eval().to(device)
        with torch.no_grad():
            answers["torch"] = module(torch.from_numpy(image).to(device)).cpu().numpy()[0]
        del module
        path = Path(folder) / "model.onnx"
        compile_graph(graph, path, FileOptions(logits=True), source=loaded.source)
        result = Session(path, device=device).run({graph.inputs[0].path: image})
        answers["onnxruntime"] = next(iter(result.outputs.values()))[0]
    errors = {
        through: float(np.abs(logits[:8] - expected["logits_first8"]).max() / expected["logits_l2"])
        for through, logits in answers.items()
    }
    same = all(int(logits.argmax()) == expected["argmax"] for logits in answers.values())
    good = same and max(errors.values()) <= goldens.TOLERANCE
    return {"errors": errors, "ok": good, "provider": result.provider}


def _child(kind: str, arguments: tuple[Any, ...], channel: Any) -> None:
    start = time.perf_counter()
    try:
        found = {"golden": golden, "net": verified}[kind](*arguments)
    except MemoryError:
        found = {"ok": None, "failure": "it does not fit in memory"}
    except Exception as error:  # a benchmark reports whatever a net ends with and goes on
        found = {"ok": False, "failure": f"{type(error).__name__}: {error}"[:500]}
    channel.send(
        {"kind": kind, "name": arguments[0], "seconds": time.perf_counter() - start, **found}
    )


def measured(kind: str, arguments: tuple[Any, ...], timeout: float) -> dict[str, Any]:
    """One net in a process of its own."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(kind, arguments, theirs))
    process.start()
    theirs.close()
    failure = "it took too long"
    try:
        if mine.poll(timeout):
            found: dict[str, Any] = mine.recv()
            process.join()
            return found
    except EOFError:
        failure = "it does not fit in memory, or its process died"
    process.kill()
    process.join()
    return {"kind": kind, "name": arguments[0], "ok": None, "failure": failure}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--device", default="cpu", type=click.Choice(["cpu", "cuda"]), help="Where to run.")
@click.option("--goldens", is_flag=True, help="The published checkpoints only.")
@click.option("--nets", is_flag=True, help="The shipped nets only.")
@click.option("--batch", "batches", multiple=True, type=int, default=(1, 8), help="Sizes to time.")
@click.option("--runs", default=5, help="Timed runs for each size.")
@click.option("--timeout", default=600.0, help="Seconds for each net.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write the JSON here, not to stdout."
)
def main(
    names: tuple[str, ...],
    device: str,
    goldens: bool,
    nets: bool,
    batches: tuple[int, ...],
    runs: int,
    timeout: float,
    output: Path | None,
) -> None:
    """Verify and time NAMES, by default everything there is."""
    work = []
    if not nets:
        work += [
            ("golden", path.stem) for path in sorted((ROOT / "tests/data/goldens").glob("*.json"))
        ]
    if not goldens:
        work += [("net", path.stem) for path in sorted(SHIPPED.glob("*.ns"))]
    work = [(kind, name) for kind, name in work if not names or name in names]
    results = []
    for kind, name in work:
        found = measured(kind, (name, device, batches, runs), timeout)
        verdict = {True: "ok", False: "WRONG", None: "not run"}[found["ok"]]
        click.echo(f"{kind:<7} {name:<28} {verdict:<8} {found.get('failure', '')}", err=True)
        results.append(found)
    text = json.dumps(
        {"format_version": 1, "machine": machine(device), "results": results}, indent=1
    )
    if output is None:
        click.echo(text)
    else:
        output.write_text(text + "\n")
    raise SystemExit(1 if any(found["ok"] is False for found in results) else 0)


if __name__ == "__main__":
    main()
