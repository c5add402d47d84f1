"""The command line: one thin function for each command, loaded when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from netspec import __version__
from netspec.cli.shared import interrupt
from netspec.cli.shared.streams import OUTPUT, discard_output, mend

# Command to one line of help, in the order of `--help`; each lives in the module of its name.
COMMANDS = {
    "check": "Say what is wrong with specs, and nothing else.",
    "compile": "Write a spec as an ONNX file.",
    "package": "Write a net as a folder that hubs and registries take.",
    "deploy": "Add a net to the model repository of an inference server.",
    "import": "Read an ONNX file as a spec, proven equal.",
    "summary": "Show what each layer costs; compare several nets.",
    "diff": "Say what one spec computes otherwise than another.",
    "draw": "Draw one net, or several together.",
    "run": "Run a spec or an ONNX file through ONNX Runtime.",
    "verify": "Prove that what netspec wrote computes what the spec says.",
    "bench": "Measure latency and throughput.",
    "sweep": "Say what every variant of a spec costs.",
    "fmt": "Put specs in the one canonical layout.",
    "list": "List the shipped specs: what they are and what they cost.",
    "show": "Print the text of a shipped spec.",
    "explain": "Explain a diagnostic's code.",
    "completion": "Print the shell's completion script.",
}
# Modules whose command's name is a Python word or a builtin.
_MODULES = {"compile": "compile_", "import": "import_", "list": "list_"}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"netspec.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with _noticing_readers():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _noticing_readers():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from netspec.diagnostics.suggest import closest

            near = closest(args[0], COMMANDS)
            if near:
                raise click.UsageError(f"{error.message} Did you mean {near}?", ctx) from None
            raise


_EPILOG = """\b
SPEC is a path, the name of a shipped spec, REVISION:PATH as git has it,
or - for standard input.
Examples:
  netspec compile googlenet
  netspec summary vgg16 resnet50
  netspec draw resnet50 -o resnet50.svg
Exit status: 0 fine; 1 the spec, verification or budget is at fault;
2 usage; 3 something optional is not installed; 4 a back-end failed;
70 a defect of netspec.
"""


@click.group(
    cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="netspec")
def main() -> None:
    """Say what a neural network is in a few lines; check it, compile it, run it, draw it."""


class _ReaderGone(Exception):
    """Whoever read standard output has seen enough; click would make a failure of it."""


@contextmanager
def _noticing_readers() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGone from None


def run() -> None:
    """The `netspec` command: `main`, with every failure as a message and an exit status."""
    status = 0
    try:
        interrupt.install()
        mend()
        status = _status()
        sys.stdout.flush()
        if interrupt.was_asked() and status != interrupt.status():
            status = _interrupted()  # the exception was lost in a callback
    except (_ReaderGone, BrokenPipeError):
        discard_output()
    except KeyboardInterrupt:
        status = _interrupted()
    except OSError as error:
        # Where it failed before, it was said, and only what was held back fails again.
        status = status or _output_failed(error)
        discard_output()
    interrupt.finish()
    sys.exit(status)


def _output_failed(error: OSError) -> int:
    print(f"error: cannot write {OUTPUT}: {error.strerror}", file=sys.stderr)
    return 1


def _interrupted() -> int:
    print(interrupt.message(), file=sys.stderr)
    return interrupt.status()


def _status() -> int:
    from netspec.diagnostics.messages.usage import BadUsage, Defect, OutOfMemory, SystemRefused
    from netspec.diagnostics.raised import NetspecError
    from netspec.diagnostics.records import Diagnostic, Problem, printable

    def failed(problem: Problem, status: int) -> int:
        return _report((Diagnostic(problem, None),), status)

    try:
        status = main(standalone_mode=False, prog_name="netspec")
        return status if isinstance(status, int) else 0
    except NetspecError as error:
        return _report(error.diagnostics, error.status, error.more)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        if _wants_json():
            return failed(BadUsage(printable(error.format_message())), error.exit_code)
        text = error.message.expandtabs().split("\n")
        error.message = "\n".join(map(printable, text))  # type: ignore[misc]
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _interrupted()
    except _ReaderGone:
        raise
    except MemoryError as error:
        return failed(OutOfMemory(printable(str(error) or "no more can be had")), 4)
    except OSError as error:
        if error.filename == OUTPUT:
            return _output_failed(error)
        where = f"{error.filename}: " if error.filename else ""
        return failed(SystemRefused(printable(f"{where}{error.strerror or error}")), 1)
    except Exception as error:
        if os.environ.get("NETSPEC_TRACEBACK"):
            raise
        return failed(Defect(printable(f"{type(error).__name__}: {error}")), 70)


def _report(diagnostics: Any, status: int, more: int = 0) -> int:
    from netspec.diagnostics.render import as_json, render

    if _wants_json():
        import json

        print(json.dumps(as_json(diagnostics, more), indent=2))
    else:
        print(render(diagnostics, more), file=sys.stderr)
    return status


def _wants_json() -> bool:
    words = " ".join(sys.argv[1:])
    return "--json" in sys.argv or "--format json" in words or "--format=json" in words
