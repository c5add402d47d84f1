"""The options of a command that writes an ONNX file: what reads it, its precision, its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.backends.onnx.options import FileOptions
from netspec.backends.onnx.targets import TARGETS
from netspec.cli.shared.common import say, with_options
from netspec.cli.shared.progress import Progress
from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.backends.onnx.compile import Quantize
    from netspec.graph.checked import Graph

    Command = Callable[..., Any]


@record
class FileChoice:
    """How a command was asked to write a file.

    `quantize` is `int8` or None, `samples` the paths that its ranges are taken from.
    """

    options: FileOptions
    quantize: str | None
    samples: tuple[str, ...]
    reduce_range: bool

    @property
    def only_onnx(self) -> tuple[str, ...]:
        """The flags that were given and that only an ONNX file has a meaning for."""
        given = {
            "--preprocess": self.options.preprocess,
            "--tap": bool(self.options.taps),
            f"--dtype {self.options.dtype}": self.options.dtype != "fp32",
            "--quantize": self.quantize is not None,
            "--for": self.options.target is not None,
            "--opset": self.options.opset is not None,
            "--blocks": self.options.blocks is not None,
        }
        return tuple(flag for flag, asked in given.items() if asked)

    def sample_files(self) -> list[str]:
        """The files among the samples, which nothing replaces."""
        names = [name for text in self.samples for name in (text, text.partition("=")[2])]
        return [name for name in names if name and Path(name).is_file()]

    def stage(
        self, graph: Graph, seed: int, strict: bool, progress: Progress, quiet: bool
    ) -> Quantize | None:
        """The stage that writes eight bits if they were asked for; without samples from noise."""
        if self.quantize is None:
            return None
        from netspec.backends.quantize.quantize import Quantization, quantizing
        from netspec.cli.shared.feeds import samples

        how = Quantization.for_reader(self.options.target, reduced=self.reduce_range)
        if not self.samples:
            noise = "ranges are taken from noise: give --samples of what the net will see"
            say(f"warning: {noise}", quiet)
        given = samples(graph, self.samples, seed)
        return quantizing(given, how, strict=strict, reached=progress.show)


def file_options(command: Command) -> Command:
    """Adds the options of a file; the command gets one `file`."""

    def wrapped(**values: Any) -> Any:
        taken = {name: values.pop(name) for name in _NAMES}
        return command(file=_chosen(**taken), **values)

    return with_options(command, wrapped, _OPTIONS)


def _chosen(
    *,
    logits: bool,
    training_heads: bool,
    level: int,
    reader: str | None,
    opset: int | None,
    batch: int | None,
    dtype: str,
    single: str,
    io: str,
    quantize: str | None,
    samples: tuple[str, ...],
    reduce_range: bool,
    preprocess: bool,
    taps: tuple[str, ...],
    blocks: str | None,
) -> FileChoice:
    """What the flags ask for; raises click.UsageError of those that need another."""
    if quantize is None:
        for flag, needing in {"samples": bool(samples), "reduce-range": reduce_range}.items():
            if needing:
                raise click.UsageError(f"--{flag} needs --quantize")
    elif dtype != "fp32":
        raise click.UsageError("a file is in 8 bits or in half precision, not in both")
    if dtype != "fp16":
        for flag, asked in {"fp32": bool(single), "io fp16": io == "fp16"}.items():
            if asked:
                raise click.UsageError(f"--{flag} needs --dtype fp16")
    options = FileOptions(
        optimize=level > 0,
        logits=logits,
        heads=training_heads,
        target=reader,
        opset=opset,
        batch=batch,
        taps=taps,
        preprocess=preprocess,
        dtype=dtype,
        fp32=_globs(single),
        io=io,
        blocks=None if blocks is None else _globs(blocks),
    )
    return FileChoice(options, quantize, samples, reduce_range)


def _globs(text: str) -> tuple[str, ...]:
    return tuple(glob.strip() for glob in text.split(",")) if text else ()


_OPTIONS = (
    click.option("--logits", is_flag=True, help="Leave out final softmaxes."),
    click.option("--training-heads", is_flag=True, help="Keep the training-only heads as outputs."),
    click.option(
        "-O",
        "level",
        type=click.IntRange(0, 1),
        default=1,
        help="-O1 folds normalisations, scales and parallel branches into layers; -O0 none.",
    ),
    click.option(
        "--for",
        "reader",
        type=click.Choice(list(TARGETS)),
        help="What reads the file: chooses opset and spelling, and refuses what the reader lacks.",
    ),
    click.option(
        "--opset", type=int, help="ONNX opset, 13 to 26; 17 by default, or what the reader takes."
    ),
    click.option(
        "--batch", type=click.IntRange(1), help="Fix the batch size; symbolic by default."
    ),
    click.option(
        "--dtype",
        type=click.Choice(["fp32", "fp16"]),
        default="fp32",
        help="Precision of weights and values; fp16 keeps in fp32 what half precision cannot hold.",
    ),
    click.option(
        "--fp32",
        "single",
        metavar="GLOBS",
        default="",
        help="Paths that stay in fp32 too, with commas: 'head.*,stage4'.",
    ),
    click.option(
        "--io",
        type=click.Choice(["fp32", "fp16"]),
        default="fp32",
        help="Precision of the inputs and outputs of a file in fp16.",
    ),
    click.option(
        "--quantize", type=click.Choice(["int8"]), help="Write weights and values in 8 bits."
    ),
    click.option(
        "--samples",
        metavar="PATH",
        multiple=True,
        help="A folder or file of images or .npy arrays that ranges are taken from; NAME=PATH for "
        "another input. Noise by default.",
    ),
    click.option(
        "--reduce-range",
        is_flag=True,
        help="Weights of 7 bits, for processors without VNNI and runtimes that let sums overflow there. "
        "`--for openvino` has it.",
    ),
    click.option(
        "--preprocess",
        is_flag=True,
        help="Take pixels, uint8 NxHxWxC: the spec's `preprocess` line in the file.",
    ),
    click.option(
        "--tap",
        "taps",
        multiple=True,
        metavar="PATH",
        help="Make an inner step or block an output too; repeatable, and `*` stands for several.",
    ),
    click.option(
        "--blocks",
        metavar="[GLOBS]",
        is_flag=False,
        flag_value="",
        help="Write each kind of block once, as a function that the file calls; of some blocks only, by "
        "path or name and with commas: 'stage1.**,bottleneck'.",
    ),
)
_NAMES = (
    "logits training_heads level reader opset batch dtype single io quantize samples reduce_range"
    " preprocess taps blocks"
).split()
