"""Whether the examples that run nets in C++ and in a browser give what ONNX Runtime gives in Python.

    npm pack com.github.asus4.onnxruntime@0.4.9     # has the headers, below Plugins/iOS~
    npm install --no-save onnxruntime-web@1.30.0
    python benchmarks/serve_programs.py --headers HEADERS --library LIBRARY --web node_modules \\
        -o benchmarks/results/serve_programs.json

LIBRARY is libonnxruntime.so of the package onnxruntime, in its folder `capi`. The page runs in a headless
Chromium. What is not named is not run, and keeps what the JSON file has of it.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from report import machine

import netspec
from netspec.system.atomic import write_text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.browser import browser  # noqa: E402

TOLERANCE = 1e-5
WEB = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def run(path: Path, feeds: dict[str, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def compiled(headers: Path, library: Path, work: Path) -> dict[str, Any]:
    """Compiles serve.cc without a warning, and holds what it prints to Python's outputs."""
    program = work / "serve"
    (work / "libonnxruntime.so.1").symlink_to(library.absolute())
    warnings = ["-Wall", "-Wextra", "-Werror", "-isystem", str(headers)]
    link = [str(work / "libonnxruntime.so.1"), f"-Wl,-rpath,{work}"]
    source = str(ROOT / "examples" / "serve.cc")
    command = ["g++", "-std=c++17", "-O1", *warnings, source, *link, "-o", str(program)]
    subprocess.run(command, check=True)
    worst, nets = 0.0, {"lenet5": (), "vae": (), "resnet18": ("3x64x64",)}
    for name, sizes in nets.items():
        net = netspec.load(name, input=sizes)
        path = net.to_onnx(work / f"{name}.onnx")
        shape = net.graph.inputs[0].types[0].shape
        x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
        done = subprocess.run([program, path], input=x.tobytes(), capture_output=True, check=True)
        lines = [line.split() for line in done.stdout.decode().splitlines()]
        expected = run(path, {"input": x})
        assert [line[0] for line in lines] == list(expected)
        for output, shape_said, *numbers in lines:
            right = expected[output]
            assert shape_said == "x".join(map(str, right.shape))
            far = np.abs(np.array(numbers, np.float32) - right.ravel()).max()
            worst = max(worst, float(far / np.abs(right).max()))
    bad = subprocess.run([program, path], input=b"12345", capture_output=True, check=False)
    assert bad.returncode == 1
    assert b"no whole sample" in bad.stderr
    assert worst <= TOLERANCE, worst
    return {"nets": list(nets), "error": worst, "compiler": _first_line("g++", "--version")}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


def in_browser(modules: Path, work: Path) -> dict[str, Any]:
    """Opens serve.html in Chromium, and holds the classes that it lists to Python's."""
    folder = work / "page"
    folder.mkdir()
    package = modules / "onnxruntime-web"
    for name in WEB:
        shutil.copy(package / "dist" / name, folder)
    shutil.copy(ROOT / "examples" / "serve.html", folder)
    net = netspec.load("resnet18", input="3x64x64")
    path = net.to_onnx(folder / "net.onnx", target="web", preprocess=True)
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with browser() as window:
            window.send("Page.navigate", url=f"http://127.0.0.1:{server.server_port}/serve.html")
            state = "document.getElementById('state')?.textContent ?? ''"
            window.wait(f"/done|failed/.test({state})")
            assert window.value(state) == "done", window.value(state)
            pixels = window.value(
                "Array.from(canvas.getContext('2d').getImageData(0, 0, 64, 64).data)"
            )
            said = window.value("Array.from(document.querySelectorAll('li'), e => e.textContent)")
            agent = window.value("navigator.userAgent")
    finally:
        server.shutdown()
    image = np.array(pixels, np.uint8).reshape(1, 64, 64, 4)[..., :3]
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 2
    (scores,) = run(path, {"input": np.ascontiguousarray(image)}).values()
    best = np.argsort(-scores[0], kind="stable")[:5]
    found = [re.fullmatch(r"class (\d+): (\S+)", line) for line in said]
    assert [int(match[1]) for match in found if match] == best.tolist()
    given = np.array([float(match[2]) for match in found if match])
    worst = float(np.abs(given - scores[0][best]).max() / scores.max())
    assert worst <= TOLERANCE, worst
    return {
        "onnxruntime-web": json.loads((package / "package.json").read_text())["version"],
        "browser": re.findall(r"\w*Chrome/[\d.]+", agent)[0],
        "error": worst,
    }


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("headers", "library", "web", "output"):
        short = ["-o"] if name == "output" else []
        parser.add_argument(*short, f"--{name}", type=Path)
    args = parser.parse_args()
    before = args.output and args.output.exists()
    found: dict[str, Any] = json.loads(args.output.read_text()) if before else {}
    found["machine"] = machine("onnxruntime")
    with tempfile.TemporaryDirectory(prefix="netspec-programs-") as folder:
        if args.headers:
            found["C++"] = compiled(args.headers, args.library, Path(folder))
        if args.web:
            found["browser"] = in_browser(args.web, Path(folder))
    text = json.dumps(found, indent=2)
    print(text)
    if args.output:
        write_text(args.output, text + "\n")


if __name__ == "__main__":
    main()
