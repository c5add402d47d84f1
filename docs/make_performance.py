"""Writes docs/performance.md from what the benchmarks found: `python docs/make_performance.py`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE / "performance.md"
RESULTS = HERE.parent / "benchmarks" / "results"

HEADER = """# Performance

<!-- Written by `python docs/make_performance.py` from benchmarks/results; a test holds it current. -->

How fast the files run that netspec writes, beside what else there is for the same net with the same
weights. [Measuring](deploy.md#measuring) says how to measure your own.
"""

CPU = """
## On a processor

`python benchmarks/inference.py` measures netspec's fp32 file, in ONNX Runtime with its own defaults,
against the files that PyTorch's two exporters write of `net.to_torch()`, the same net with the same
weights, in the same ONNX Runtime; that module in PyTorch, eager and under `torch.compile`; and OpenVINO
on netspec's file. Each contender is alone in a process with as many threads as there are cores. In each
round each has one turn, in a random order, after a pause in which the others' threads come to rest.

A figure is the median of the rounds' ratios to netspec's file: **above 1.00 the contender is slower**.
In brackets are the ratios that the outer tenths of the rounds lie beyond; where 1.00 is between them,
the two are not told apart. The first column has the median time of netspec's file, in milliseconds.
"""

GPU = """
## On a GPU

`python benchmarks/gpu.py` measures netspec's files, their inputs and outputs bound to the device and
replayed as a CUDA graph, fp16 in NHWC, against PyTorch, channels last, eager and under
`torch.compile(mode="max-autotune")`. TF32 is off. Ratios are to netspec's file of the same precision:
**above 1.00 the contender is slower**. The shares are of the chip's peak (two operations for each
multiply-add) and of its bandwidth (weights, inputs and outputs once). The error is the largest difference
from netspec's fp32 file, in that file's largest value.
"""

NONE = "Not measured yet."
TITLES = {
    "torch_torchscript": "exporter, TorchScript",
    "torch_dynamo": "exporter, dynamo",
    "torch_eager": "PyTorch, eager",
    "torch_compile": "torch.compile",
    "openvino_fp32": "OpenVINO, fp32",
    "openvino_bf16": "OpenVINO, bf16",
}


def page() -> str:
    """The page, of the results that are there."""
    text = [HEADER]
    inference, gpu = (read(f"{name}.json") for name in ("inference", "gpu"))
    text.append(CPU)
    text.append("\n".join(cpu(inference)) if inference else NONE + "\n")
    text.append(GPU)
    text.append("\n".join(on_gpu(gpu)) if gpu else NONE + "\n")
    return "\n".join(text)


def read(name: str) -> dict[str, Any] | None:
    path = RESULTS / name
    return json.loads(path.read_text()) if path.exists() else None


def paragraph(text: str) -> str:
    return textwrap.fill(text, 104, break_on_hyphens=False)


def one_line(text: str) -> str:
    return " ".join(text.split())


def table(titles: list[str], rows: list[list[str]]) -> list[str]:
    """A table in markdown, the figures to the right."""
    rules = ["---"] + ["---:"] * (len(titles) - 1)
    return [f"| {' | '.join(cells)} |" for cells in (titles, rules, *rows)]


def cpu(found: dict[str, Any]) -> Iterator[str]:
    machine, settings = found["machine"], found["settings"]
    packages = [f"{name} {value}" for name, value in machine.items() if name not in _MACHINE]
    load = max(result["load_before"] for result in found["nets"].values())
    yield paragraph(
        f"{machine['processor']}, {machine['cores']} cores; {machine['system']}, Python "
        f"{machine['python']}; {', '.join(packages)}. {settings['rounds']} rounds with "
        f"{settings['threads']} threads; before each net the machine's load was at most {load:.1f}."
    )
    for batch in settings["batches"]:
        rows, reasons = [], set()
        for net, result in found["nets"].items():
            figures = result["batches"][str(batch)]
            cells = [net, f"{figures['netspec']['median_ms']:.1f}"]
            for name in TITLES:
                cells.append(ratio(figures[name]))
                if "missing" in figures[name]:
                    reasons.add(f"{TITLES[name]}, {net}: {one_line(figures[name]['missing'])}")
            rows.append(cells)
        yield f"\n**Batch {batch}**\n"
        yield from table(["net", "netspec, ms", *TITLES.values()], rows)
        yield from noted(reasons, found["nets"])
    yield ""
    yield from notes(found)


_MACHINE = ("processor", "cores", "system", "python")


def noted(reasons: set[str], nets: Any) -> Iterator[str]:
    """Why figures are not there; once for what is the same for all nets."""
    by_reason: dict[str, list[str]] = {}
    for line in sorted(reasons):
        where, reason = line.split(": ", 1)
        name, net = where.rsplit(", ", 1)
        by_reason.setdefault(f"{name}: {reason}", []).append(net)
    if by_reason:
        yield ""
    for reason, missing in by_reason.items():
        name, why = reason.split(": ", 1)
        where = "" if len(missing) == len(nets) else f" ({', '.join(missing)})"
        yield f"- {name}{where}: {why}."


def notes(found: dict[str, Any]) -> Iterator[str]:
    """What whoever measured has to say of it."""
    for note in found.get("notes", ()):
        yield paragraph(note)
        yield ""


def ratio(figures: dict[str, Any]) -> str:
    if "ratio" not in figures:
        return "–"
    low, high = figures["ratio_p10"], figures["ratio_p90"]
    return f"{figures['ratio']:.2f} ({low:.2f}–{high:.2f})"


def on_gpu(found: dict[str, Any]) -> Iterator[str]:
    machine, proofs = found["machine"], found["proofs"]
    versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items())
    where = machine.get("gpu", "no GPU: a rehearsal on the processor")
    yield paragraph(
        f"{where}; {machine['processor']}, {machine['cores']} cores; {versions}. "
        f"{found['settings']['rounds']} rounds. Weights: {found['weights']}."
    )
    shares = isinstance(found["chip"], dict)
    titles = ["net, batch, contender", "ms", "ratio", "error"]
    titles += ["of peak", "of bandwidth"] if shares else []
    rows, reasons = [], []
    for kind in ("times", "compiled"):
        for net, batches in found[kind].items():
            for batch, contenders in batches.items():
                for name, figures in contenders.items():
                    what = f"{net}, {batch}, {name.replace('_', ' ')}"
                    if "missing" in figures:
                        reasons.append(f"- {what}: {one_line(figures['missing'])}.")
                        continue
                    if kind == "compiled" and name.startswith("netspec"):
                        continue
                    error = figures["error"]
                    off = "not finite" if error is None else f"{error:.1e}"
                    cells = [what, f"{figures['median_ms']:.2f}", ratio(figures), off]
                    if shares:
                        cells += [
                            f"{100 * figures[share]:.0f} %"
                            for share in ("share_of_peak", "share_of_bandwidth")
                        ]
                    rows.append(cells)
    yield ""
    yield from table(titles, rows)
    yield ""
    yield from reasons
    providers = sorted({proof["provider"] for proof in proofs["ok"]})
    yield ""
    yield paragraph(
        f"{len(proofs['ok'])} shipped nets agree with double precision on "
        f"{', '.join(providers) or 'no provider'}; {len(proofs['wrong'])} do not, and "
        f"{len(proofs['not_run'])} were not run in the time there was."
    )
    yield ""
    for proof in proofs["wrong"]:
        yield f"- wrong: {proof['name']}: {one_line(proof.get('failure', 'the results differ'))}"
    for name, reason in sorted(proofs["not_run"].items()):
        yield f"- not run: {name}: {one_line(reason)}"
    yield ""
    yield from notes(found)


if __name__ == "__main__":
    PAGE.write_text(page())
