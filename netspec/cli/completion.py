"""`netspec completion`."""

from __future__ import annotations

import click


@click.command(epilog='Example: eval "$(netspec completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the shell's completion script."""
    from click.shell_completion import get_completion_class

    from netspec.cli.main import main

    kind = get_completion_class(shell)
    assert kind is not None
    print(kind(main, {}, "netspec", "_NETSPEC_COMPLETE").source())
