"""Whether a real Triton server takes what `netspec deploy` writes, and answers as ONNX Runtime does.

    python -m venv engine
    engine/bin/pip install numpy==1.26.4 onnxruntime==1.31.1
    engine/bin/pip install --no-deps nvidia-pytriton==0.7.0
    pip install 'tritonclient[grpc,http]==2.73.0'
    python benchmarks/serve.py --engine engine -o benchmarks/results/serve.json

The server is that of the wheel, on the loopback. With `--backend DIR`, a folder that triton_backend.py
made, its own backend for ONNX Runtime runs the files and nothing of a repository is changed; without, its
backend for Python does, see triton_server.py. Each way has a part of the JSON file.

Nets of all kinds are deployed by the command; each has to be ready, to have the tensors that it was said
to have, and to answer over HTTP and gRPC within 1e-4 of the largest value of what ONNX Runtime makes of
the same file, or, of an ensemble, of one file that takes pixels. Requests that come together have to be
joined; a version that is deployed while the server runs has to be served; spoilt configurations have to
be refused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tritonclient.grpc
import tritonclient.http
from google.protobuf import text_format
from report import machine
from serve_cases import AGAINST_FILE, CASES, ENSEMBLE, SPOILT, Case
from triton_server import Server, serving, stand_in, version
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

import netspec
from netspec.api.net import Net
from netspec.system.atomic import write_text
from netspec.verify.samples import sample_inputs

TOLERANCE = 1e-4
# Requests that come together, and how many at once.
REQUESTS, AT_ONCE = 96, 24
PROTOCOLS = {"http": tritonclient.http, "grpc": tritonclient.grpc}


def deployed(case: Case, root: Path, *more: str) -> None:
    """Runs `netspec deploy` on a case."""
    spec = case.spec
    if "\n" in spec:
        path = root.parent / f"{case.name}.ns"
        path.write_text(spec)
        spec = str(path)
    command = [sys.executable, "-m", "netspec", "deploy", spec, "--triton", str(root), "-q"]
    subprocess.run(
        [*command, "--name", case.name, *case.command, *more], check=True, stdout=subprocess.DEVNULL
    )


def checked_by_schema(root: Path) -> int:
    """Parses each configuration by the schema of tritonclient; returns how many there are."""
    configs = list(root.glob("*/config.pbtxt"))
    for path in configs:
        config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
        assert config.name == path.parent.name
    return len(configs)


def client(server: Server, protocol: str) -> Any:
    address = getattr(server, protocol)
    return PROTOCOLS[protocol].InferenceServerClient(address)


def ask(server: Server, protocol: str, model: str, feeds: dict[str, Any]) -> Any:
    """What a model answers."""
    module = PROTOCOLS[protocol]
    inputs = []
    for name, array in feeds.items():
        item = module.InferInput(
            name, array.shape, tritonclient.utils.np_to_triton_dtype(array.dtype)
        )
        item.set_data_from_numpy(array)
        inputs.append(item)
    with client(server, protocol) as found:
        return found.infer(model, inputs)


def run(path: Path, feeds: dict[str, Any]) -> dict[str, Any]:
    """What ONNX Runtime makes of a file."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def furthest(answer: Any, expected: dict[str, Any]) -> float:
    """How far an answer is off, relative to the largest value of each output."""
    worst = 0.0
    for name, right in expected.items():
        given = answer.as_numpy(name)
        if right.ndim == 1:  # a scalar for each row: Triton gives it a dimension
            given = given[:, 0]
        assert (given.shape, given.dtype) == (right.shape, right.dtype), name
        scale = float(np.abs(right.astype(np.float64)).max()) or 1.0
        worst = max(worst, float(np.abs(given.astype(np.float64) - right).max()) / scale)
    return worst


def answers(case: Case, root: Path, server: Server, work: Path) -> dict[str, Any]:
    """How a case is served: its models, and how far its answers are off."""
    net = netspec.load(case.spec, input=case.input, **case.settings)
    path = root / case.name / "1" / "model.onnx"
    worst, asked = 0.0, 0
    types = {i.name: i.type for i in onnxruntime.InferenceSession(path).get_inputs()}
    for rows in case.rows:
        feeds = sample_inputs(net.graph, batch=rows, seed=rows)
        for name, kind in types.items():
            if kind == "tensor(float16)":
                feeds[name] = feeds[name].astype(np.float16)
        expected = run(path, feeds)
        for protocol in PROTOCOLS:
            worst = max(worst, furthest(ask(server, protocol, case.name, feeds), expected))
            asked += 1
    models = sorted(config.parent.name for config in root.glob("*/config.pbtxt"))
    if f"{case.name}_images" in models:
        far, more = through_ensemble(case, net, root, server, work)
        worst, asked = max(worst, far), asked + more
    for protocol in PROTOCOLS:
        with client(server, protocol) as found:
            assert all(found.is_model_ready(model) for model in models), models
    assert worst <= TOLERANCE, (case.name, worst)
    return {"models": models, "requests": asked, "error": worst}


def through_ensemble(
    case: Case, net: Net, root: Path, server: Server, work: Path
) -> tuple[float, int]:
    """How far an ensemble is off one file that takes pixels itself, or off the net on what it prepares."""
    from netspec.analysis.preprocessing import preprocessings
    from netspec.backends.images import normalised

    worst, asked = 0.0, 0
    path = root / case.name / "1" / "model.onnx"
    images = preprocessings(net.graph)
    for rows in case.rows:
        feeds = sample_inputs(net.graph, batch=rows, seed=rows)
        random = np.random.default_rng(rows)
        ready = dict(feeds)
        for name, how in images.items():
            count, channels, height, width = feeds[name].shape
            feeds[name] = random.integers(0, 256, (count, height, width, channels), np.uint8)
            ready[name] = normalised(feeds[name], how)
        if case.file.get("io") == "fp16":
            ready = {name: array.astype(np.float16) for name, array in ready.items()}
        expected = run(path, ready)
        for protocol in PROTOCOLS:
            answer = ask(server, protocol, f"{case.name}_images", feeds)
            worst = max(worst, furthest(answer, expected))
            asked += 1
    return worst, asked


def labelled(server: Server) -> str:
    """The best class of a digit by its label."""
    feeds = np.random.default_rng(0).normal(size=(1, 1, 32, 32)).astype(np.float32)
    module = tritonclient.http
    item = module.InferInput("input", feeds.shape, "FP32")
    item.set_data_from_numpy(feeds)
    wanted = module.InferRequestedOutput("output", class_count=3)
    with client(server, "http") as found:
        answer = found.infer("lenet5", [item], outputs=[wanted]).as_numpy("output")
    words = [text.decode().split(":") for text in answer.ravel()]
    assert all(index == label for _, index, label in words), (
        words
    )  # digits are called as they count
    return ":".join(words[0])


def joined(server: Server, root: Path, model: str, feeds: list[dict[str, Any]]) -> dict[str, int]:
    """Requests that come together, and how often the model ran for them."""
    path = root / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]

    def counts() -> dict[str, int]:
        with client(server, "http") as found:
            said = found.get_inference_statistics(model)["model_stats"][0]
        return {key: int(said[key]) for key in ("inference_count", "execution_count")}

    before = counts()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        given = list(pool.map(lambda one: ask(server, "grpc", model, one), feeds))
    after = {key: value - before[key] for key, value in counts().items()}
    for answer, one in zip(given, feeds, strict=True):
        expected = dict(zip(names, session.run(names, one), strict=True))
        assert furthest(answer, expected) <= TOLERANCE
    assert after["inference_count"] == len(feeds), after
    assert after["execution_count"] < len(feeds), after
    return after


def together() -> dict[str, list[dict[str, Any]]]:
    """Requests that come together, by the case that they are for: images, and texts of three lengths."""
    random = np.random.default_rng(0)
    images = random.normal(size=(REQUESTS, 1, 3, 32, 32)).astype(np.float32)
    texts = [
        {
            "words": random.integers(0, 100, (1, length)),
            "segments": random.integers(0, 2, (1, length)),
        }
        for length in (5, 7, 9) * (REQUESTS // 3)
    ]
    return {"resnet20_cifar": [{"input": image} for image in images], "bert": texts}


def refused(server: Server, model: str) -> str:
    """Why a server does not load a model; raises AssertionError where it does."""
    mark = len(server.text)
    with client(server, "http") as found:
        try:
            found.load_model(model)
        except InferenceServerException as error:
            said = server.text[mark:]
            for words in ("Error parsing text-format ", "Poll failed for model directory "):
                if words in said:
                    return said.partition(words)[2].splitlines()[0].strip('" ')[:300]
            return error.message().strip()[:300]
    raise AssertionError(f"{model} was loaded")


def spoilt(args: argparse.Namespace, work: Path, prepare: Callable[[Path], None]) -> dict[str, str]:
    """What the server says of each configuration that was spoilt."""
    root, said = work / "spoilt", {}
    kinds = {**SPOILT, **(AGAINST_FILE if args.backend else {})}
    names = {what: f"spoilt_{place}" for place, what in enumerate((*kinds, *ENSEMBLE))}
    for what, name in names.items():
        case = Case(name, "resnet18", ("--preprocess",), input=("3x32x32",))
        deployed(case if what in ENSEMBLE else Case(name, "lenet5"), root)
    prepare(root)
    for what, name in names.items():
        model = f"{name}_images" if what in ENSEMBLE else name
        path = root / model / "config.pbtxt"
        path.write_text({**kinds, **ENSEMBLE}[what](path.read_text()))
    options = {"onnxruntime": args.backend, "mode": "explicit"}
    with serving(args.engine, [root], work, **options) as server:
        for what, name in names.items():
            if what in ENSEMBLE:
                with client(server, "http") as found:
                    found.load_model(f"{name}_preprocess")
                    found.load_model(name)
            said[what] = refused(server, f"{name}_images" if what in ENSEMBLE else name)
    return {what: why.replace(str(work), "") for what, why in said.items()}


def versions(args: argparse.Namespace, work: Path) -> list[str]:
    """What a server that polls its repository serves, deployment after deployment."""
    root = work / "polled"
    case = Case("net", "lenet5")
    deployed(case, root)
    seen = []

    def served(server: Server, *wanted: str) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with client(server, "http") as found:
                index = found.get_model_repository_index()
            now = [m["version"] for m in index if m.get("state") == "READY"]
            assert all(m["name"] == "net" for m in index), index
            if tuple(sorted(now)) == wanted:
                seen.append(" ".join(wanted))
                return
            time.sleep(0.3)
        raise AssertionError(f"{now} are served, not {wanted}\n{server.text[-3000:]}")

    options = {"onnxruntime": args.backend, "mode": "poll", "more": ("--repository-poll-secs=1",)}
    with serving(args.engine, [root], work, **options) as server:
        served(server, "1")
        for more, wanted in (
            (("--seed", "1"), ("2",)),
            (("--seed", "2", "--versions", "all"), ("1", "2", "3")),
            (("--seed", "3", "--versions", "1,4"), ("1", "4")),
        ):
            deployed(case, root, *more)
            served(server, *wanted)
            feeds = {"input": np.ones((1, 1, 32, 32), np.float32)}
            newest = root / "net" / wanted[-1] / "model.onnx"
            assert furthest(ask(server, "grpc", "net", feeds), run(newest, feeds)) <= TOLERANCE
        assert ".ns-" not in server.text  # it saw no draft
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--engine", type=Path, required=True, help="a virtual environment; see above"
    )
    parser.add_argument("--backend", type=Path, help="a folder with the backend for ONNX Runtime")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("-k", default="", help="only cases whose name holds this, and nothing else")
    args = parser.parse_args()
    prepare: Callable[[Path], None] = (lambda root: None) if args.backend else stand_in
    cases = [case for case in CASES if args.k in case.name]
    with tempfile.TemporaryDirectory(prefix="netspec-serve-") as folder:
        work = Path(folder)
        roots = {case.name: work / "repositories" / case.name for case in cases}
        (work / "repositories").mkdir()
        parsed = 0
        for case in cases:
            deployed(case, roots[case.name])
            parsed += checked_by_schema(roots[case.name])
            prepare(roots[case.name])
        with serving(args.engine, list(roots.values()), work, onnxruntime=args.backend) as server:
            rows = {}
            for case in cases:
                rows[case.name] = answers(case, roots[case.name], server, work)
                print(case.name, rows[case.name], file=sys.stderr)
            found: dict[str, Any] = {
                "server": version(server),
                "configurations": parsed,
                "repositories": rows,
            }
            if not args.k:
                found["label"] = labelled(server)
                found["joined"] = {
                    name: joined(server, roots[name] / name, name, feeds)
                    for name, feeds in together().items()
                }
        if not args.k:
            if args.backend:  # the stand-in would be put into a version after the server saw it
                found["versions"] = versions(args, work)
            found["refused"] = spoilt(args, work, prepare)
    whole = {"machine": machine("onnxruntime", "tritonclient")}
    if args.output and args.output.exists():
        whole = {**json.loads(args.output.read_text()), **whole}
    whole["onnxruntime backend" if args.backend else "python backend"] = found
    text = json.dumps(whole, indent=2)
    print(text)
    if args.output and not args.k:
        write_text(args.output, text + "\n")


if __name__ == "__main__":
    main()
