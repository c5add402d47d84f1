"""Files of the libraries' networks in every order and without names: loaded right, refused or wrong.

    python benchmarks/orders.py xcit_nano_12_p16_224 detr_resnet50    some networks
    python benchmarks/orders.py -o benchmarks/results/orders.json     all, kept beside what is there

Each network that a shipped spec follows gets random weights, norms and running statistics too. Its
`state_dict` is saved in order of definition, sorted by name, reversed and shuffled, and with numbers for
names: one for each layer, in order of definition and sorted. What loads must answer as the library's
network does; the rest must be refused. A file that maps as one that was compared need not be compared.

Needs torchvision, timm and transformers, from which nothing is downloaded: `today.py` has the list.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import today
import torch
from libraries import timm, torchvision, transformers
from torch import Tensor, nn

import netspec
from netspec.backends.onnx.compile import prepared
from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.checkpoints.load import Loaded
from netspec.diagnostics.raised import NetspecError

# Networks of the lectures that timm has: its name, the spec, the side of an image.
LECTURES = {
    "inception_resnet_v2": ("inception_resnet_v2", 299),
    "inception_v4": ("inception_v4", 299),
    "legacy_seresnet50": ("se_resnet50", 224),
    "mobilenetv1_100": ("mobilenet_v1", 224),
    "nasnetalarge": ("nasnet_large", 331),
    "seresnet50": ("se_resnet50", 224),
}
KINDS = ("right", "refused", "wrong")
State = dict[str, Tensor]


# --- the orders of a file


def _sorted(state: State) -> State:
    return dict(sorted(state.items()))


def _shuffled(state: State) -> State:
    names = list(state)
    random.Random(0).shuffle(names)
    return {name: state[name] for name in names}


def _numbered(state: State) -> State:
    """Layers by numbers, in order of definition; what a layer calls its tensors stays."""
    numbers: dict[str, int] = {}
    found = {}
    for name, tensor in state.items():
        layer, _, leaf = name.rpartition(".")
        found[f"{numbers.setdefault(layer, len(numbers))}.{leaf}"] = tensor
    return found


ORDERS: dict[str, Callable[[State], State]] = {
    "definition": dict,
    "sorted": _sorted,
    "reversed": lambda state: dict(reversed(state.items())),
    "shuffled": _shuffled,
    "numbered": _numbered,
    "numbered, sorted": lambda state: _sorted(_numbered(state)),
}


# --- the networks


def networks() -> list[str]:
    """All that have a counterpart among the shipped specs."""
    return [*today.constructors(), *today.TIMM, *LECTURES, *today.TRANSFORMERS, *today.DENSE]


def _network(name: str) -> nn.Module:
    module = timm.create_model(name) if name in LECTURES else today.network(name)
    return today.filled(module.eval(), name)


def _asked(name: str, module: nn.Module) -> today.Asked:
    """What both nets are asked, and the library's answers."""
    if name not in LECTURES:
        return today.asked(name, module)
    spec, side = LECTURES[name]
    shape = (3, side, side)
    graph = netspec.load(spec, input=shape, **today.SETTINGS.get(name, {})).graph
    image = np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)
    return today.Asked(graph, [image], [module(torch.from_numpy(image))])


def _compared(given: today.Asked, loaded: Loaded) -> str:
    """Whether the net's answers are the library's, or how far they are, relative to their norms."""
    module = to_module(prepared(given.graph, logits=True), loaded.source).eval()
    ours, moved = today.answered(module, given)
    gap = today.gap(ours, [each.numpy().astype(np.float64) for each in given.answer])
    assert moved >= 1e-3, "what is asked hardly reaches the answer: other gains are needed"
    return "right" if gap <= min(today.TOLERANCE, moved / 100) else f"wrong {gap:.1e}"


def judged(name: str) -> dict[str, str]:
    """For each order of the file, whether it loads right, is refused (with the code) or loads wrong."""
    module = _network(name)
    with torch.no_grad():
        given = _asked(name, module)
    state = {k: v for k, v in module.state_dict().items() if k not in given.left_out}
    del module
    found: dict[str, str] = {}
    known: dict[frozenset[tuple[str, tuple[int, ...]]], str] = {}
    for order, arranged in ORDERS.items():
        # Tensors that are the same under another name keep telling which file's they are.
        file = arranged(state)
        told = {key: tensor.data_ptr() for key, tensor in file.items()}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.pt"
            torch.save(file, path)
            try:
                loaded = load(path, given.graph, qkv=given.qkv)
            except NetspecError as error:
                found[order] = "refused " + error.diagnostics[0].code
                continue
            mapped = frozenset(
                (p.ours, tuple(told.get(part, -1) for part in p.theirs.split(" + ")))
                for p in loaded.pairs
            )
            if mapped not in known or loaded.unused:
                known[mapped] = _compared(given, loaded)
            found[order] = known[mapped]
    return found


def results(names: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """What becomes of each network's files, printed as it is found."""
    for name in names or networks():
        begun = time.perf_counter()
        found = judged(name)
        said = "  ".join(f"{order}: {kind}" for order, kind in found.items())
        print(f"{name:32} {said}  ({time.perf_counter() - begun:.0f} s)", flush=True)
        yield name, found


def summary(found: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, int]]:
    """How many networks' files are right, refused and wrong, for each order."""
    counts = {order: Counter(row[order].split()[0] for row in found.values()) for order in ORDERS}
    return {order: {kind: count[kind] for kind in KINDS} for order, count in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where it is kept")
    given = parser.parse_args()
    kept: dict[str, dict[str, str]] = {}
    if given.output and given.output.exists():
        kept = json.loads(given.output.read_text())["networks"]
    for name, found in results(given.names):
        kept[name] = found
        if given.output:
            versions = {lib.__name__: lib.__version__.split("+")[0]
                        for lib in (torch, torchvision, timm, transformers)}  # fmt: skip
            rows = (f"  {json.dumps(key)}: {json.dumps(kept[key])}" for key in sorted(kept))
            head = json.dumps({"versions": versions, "counts": summary(kept)}, indent=1)
            given.output.write_text(
                head.removesuffix("\n}") + ',\n "networks": {\n' + ",\n".join(rows) + "\n }\n}\n"
            )


if __name__ == "__main__":
    main()
