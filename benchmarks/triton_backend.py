"""Builds Triton's backend for ONNX Runtime from its sources, for the server of the wheel nvidia-pytriton.

    apt-get install rapidjson-dev
    python benchmarks/triton_backend.py --sources SOURCES --headers HEADERS --library LIBRARY -o BACKEND

SOURCES holds checkouts of `onnxruntime_backend`, `backend`, `core` and `common` of the organisation
triton-inference-server on GitHub, of the server's release: 24.10 for version 2.51. HEADERS are those of
ONNX Runtime, with onnxruntime_c_api.h among them; the npm package com.github.asus4.onnxruntime 0.4.9
carries them below `Plugins/iOS~`. LIBRARY is libonnxruntime.so of a version that has the headers' API, as
the package onnxruntime brings it in `capi`. BACKEND is then for `serve.py --backend`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = (
    "backend/src/backend_common.cc",
    "backend/src/backend_input_collector.cc",
    "backend/src/backend_memory.cc",
    "backend/src/backend_model.cc",
    "backend/src/backend_model_instance.cc",
    "backend/src/backend_output_responder.cc",
    "common/src/async_work_queue.cc",
    "common/src/error.cc",
    "common/src/thread_pool.cc",
    "onnxruntime_backend/src/onnxruntime.cc",
    "onnxruntime_backend/src/onnxruntime_loader.cc",
    "onnxruntime_backend/src/onnxruntime_utils.cc",
)
# Where the backend looks for headers that a package has in one folder.
PROVIDERS = "core/providers/cpu"


def build(sources: Path, headers: Path, library: Path, output: Path) -> None:
    """Compiles and links the backend, and puts the library beside it under the names it is asked by."""
    with tempfile.TemporaryDirectory(prefix="netspec-backend-") as folder:
        work = Path(folder)
        shutil.copytree(headers, work / "include")
        shutil.copytree(headers, work / "include" / PROVIDERS)
        includes = [
            work / "include",
            *(sources / part / "include" for part in ("core", "backend", "common")),
        ]
        flags = ["-std=c++17", "-O1", "-fPIC", "-w", "-DTRITON_ENABLE_STATS"]
        flags += [f"-I{path}" for path in includes]
        objects = []
        for name in SOURCES:
            made = work / f"{Path(name).stem}.o"
            subprocess.run(["g++", *flags, "-c", str(sources / name), "-o", str(made)], check=True)
            objects.append(str(made))
        output.mkdir(parents=True, exist_ok=True)
        for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
            shutil.copy(library, output / name)
        script = sources / "onnxruntime_backend" / "src" / "libtriton_onnxruntime.ldscript"
        subprocess.run(
            [
                *("g++", "-shared", "-o", str(output / "libtriton_onnxruntime.so"), *objects),
                *(f"-L{output}", "-lonnxruntime", "-Wl,-rpath,$ORIGIN"),
                f"-Wl,--version-script={script}",
            ],
            check=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("sources", "headers", "library"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    build(args.sources, args.headers, args.library, args.output)


if __name__ == "__main__":
    main()
