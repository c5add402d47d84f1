"""A net as a model of a repository: a version with its file, its configuration, and what stands before it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.backends.onnx.compile import Written, compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.serving import CannotBatch, NoRepository
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.foundation.records import record
from netspec.serving.config import MODEL, Called, ensemble_config, model_config
from netspec.serving.interface import Interface
from netspec.serving.kserve import Service, manifest
from netspec.serving.labels import labels_of
from netspec.serving.models import (
    Model,
    Pending,
    check_same_tensors,
    label_texts,
    labels_file,
)
from netspec.serving.pixels import pixels_graph, prepared
from netspec.serving.repository import CONFIG, Place, Shared, check_unedited, place
from netspec.serving.settings import MAX_BATCH, Serving, version_policy
from netspec.system.atomic import telling

if TYPE_CHECKING:
    from netspec.backends.onnx.compile import Measure, Quantize
    from netspec.graph.checked import Graph
    from netspec.system.atomic import Paths
    from netspec.weights.sources import WeightSource

MANIFEST = "inferenceservice.yaml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
# Open sizes are this large, or the least legal ones above it, when a model is warmed up.
_SIZE = 64
# What stands in the folder of an ensemble's version, since stores of objects have no empty folders.
_EMPTY = ".keep"


@record
class Deployed:
    """What was put into a repository, the net's own model first, and how its file was written."""

    root: Path
    models: tuple[Model, ...]
    written: Written
    manifest: Path | None

    def as_json(self) -> dict[str, Any]:
        """What `netspec deploy --json` says."""
        return {
            "format_version": 1,
            "path": str(self.root),
            "models": [model.as_json() for model in self.models],
            "manifest": None if self.manifest is None else str(self.manifest),
            "file": self.written.as_json(),
        }

    def lines(self) -> Iterator[str]:
        """What there is to say of it."""
        yield from map(str, self.models)
        if not self.models[0].batch:
            yield f"requests are not joined: {self.models[0].interface.alone}"


@record
class _Job:
    """What is asked for: the graph, its models' names and places, how they are written and served."""

    graph: Graph
    root: Path
    name: str
    options: FileOptions
    serving: Serving
    keep: Paths
    keep_config: bool

    def place(self, suffix: str = "") -> Place:
        """Where a model stands or would, unless it is in the way of what is asked for."""
        found = place(self.root, self.name + suffix)
        if found.held and not self.keep_config:
            check_unedited(found.folder / CONFIG)
        return found

    @property
    def sizes(self) -> dict[str, int] | None:
        """A legal size for each symbol; None where none are known."""
        found = self.graph.legality.example(_SIZE)
        return None if found is None else {"N": 1, **self.graph.nominal_sizes, **found}


def model_name(name: str) -> str:
    """A name that a model can have, as it is; raises ValueError of another."""
    if not _NAME.fullmatch(name):
        allowed = "letters, digits, `_`, `-` and `.`, a letter or digit first"
        raise ValueError(f"a model's name has {allowed}: `{printable(name)}` is none")
    return name


def deploy(
    graph: Graph,
    root: Path,
    options: FileOptions,
    serving: Serving,
    *,
    name: str | None = None,
    source: WeightSource | None = None,
    labels: Sequence[str] = (),
    keep: Paths = (),
    keep_config: bool = False,
    service: Service | None = None,
    measure: Measure | None = None,
    quantize: Quantize | None = None,
) -> Deployed:
    """Adds a net to the model repository at `root`, as a new version where it is there already.

    The model is called `name`, by default as the net. With `options.preprocess` two more are there: one
    that makes its inputs of pixels, `NAME_preprocess`, and the ensemble of both, `NAME_images`. `labels`
    are files as `netspec.serving.labels.labels_of` takes them. `keep_config` leaves configurations as they
    are that were edited. `service` asks for KServe's manifest too.

    Versions appear whole or not at all, and none that is there is written. Raises ValueError where a
    name or a setting has no meaning, and NetspecError where the repository cannot take the net; what is
    not yet in its place then stays away.
    """
    chosen = model_name(graph.name if name is None else name)
    job = _Job(graph, root, chosen, options, serving.check(), tuple(keep), keep_config)
    cluster = None if service is None else service.check()
    described = job.place()
    _check_versions(described, serving)
    if cluster is not None and not keep_config:
        check_unedited(root / MANIFEST)
    pixels = pixels_graph(graph, f"{chosen}_preprocess") if options.preprocess else None
    with _folder(root), ExitStack() as stack:
        # They take their places in the opposite order: what calls others comes last.
        around = _ensemble_place(job, stack) if pixels is not None else None
        version, shared = stack.enter_context(described.adding(job.keep))
        written = compile_graph(
            graph,
            version / MODEL,
            replace(options, preprocess=False),
            source=source,
            keep=job.keep,
            measure=measure,
            quantize=quantize,
        )
        # Where they will be: the version's folder is a draft's now.
        there = described.folder / str(described.next)
        written = replace(written, data=tuple(there / path.name for path in written.data))
        interface = check_same_tensors(described, version / MODEL, f"{chosen}_{described.next}")
        batch = _batch(graph, interface, serving)
        texts = label_texts(shared, interface, labels_of(graph, interface, labels))
        model = Model(chosen, described.next, batch, interface)
        pending = [_pending(job, model, shared, texts, serving)]
        if pixels is not None and around is not None:
            pending.append(_add_pixels(job, pixels, stack, batch))
            pending.append(_add_ensemble(around, model, pending[1].model, prepared(graph), texts))
        for item in pending:
            item.write(keep_config=keep_config)
    path = None
    if cluster is not None:
        path, content = root / MANIFEST, manifest(cluster, serving)
        Shared(root, fresh=False).write_sealed(MANIFEST, content, keep_edited=keep_config)
    return Deployed(root, tuple(item.model for item in pending), written, path)


@contextmanager
def _folder(root: Path) -> Iterator[None]:
    """The repository's folder; what of its path was not there is gone again if nothing came into it."""
    missing = [path for path in (root, *root.parents) if not path.exists()]
    with telling(root, root.parent):
        root.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            for path in missing:
                path.rmdir()


def _check_versions(where: Place, serving: Serving) -> None:
    meant = version_policy(serving.versions).get("specific", ())
    for number in meant if isinstance(meant, tuple) else ():
        if number not in (*where.held, where.next):
            there = ", ".join(map(str, (*where.held, where.next)))
            reason = f"version {number} is to be served, and there will be {there}"
            raise NetspecError(NoRepository(str(where.folder), reason), status=2)


def _batch(graph: Graph, interface: Interface, serving: Serving) -> int:
    """The rows that are joined at most; 0 where none can be, which must then not have been asked for."""
    if not interface.alone:
        return MAX_BATCH if serving.max_batch is None else serving.max_batch
    asked = {
        "--max-batch": serving.max_batch is not None,
        "--preferred": bool(serving.preferred),
        "--delay": bool(serving.delay),
    }
    for flag, given in asked.items():
        if given:
            raise NetspecError(CannotBatch(graph.name, interface.alone, flag), status=2)
    return 0


def _pending(
    job: _Job, model: Model, shared: Shared, texts: dict[str, str], serving: Serving
) -> Pending:
    config = model_config(
        model.name,
        model.interface,
        serving,
        batch=model.batch,
        labels={output: labels_file(output) for output in texts},
        sizes=job.sizes,
    )
    return Pending(model, shared, config, texts)


def _add_pixels(job: _Job, graph: Graph, stack: ExitStack, batch: int) -> Pending:
    """The model that prepares pixels, in the types that the net's file takes."""
    halves = job.options.io == "fp16"
    options = FileOptions(
        preprocess=True,
        target=job.options.target,
        opset=job.options.opset,
        batch=job.options.batch,
        dtype="fp16" if halves else "fp32",
        io=job.options.io,
    )
    where = job.place("_preprocess")
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        made = Path(folder) / MODEL
        compile_graph(graph, made, options)
        content = made.read_bytes()
        interface = check_same_tensors(where, made, f"{job.name}_{where.next}")
    version, shared = None, where.shared
    if not where.held or where.last.read_bytes() != content:
        into, shared = stack.enter_context(where.adding(job.keep))
        (into / MODEL).write_bytes(content)
        version = where.next
    # A request waits for others before the net, and not twice.
    serving = replace(job.serving, delay=0, preferred=(), versions="latest", accelerators={})
    return _pending(job, Model(where.name, version, batch, interface), shared, {}, serving)


def _ensemble_place(job: _Job, stack: ExitStack) -> tuple[Place, Shared]:
    """Where the ensemble stands; its only version has no file, since it is its configuration."""
    where = job.place("_images")
    if where.held:
        if not (where.folder / str(where.held[-1]) / _EMPTY).is_file():
            raise NetspecError(NoRepository(str(where.folder), "it is a model, and no ensemble"))
        return where, where.shared
    version, shared = stack.enter_context(where.adding(job.keep))
    (version / _EMPTY).touch()
    return where, shared


def _add_ensemble(
    around: tuple[Place, Shared],
    net: Model,
    front: Model,
    names: dict[str, str],
    texts: dict[str, str],
) -> Pending:
    """The ensemble of both: pixels in, and what else the net takes; what the net gives out."""
    where, shared = around
    images = {tensor.name: names[tensor.name] for tensor in front.interface.inputs}
    others = tuple(t for t in net.interface.inputs if t.name not in images)
    given = {tensor.name: tensor.name for tensor in net.interface.outputs}
    interface = Interface((*front.interface.inputs, *others), net.interface.outputs)
    config = ensemble_config(
        where.name,
        (
            Called(front.name, {name: name for name in images}, {n: n for n in images.values()}),
            Called(
                net.name, {t.name: images.get(t.name, t.name) for t in net.interface.inputs}, given
            ),
        ),
        interface,
        batch=net.batch,
        labels={output: labels_file(output) for output in texts},
    )
    model = Model(where.name, None if where.held else where.next, net.batch, interface)
    return Pending(model, shared, config, texts)
