"""A checked net, and all one does with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.api.picture import Picture
from netspec.api.writing import check_quantize, file_options, files_of, quantizing, weights_of
from netspec.diagnostics.arguments import advising, held_all, refuse_unknown
from netspec.diagnostics.raised import NetspecError

if TYPE_CHECKING:
    from netspec.analysis.summary import Summary
    from netspec.analysis.training.record import TrainingMemory
    from netspec.backends.runtime import Result
    from netspec.backends.torch.net import NetModule
    from netspec.graph.checked import Graph
    from netspec.serving.deploy import Deployed
    from netspec.verify import Report


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
        return to_module(graph, weights_of(self.graph, weights, seed))

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

        options = file_options(
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
        check_quantize(quantize, samples, options)
        place = Path(path) if path is not None else Path(f"{self.name}.onnx")
        source = weights_of(self.graph, weights, seed)
        compile_graph(
            self.graph,
            place,
            options,
            source=source,
            keep=files_of(source),
            measure=measuring(noise(self.graph)),
            quantize=quantizing(self.graph, samples, seed, target) if quantize else None,
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

        of_file = {n: p.annotation for n, p in signature(file_options).parameters.items()}
        of_serving = {field.name: field.type for field in fields(Serving)}
        refuse_unknown("to_triton", options, {**of_file, **of_serving})
        options = held_all("to_triton", options, {**of_file, **of_serving})
        if service is not None and kserve is None:
            raise ValueError("service is for kserve")
        file = file_options(**{key: options[key] for key in options if key in of_file})
        check_quantize(quantize, samples, file)
        source = weights_of(self.graph, weights, seed)
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
            keep=files_of(source),
            keep_config=keep_config,
            service=Service(kserve, service or place.resolve().name) if kserve else None,
            measure=measuring(noise(self.graph)),
            quantize=quantizing(self.graph, samples, seed, file.target) if quantize else None,
        )

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

        source = None if weights is None else weights_of(self.graph, weights, seed)
        return verify(self.graph, weights=source, seed=seed, device=device)

    def _repr_svg_(self) -> str | None:
        """The picture that a notebook shows; none of a net that no picture is made of."""
        try:
            return self.draw()._repr_svg_()
        except NetspecError:
            return None
