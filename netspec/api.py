"""The library's front door: `load` gives a `Net`, a checked net and all one does with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.arguments import advising, held_all, refuse_unknown, repr_of
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.again.recall import Memo
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec, text_source

if TYPE_CHECKING:
    from netspec.analysis.difference.difference import Difference
    from netspec.analysis.summary import Summary
    from netspec.analysis.training.record import TrainingMemory
    from netspec.backends.onnx.compile import Quantize
    from netspec.backends.onnx.options import FileOptions
    from netspec.backends.runtime import Result
    from netspec.backends.torch.net import NetModule
    from netspec.graph.checked import Graph
    from netspec.importing.imported import Imported
    from netspec.serving.deploy import Deployed
    from netspec.sizes.dims import Dim
    from netspec.sweeping.latency import Timing
    from netspec.sweeping.space import Space
    from netspec.sweeping.sweep import Sweep
    from netspec.verify import Report
    from netspec.weights.sources import WeightSource


@advising
def load(
    spec: str | Path | Net,
    *,
    input: str | int | Sequence[str] | Sequence[int] = (),
    limits: Limits = DEFAULT,
    **settings: Any,
) -> Net:
    """A checked net from a path, the name of a shipped spec, or a spec's text.

    `settings` are the net's parameters (`alpha=0.5`); `input` replaces input sizes, `"3x320x320"`,
    `"3xHxW"`, `"name:3x320x320"` or `(3, 320, 320)`. Text is told from a path by what only specs
    hold: a newline, `;` or a brace. Raises NetspecError, which prints as the diagnostics.

    >>> import netspec
    >>> netspec.load("conv3-64 x2; maxpool; gap; fc-10", input="3x32x32").params
    39370
    """
    return Net(build(_source(spec, limits), settings, _shapes(input), limits))


@advising
def variants(spec: str | Path | Net, *, limits: Limits = DEFAULT) -> Variants:
    """The nets of one spec under many settings and inputs: what they have in common is done once.

    `spec` is what `load` takes. The files are read once, as they are now.

    >>> import netspec
    >>> family = netspec.variants("resnet50")
    >>> [family.totals(classes=n)["params"] for n in (10, 100)]
    [23528522, 23712932]
    """
    return Variants(_source(spec, limits), limits)


def _source(spec: str | Path | Net, limits: Limits = DEFAULT) -> Source:
    """The text of a spec that is given by path, name, text, or as the net made of it."""
    if isinstance(spec, Net):
        return spec.graph.source
    text = str(spec)
    marked = any(mark in text for mark in "\n;{}") or not text.strip()
    is_text = isinstance(spec, str) and marked and not _exists(text)
    return text_source("<text>", text) if is_text else read_spec(text, limits)


@advising
def diff(before: str | Path | Net, after: str | Path | Net) -> Difference:
    """What the second net computes otherwise than the first: nets, specs as `load` takes them, ONNX files.

    `"HEAD~1:net.ns"` is a spec as git has it. The result is true where the nets differ; it has `changes`,
    prints as `netspec diff` does, and gives JSON values by `as_json()`. Raises NetspecError.

    >>> import netspec
    >>> found = netspec.diff("input 3x8x8; conv3-8; relu", "input 3x8x8; conv3-16; relu")
    >>> [(change.before, change.after, change.place.line) for change in found.changes]
    [('conv3-8', 'conv3-16', 1)]
    """
    from netspec.importing.beside import differing

    return differing(_compared(before), _compared(after))


@advising
def sweep(
    spec: str | Path | Net,
    settings: Mapping[str, Any],
    *,
    input: str | int | Sequence[str] | Sequence[int] = (),
    where: str | Sequence[str] = (),
    keep: bool = False,
    sample: int | None = None,
    seed: int = 0,
    part: tuple[int, int] = (1, 1),
    jobs: int | None = 1,
    ray: str | None = None,
    latency: Timing | None = None,
    limits: Limits = DEFAULT,
) -> Sweep:
    """The exact costs of every combination of values for a net's parameters: rows, as they are iterated.

    A value of `settings` is a range, several values, one, or a text as the command takes it,
    `"16..64:8"`. Several sizes of an `input` are variants too. Rows that break a bound of `where`,
    `"params<5M"`, are left out, or kept with the status `over`; what is no net is a row that says why.
    `sample` draws so many variants by `seed`, `part=(2, 8)` is the second eighth. `jobs` processes of
    this machine build them, None as many as pay; or a Ray cluster does. `latency` measures each, as a
    `netspec.sweeping.latency.Timing` says, in this process. Raises NetspecError for what is no
    parameter, no value and no bound, before anything is built.

    >>> import netspec
    >>> net = "net small(n=8); input 3x8x8; conv3-n; gap; fc-10"
    >>> [(row.settings["n"], row.totals["params"]) for row in netspec.sweep(net, {"n": [4, 8]})]
    [(4, 162), (8, 314)]
    """
    from netspec.sweeping.sweep import Sweep

    return Sweep(
        _source(spec, limits),
        settings,
        inputs=_shapes(input),
        where=(where,) if isinstance(where, str) else where,
        keep=keep,
        sample=sample,
        seed=seed,
        part=part,
        jobs=jobs,
        ray=ray,
        latency=latency,
        limits=limits,
    )


@advising
def space(
    spec: str | Path | Net, values: Mapping[str, Any] | None = None, *, limits: Limits = DEFAULT
) -> Space:
    """A net's parameters as a search space for Optuna and Ray Tune.

    Parameters that are yes or no, or words that the spec asks for, are in it by themselves; `values` are
    those of numbers and others, as `sweep` takes them. `space.suggest(trial)` gives settings for `load`,
    `space.ray()` a `param_space`; a parameter is chosen only where the others let it matter.

    >>> import netspec
    >>> net = "net small(deep=no, n=8); input 3x8x8; if deep { conv3-n }; gap; fc-10"
    >>> found = netspec.space(net, {"n": range(8, 65, 8)})
    >>> found.matters("n", {"deep": True}), found.matters("n", {"deep": False})
    (True, False)
    """
    from netspec.sweeping.space import Space

    return Space(_source(spec, limits), values or {}, limits=limits)


def _compared(given: str | Path | Net) -> Graph | Path:
    if isinstance(given, Net):
        return given.graph
    if str(given).endswith(".onnx"):
        return Path(given)
    return build(_source(given), expectations=False)


@advising
def from_onnx(
    path: str | Path, *, partial: bool = False, sizes: Mapping[str, int] | None = None
) -> Imported:
    """An ONNX file as a spec: `text`, the checked `graph` of it, `weights`, and the `proof`.

    The text is built, given the file's weights and run beside the file; one that computes otherwise is
    not given. Heights and widths that the file leaves open are symbols of the text where its steps are the
    same at every size; else it is read at 224, or at `sizes` by the file's names, and `held` says so.
    Raises NetspecError, also where nodes have no operator, unless `partial` cuts them out: what they read
    are then outputs and what they make inputs, `unread` lists them and there is no proof.
    """
    from netspec.importing.imported import import_file

    return import_file(Path(path), partial=partial, sizes=sizes)


@advising
def from_torch(module: Any, example: Any = None, *, partial: bool = False) -> Imported:
    """A module of PyTorch as a spec, as `from_onnx` gives it, proven against the module itself.

    `example` is what the module is called with: a tensor or a tuple of them. The module is exported to
    ONNX in a temporary folder, in evaluation mode. An exported program, or the path of an archive that
    `torch.export.save` wrote, needs no example: it is proven against the calls that it lists.
    """
    from netspec.importing.modules import import_module
    from netspec.importing.opening import import_exported, import_model

    if isinstance(module, str | Path):
        return import_model(Path(module), partial=partial)
    if example is None:
        return import_exported(module, partial=partial)
    return import_module(module, example, partial=partial)


def _shapes(given: str | int | Sequence[str] | Sequence[int]) -> tuple[str, ...]:
    if isinstance(given, (str, int)):
        return (str(given),)
    if given and all(isinstance(size, int) for size in given):
        return ("x".join(map(str, given)),)
    return tuple(map(str, given))


def _unwrapped(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tensors without the prefixes of DistributedDataParallel and torch.compile."""
    for prefix in ("module.", "_orig_mod."):
        if tensors and all(name.startswith(prefix) for name in tensors):
            return _unwrapped({name[len(prefix) :]: t for name, t in tensors.items()})
    return tensors


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except OSError:
        return False


class Variants:
    """The nets of one spec; see `netspec.variants`. It is for one thread at a time.

    What it holds is bounded, whatever is asked of it.
    """

    def __init__(self, source: Source, limits: Limits = DEFAULT) -> None:
        self.source = source
        self.limits = limits
        self._memo = Memo()

    @advising
    def load(
        self, *, input: str | int | Sequence[str] | Sequence[int] = (), **settings: Any
    ) -> Net:
        """The net as `netspec.load` gives it; a mistake is told without what would mend it."""
        return Net(self._graph(settings, input))

    @advising
    def totals(
        self, *, input: str | int | Sequence[str] | Sequence[int] = (), **settings: Any
    ) -> dict[str, Dim]:
        """The totals of one net, exactly: parameters, multiply-adds, memory; see `netspec.analysis.totals`.

        Those that depend on open sizes are formulas. Raises NetspecError where there is no such net.
        """
        from netspec.analysis.totals import totals

        return totals(self._graph(settings, input))

    def _graph(
        self, settings: Mapping[str, Any], input: str | int | Sequence[str] | Sequence[int]
    ) -> Graph:
        return build(
            self.source, settings, _shapes(input), self.limits, memo=self._memo, mend=False
        )


class Net:
    """A checked net. `graph` is the checked graph itself.

    Shapes in and out exclude the batch; `params` counts trained elements of the deployed net.
    """

    @advising
    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __repr__(self) -> str:
        inputs = ", ".join(str(node.types[0]) for node in self.graph.inputs)
        outputs = ", ".join(str(output.value.type) for output in self.graph.outputs)
        return f"<Net {self.name}: {inputs} -> {outputs}, {self.params:,} parameters>"

    @property
    def name(self) -> str:
        """The name of the `net` line, or of the file; `net` where that is no name."""
        return self.graph.name

    @property
    def params(self) -> int:
        """Trained elements of the deployed net."""
        from netspec.analysis.costs import costs

        return costs(self.graph).params

    @advising
    def training_memory(
        self,
        *,
        batch: int = 1,
        dtype: str = "fp32",
        optimizer: str = "adamw",
        device: str = "cpu",
    ) -> TrainingMemory:
        """The bytes that a training step of so many samples takes, without torch.

        `dtype` is `fp32`, or `bf16` or `fp16` by autocast; `optimizer` is `sgd`, `momentum`, `adam`,
        `adamw`, `adafactor`, `adagrad` or `rmsprop`, `device` `cpu` or `cuda`.

        >>> import netspec
        >>> net = netspec.load("conv3-8; gap; fc-2", input="3x8x8")
        >>> taken = net.training_memory(batch=2)
        >>> taken.weights, taken.activations, taken.total
        (968, 64, 5488)
        """
        from netspec.analysis.training.memory import training_memory

        return training_memory(
            self.graph, batch=batch, dtype=dtype, optimizer=optimizer, device=device
        )

    @advising
    def largest_batch(
        self,
        memory: int | str,
        *,
        dtype: str = "fp32",
        optimizer: str = "adamw",
        device: str = "cpu",
    ) -> int:
        """The most samples whose training step fits so many bytes, `"24GiB"` as well; 0 if none does.

        The options are those of `training_memory`, of which the larger of `total` and `peak` has to fit.
        """
        from netspec.analysis.quantities import parse_quantity
        from netspec.analysis.training.memory import largest_batch

        room = memory if isinstance(memory, int) else parse_quantity(memory)
        if room is None or room < 0:
            raise ValueError(f"{memory!r} is not an amount of memory such as 24GiB")
        return largest_batch(self.graph, room, dtype=dtype, optimizer=optimizer, device=device)

    @advising
    def summary(
        self,
        *,
        count: str = "mac",
        flat: bool = False,
        depth: int | None = None,
        training: TrainingMemory | None = None,
    ) -> Summary:
        """What each layer costs by the rules of `count`; `flat` unfolds repeats, `depth` closes blocks.

        `training`, of `training_memory`, adds what each layer keeps, and what the step takes.
        """
        from netspec.analysis.summary import summarize

        return summarize(self.graph, count=count, flat=flat, depth=depth, training=training)

    @advising
    def draw(
        self, *others: Any, style: str = "fold", format: str = "svg", **options: Any
    ) -> Picture:
        """A picture of the net, or of several side by side; see `netspec.draw.draw`.

        `net.draw(format="png", scale=3).save("net.png")` writes a file; `title=False` leaves title, paper
        and legend to the caption of the figure. `show` and `expand` may be one text, with commas
        between, as on the command line. A notebook shows the picture.
        """
        from inspect import signature

        from netspec.draw import draw

        known = {name: p.annotation for name, p in list(signature(draw).parameters.items())[1:]}
        refuse_unknown("draw", options, known)
        for name, value in options.items():
            if isinstance(value, str) and known[name] == "Sequence[str]":
                options[name] = tuple(part.strip() for part in value.split(","))
        options = held_all("draw", options, known)
        if not all(isinstance(other, Net) for other in others):
            raise TypeError("draw takes other nets; its picture's save takes a path")
        graphs = [self.graph, *(other.graph for other in others)]
        files = tuple(file for graph in graphs for file in graph.files)
        return Picture(draw(graphs, style=style, format=format, **options), format, files)

    @advising
    def to_torch(self, *, weights: Any = None, seed: int = 0, logits: bool = False) -> NetModule:
        """The net as a `torch.nn.Module` whose submodules are the spec's blocks.

        It is called with its inputs in order or by name. In training mode a net with training-only
        heads returns `(main, heads)`, and `loss_weights` holds the heads' weights; in evaluation
        mode the main output only.
        `weights` is a state_dict, a module, a checkpoint's path or what `netspec.checkpoints.load`
        gave for this net; else they are drawn from `seed`.
        `logits` leaves out final softmaxes.
        """
        from netspec.backends.torch.modules import to_module
        from netspec.passes.logits import logits as without_softmax

        graph = without_softmax(self.graph) if logits else self.graph
        return to_module(graph, self._source(weights, seed))

    @advising
    def to_source(self, *, logits: bool = False) -> str:
        """The net as the text of a Python file that needs only torch: a class for each block.

        Its modules are called as those of `to_torch`, whose `state_dict` it takes. It holds no weights:
        torch's own layers start as torch has them. `logits` leaves out final softmaxes. Raises
        NetspecError for a step that has no source.
        """
        from netspec.backends.torch.source.write import source
        from netspec.passes.logits import logits as without_softmax

        return source(without_softmax(self.graph) if logits else self.graph)

    @advising
    def to_onnx(
        self,
        path: str | Path | None = None,
        *,
        weights: Any = None,
        seed: int = 0,
        logits: bool = False,
        training_heads: bool = False,
        optimize: bool = True,
        target: str | None = None,
        opset: int | None = None,
        batch: int | None = None,
        taps: Sequence[str] = (),
        preprocess: bool = False,
        dtype: str = "fp32",
        fp32: str | Sequence[str] = (),
        io: str = "fp32",
        quantize: str | None = None,
        samples: Iterable[Any] | None = None,
        blocks: bool | str | Sequence[str] = False,
    ) -> Path:
        """Writes the deployed net as an ONNX file, `NAME.onnx` by default; returns its path.

        `weights` is a module (`net.to_onnx(weights=model)`), its state_dict, a checkpoint's path or
        what `netspec.checkpoints.load` gave; else they are drawn from `seed`. The batch is symbolic
        unless given. `optimize=False` writes every step as it stands in the spec, and folds none
        into another. `target` names the program that reads the file, `"tensorrt10"`, and chooses
        opset and spelling. `taps` are paths of inner steps or blocks that become outputs too, called
        after them. With `preprocess` the file takes pixels, uint8 (N, H, W, C), and prepares them as
        the spec's `preprocess` line says. `dtype="fp16"` writes half precision but for the steps that
        need more; `fp32` are globs of the paths of others that stay in single precision, and `io` is
        the precision of inputs and outputs. `quantize="int8"` writes 8 bits; ranges are taken from
        `samples`, arrays with a batch dimension or mappings of them by input name, or else from noise,
        with a warning. `blocks=True` writes each kind of block once, as a function that the file calls;
        with globs of paths or of blocks' names, those blocks only.
        """
        from netspec.backends.onnx.compile import compile_graph
        from netspec.backends.ranges import measuring
        from netspec.verify.samples import noise

        options = _file_options(
            logits=logits,
            training_heads=training_heads,
            optimize=optimize,
            target=target,
            opset=opset,
            batch=batch,
            taps=taps,
            preprocess=preprocess,
            dtype=dtype,
            fp32=fp32,
            io=io,
            blocks=blocks,
        )
        _check_quantize(quantize, samples, options)
        place = Path(path) if path is not None else Path(f"{self.name}.onnx")
        source = self._source(weights, seed)
        compile_graph(
            self.graph,
            place,
            options,
            source=source,
            keep=_files_of(source),
            measure=measuring(noise(self.graph)),
            quantize=self._quantizing(samples, seed, target) if quantize else None,
        )
        return place

    @advising
    def to_triton(
        self,
        root: str | Path,
        *,
        name: str | None = None,
        weights: Any = None,
        seed: int = 0,
        quantize: str | None = None,
        samples: Iterable[Any] | None = None,
        labels: str | Path | Sequence[str | Path] = (),
        keep_config: bool = False,
        kserve: str | None = None,
        service: str | None = None,
        **options: Any,
    ) -> Deployed:
        """Adds the net to the model repository of a Triton server, as `netspec deploy` does.

        The model is `root/NAME`, a new version of it where it is there already. `options` are those of
        `to_onnx` and of `netspec.serving.settings.Serving`: `max_batch=16, delay=500, preprocess=True`.
        `labels` are files with a line for each class, or texts `"OUTPUT=FILE"`. `keep_config` leaves a
        configuration that was edited. `kserve` is the URI where the repository will lie, for KServe's
        manifest, and `service` what KServe calls it.
        """
        from dataclasses import fields
        from inspect import signature

        from netspec.backends.ranges import measuring
        from netspec.serving.deploy import deploy
        from netspec.serving.kserve import Service
        from netspec.serving.settings import Serving
        from netspec.verify.samples import noise

        of_file = {n: p.annotation for n, p in signature(_file_options).parameters.items()}
        of_serving = {field.name: field.type for field in fields(Serving)}
        refuse_unknown("to_triton", options, {**of_file, **of_serving})
        options = held_all("to_triton", options, {**of_file, **of_serving})
        if service is not None and kserve is None:
            raise ValueError("service is for kserve")
        file = _file_options(**{key: options[key] for key in options if key in of_file})
        _check_quantize(quantize, samples, file)
        source = self._source(weights, seed)
        place = Path(root)
        given = (labels,) if isinstance(labels, (str, Path)) else labels
        return deploy(
            self.graph,
            place,
            file,
            Serving(**{key: options[key] for key in options if key in of_serving}),
            name=name,
            source=source,
            labels=tuple(map(str, given)),
            keep=_files_of(source),
            keep_config=keep_config,
            service=Service(kserve, service or place.resolve().name) if kserve else None,
            measure=measuring(noise(self.graph)),
            quantize=self._quantizing(samples, seed, file.target) if quantize else None,
        )

    def _quantizing(self, samples: Iterable[Any] | None, seed: int, target: str | None) -> Quantize:
        import warnings

        from netspec.backends.quantize.quantize import Quantization, quantizing
        from netspec.verify.samples import CALIBRATED, noise

        if samples is None:
            message = "ranges are taken from noise: give samples of what the net will see"
            warnings.warn(message, stacklevel=3)
            samples = noise(self.graph, seed, CALIBRATED)
        first = self.graph.inputs[0].path
        named = (s if isinstance(s, Mapping) else {first: s} for s in samples)
        return quantizing(named, Quantization.for_reader(target))

    @advising
    def run(
        self,
        *inputs: Any,
        weights: Any = None,
        seed: int = 0,
        device: str = "cpu",
        taps: Sequence[str] = (),
        **named: Any,
    ) -> Result:
        """Runs the deployed net through ONNX Runtime on arrays with a batch dimension.

        The inner steps or blocks of `taps` are among the result's outputs, by their paths.
        """
        from netspec.backends.runtime import Session
        from netspec.graph.fitting import fitting

        names = [node.path for node in self.graph.inputs]
        if len(inputs) > len(names):
            from netspec.diagnostics.messages.backends import BadInput

            reason = f"{len(inputs)} arrays for the inputs {', '.join(names)}"
            raise NetspecError(BadInput(names[0], reason))
        feeds = {**dict(zip(names, inputs, strict=False)), **named}
        with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
            path = Path(folder) / "model.onnx"
            self.to_onnx(path, weights=weights, seed=seed, taps=taps)
            return Session(path, device=device, fitting=fitting(self.graph), most=None).run(feeds)

    @advising
    def verify(self, *, weights: Any = None, seed: int = 0, device: str = "cpu") -> Report:
        """PyTorch, ONNX Runtime and a float64 reference side by side; see `netspec.verify`."""
        from netspec.verify import verify

        source = None if weights is None else self._source(weights, seed)
        return verify(self.graph, weights=source, seed=seed, device=device)

    def _source(self, weights: Any, seed: int) -> WeightSource:
        from netspec.weights.sources import Seeded, check_shapes, given

        if weights is None:
            return Seeded(seed)
        if hasattr(weights, "state_dict"):
            weights = weights.state_dict()
        if isinstance(weights, Mapping):
            return given(self.graph, _unwrapped(weights))
        from netspec.checkpoints import Loaded
        from netspec.checkpoints import load as load_checkpoint

        if isinstance(weights, Loaded):
            check_shapes(self.graph, weights.source.shapes)
            return weights.source
        if not isinstance(weights, (str, PathLike)):
            what = "a module, its state_dict, a path, or what netspec.checkpoints.load gave"
            raise TypeError(f"weights are {what}, not {repr_of(weights)}")
        return load_checkpoint(Path(weights), self.graph).source

    def _repr_svg_(self) -> str | None:
        """The picture that a notebook shows; none of a net that no picture is made of."""
        try:
            return self.draw()._repr_svg_()
        except NetspecError:
            return None


def _file_options(
    *,
    logits: bool = False,
    training_heads: bool = False,
    optimize: bool = True,
    target: str | None = None,
    opset: int | None = None,
    batch: int | None = None,
    taps: Sequence[str] = (),
    preprocess: bool = False,
    dtype: str = "fp32",
    fp32: str | Sequence[str] = (),
    io: str = "fp32",
    blocks: bool | str | Sequence[str] = False,
) -> FileOptions:
    """How a file is written; raises ValueError of what has no meaning."""
    from netspec.backends.onnx.options import FileOptions

    for name, value in {"dtype": dtype, "io": io}.items():
        if value not in ("fp32", "fp16"):
            raise ValueError(f"{name} is fp32 or fp16, not {value!r}")
    if dtype == "fp32" and (fp32 or io != "fp32"):
        raise ValueError("fp32 and io need dtype='fp16'")
    if batch is not None and batch < 1:
        raise ValueError(f"batch is at least 1, not {batch}")
    return FileOptions(
        optimize=optimize,
        logits=logits,
        heads=training_heads,
        target=target,
        opset=opset,
        batch=batch,
        taps=tuple(taps),
        preprocess=preprocess,
        dtype=dtype,
        fp32=_globs(fp32),
        io=io,
        blocks=_globs(blocks) if blocks else None,
    )


def _check_quantize(quantize: str | None, samples: Any, options: FileOptions) -> None:
    if quantize not in (None, "int8"):
        raise ValueError(f"quantize is 'int8' or None, not {quantize!r}")
    if samples is not None and quantize is None:
        raise ValueError("samples are for quantize='int8'")
    if quantize is not None and options.dtype != "fp32":
        raise ValueError("a file is in 8 bits or in half precision, not in both")


def _files_of(source: WeightSource) -> tuple[Path, ...]:
    """The files that weights are read from, which nothing replaces."""
    from netspec.checkpoints import FromFile

    return (source.file.path,) if isinstance(source, FromFile) else ()


def _globs(given: bool | str | Sequence[str]) -> tuple[str, ...]:
    """Globs that are given as one or several; none where all is said by `True`."""
    if isinstance(given, bool):
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


class Picture:
    """A drawing: `str()` is the SVG, TikZ, dot or HTML text; notebooks show SVG, PNG and HTML.

    `keep` are files that it does not replace: those its nets were read from.
    """

    @advising
    def __init__(
        self,
        content: str | bytes,
        format: str | None = None,
        keep: Sequence[str | Path] = (),
    ) -> None:
        self.content = content
        self.format = format
        self.keep = tuple(keep)

    def __str__(self) -> str:
        return self.content if isinstance(self.content, str) else repr(self.content)

    @advising
    def save(self, path: str | Path) -> Path:
        """Writes the picture whole or not at all; raises ValueError for another format's ending."""
        from netspec.draw.picture import ENDINGS
        from netspec.system.atomic import replacing

        target = Path(path)
        content, ending = self.content, target.suffix.removeprefix(".").lower()
        ending = ENDINGS.get(ending, ending)
        if self.format and ending and ending != self.format:
            raise ValueError(
                f"the picture is {self.format}: draw it with format={ending!r} for {target.name}"
            )
        with replacing(target, keep=self.keep, text=isinstance(content, str)) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return target

    def __repr__(self) -> str:
        unit = "bytes" if isinstance(self.content, bytes) else "letters"
        return f"<Picture: {self.format}, {len(self.content):,} {unit}>"

    def _repr_svg_(self) -> str | None:
        content = self.content
        return content if isinstance(content, str) and "<svg" in content[:200] else None

    def _repr_png_(self) -> bytes | None:
        content = self.content
        return content if isinstance(content, bytes) and content.startswith(b"\x89PNG") else None

    def _repr_html_(self) -> str | None:
        return (
            framed(self.content)
            if isinstance(self.content, str) and self.format == "html"
            else None
        )


def framed(page: str, height: int = 640) -> str:
    """A whole page of HTML inside another: its scripts run apart, and reach nothing of the page around."""
    from html import escape

    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{escape(page)}" '
        f'style="width:100%;height:{height}px;border:0" loading="lazy"></iframe>'
    )
