"""What the commands share: the spec argument, settings, input sizes, limits, output."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from netspec.cli.shared.progress import wipe
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.records import printable
from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.diagnostics.source import Source
    from netspec.graph.checked import Graph

Command = Callable[..., Any]


class FileName(click.Path):
    """The name of a file or folder: an empty one, as of a shell's variable that is not set, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        _refuse_empty(self, value, param, ctx)
        return super().convert(value, param, ctx)


FILE = FileName(path_type=Path, readable=False)
FILE_OR_STREAM = FileName(path_type=str, readable=False)


class SpecType(click.ParamType[str]):
    """A spec: a path, `-`, or the name of a shipped one, which completes."""

    name = "spec"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        _refuse_empty(self, value, param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from netspec.syntax.files import shipped_names

        names = [n for n in shipped_names() if n.startswith(incomplete)]
        return [*(CompletionItem(n) for n in names), CompletionItem(incomplete, type="file")]


SPEC = SpecType()


def _refuse_empty(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    if value == "":
        kind.fail("an empty text names no file", param, ctx)


@record(slots=False)
class Options:
    """How specs are read: settings, input sizes and limits."""

    settings: dict[str, str]
    inputs: tuple[str, ...]
    limits: Limits

    def graph(
        self, spec: str | Source, *, dynamic: tuple[str, ...] = (), expectations: bool = True
    ) -> Graph:
        """The checked graph of a spec, by its name or read; `dynamic` names the last axes of its
        first input. Without `expectations` its `expect` lines are not held.
        """
        from netspec.elaborate.build import build
        from netspec.syntax.files import read_spec

        source = read_spec(spec, self.limits) if isinstance(spec, str) else spec
        graph = build(source, self.settings, self.inputs, self.limits, expectations=expectations)
        if not dynamic:
            return graph
        first = graph.inputs[0]
        shape = [str(size) for size in first.types[0].shape]
        if len(dynamic) >= len(shape):
            axes = len(shape) - 1
            raise click.UsageError(f"--dynamic names at most the {axes} last axes of {first.path}")
        shape[-len(dynamic) :] = dynamic
        inputs = (*self.inputs, f"{first.path}:{'x'.join(shape)}")
        return build(source, self.settings, inputs, self.limits)


def _settings(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"write it NAME=VALUE, not `{value}`")
        if name in found:
            raise click.BadParameter(f"`{name}` is set twice")
        found[name] = text
    return found


def spec_options(command: Command) -> Command:
    """Adds --set, --input and the limits; the command gets one `options`."""

    def wrapped(**values: Any) -> Any:
        limits = {f.name: values.pop(f"max_{f.name}") for f in fields(Limits)}
        chosen = Limits(**{k: v for k, v in limits.items() if v is not None})
        options = Options(values.pop("settings"), values.pop("inputs"), chosen)
        return command(options=options, **values)

    return with_options(command, wrapped, _OPTIONS)


def with_options(
    command: Command, wrapped: Command, options: Sequence[Callable[[Command], Command]]
) -> Command:
    """What stands in for a command and takes options for it, before those that it has, in order."""
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


# The flags' words where they differ from the fields'.
FLAGS = {"parameters": "params", "activations": "bytes"}

_OPTIONS = (
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_settings,
        help="Set one of the spec's parameters.",
    ),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="SIZE",
        help="Replace an input's size: 3x320x320, 3xHxW or NAME:3x320x320.",
    ),
    *(
        click.option(
            f"--max-{FLAGS.get(item.name, item.name)}",
            f"max_{item.name}",
            type=click.IntRange(1),
            hidden=True,
            metavar="N",
        )
        for item in fields(Limits)
    ),
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")


def say(text: str, quiet: bool = False) -> None:
    """A message: on standard error, so that standard output holds data only.

    Names in it may be anybody's: what is no letter is spelt out.
    """
    if not quiet:
        wipe()
        print("\n".join(map(printable, text.split("\n"))), file=sys.stderr)


def print_path(path: Path) -> None:
    """A path on standard output, as it is; a terminal gets what is no letter spelt out."""
    print(printable(str(path)) if sys.stdout.isatty() else path)


def print_json(value: Any) -> None:
    """`value` as JSON; what JSON has no word for, NaN and the infinities, as null."""
    plain = _finite(value)
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    if not _is_utf_8(text):  # JSON has escapes of its own
        text = json.dumps(plain, indent=2, allow_nan=False)
    print(text)


def _is_utf_8(text: str) -> bool:
    """Whether standard output makes UTF-8 of a text, which may hold bytes of a file's name."""
    try:
        return text.encode() == text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False


def table_width() -> int:
    """The columns that a table has: what COLUMNS says, the terminal's, or 120 where it is none."""
    return line_width() or 120


def line_width() -> int | None:
    """How long a line of text may be: as COLUMNS says, or the terminal; None where there is neither.

    A line that goes into a pipe stays whole, for whoever looks for something in it.
    """
    if os.environ.get("COLUMNS", "").isdecimal() or sys.stdout.isatty():
        return max(20, shutil.get_terminal_size((120, 24)).columns)
    return None


def has_colour() -> bool:
    """Whether standard output is a terminal whose user did not ask for none (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def print_spec(text: str) -> None:
    """A spec's text: UTF-8, as specs are, whatever the encoding of standard output."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def human_bytes(count: float) -> str:
    """A number of bytes with a unit: `26.7 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"
