"""The options of a training step whose memory is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from netspec.analysis.budget import bounds_training
from netspec.analysis.quantities import parse_quantity
from netspec.analysis.training.optimizers import OPTIMIZERS
from netspec.analysis.training.record import DEVICES, DTYPES, TrainingMemory
from netspec.foundation.records import record
from netspec.graph.checked import Graph

Command = TypeVar("Command", bound=Callable[..., Any])


@record
class Training:
    """A training step: of what batch, in what precision, by what; `room` is the bytes it is to fit.

    `given` are the options that were.
    """

    asked: bool
    given: tuple[str, ...]
    batch: int | None
    options: dict[str, str]
    room: int | None

    def of(self, graph: Graph, budgets: tuple[str, ...]) -> TrainingMemory | None:
        """What it takes of a net; None where neither the command nor a bound asks."""
        if not self.asked and not any(map(bounds_training, budgets)):
            if self.given:
                raise click.UsageError(f"--{self.given[0]} is for --training")
            return None
        from netspec.analysis.training.memory import largest_batch, training_memory

        if self.room is None:
            return training_memory(graph, batch=self.batch or 1, **self.options)
        largest = largest_batch(graph, self.room, **self.options)
        found = training_memory(graph, batch=self.batch or max(1, largest), **self.options)
        return replace(found, room=self.room, largest_batch=largest)


def training_options(command: Command) -> Command:
    """Gives a command the options of a training step, as one argument `training`."""

    @click.option("--training", is_flag=True, help="Add the memory of one training step.")
    @click.option(
        "--batch", type=click.IntRange(1), metavar="N", help="Samples of the training step; 1."
    )
    @click.option(
        "--dtype",
        type=click.Choice(DTYPES),
        default="fp32",
        help="Its precision: bf16 and fp16 are autocast's.",
    )
    @click.option(
        "--optimizer",
        type=click.Choice([*OPTIMIZERS]),
        default="adamw",
        help="Whose state it holds.",
    )
    @click.option(
        "--device",
        type=click.Choice(DEVICES),
        default="cpu",
        help="Where it runs: CUDA drops out by bytes, and autocasts otherwise.",
    )
    @click.option(
        "--fits",
        callback=_room,
        metavar="24GiB",
        help="The largest batch whose training step fits; implies --training.",
    )
    @wraps(command)
    def wrapped(
        training: bool,
        batch: int | None,
        dtype: str,
        optimizer: str,
        device: str,
        fits: int | None,
        **named: Any,
    ) -> Any:
        options = {"dtype": dtype, "optimizer": optimizer, "device": device}
        context = click.get_current_context()
        given = tuple(
            name
            for name in ("batch", *options)
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        )
        asked = training or fits is not None
        return command(training=Training(asked, given, batch, options, fits), **named)

    return wrapped  # type: ignore[return-value]


def _room(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    size = parse_quantity(text)
    if not size:
        raise click.BadParameter(f"`{text}` is not an amount of memory such as 24GiB")
    return size
