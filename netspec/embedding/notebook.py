"""Cells of IPython and Jupyter that are specs: `%load_ext netspec`, then `%%netspec`."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from netspec.analysis.doubts.misread import warnings_of
from netspec.api import Net
from netspec.diagnostics.arguments import refuse_unknown
from netspec.diagnostics.render import render
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.embedding.drawn import OPTIONS, drawn_net, settings_of


def netspec_cell(shell: Any, line: str, cell: str) -> None:
    """Builds the cell's text, shows the picture, and binds the net to a name.

        %%netspec tiny depth=1 input=3x64x64
        net tiny
        input 3x32x32
        conv3-16 x2; gap; fc-10

    The name is the first word of the line, or else the net's own. Words with `=` are options of
    `netspec draw`, `set=` and `input=`; `picture=no` shows none. A spec that is wrong raises
    NetspecError, which shows as on the command line.
    """
    words = shlex.split(line)
    names = [word for word in words if "=" not in word]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    shown = options.pop("picture", "yes")
    refuse_unknown("%%netspec", [*names[1:], *options], (*OPTIONS, "picture"))
    settings, inputs = settings_of(options)
    net = Net(build(Source("<cell>", cell), settings, inputs))
    if warnings := warnings_of(net.graph):
        print(render(warnings), file=sys.stderr)
    shell.user_ns[names[0] if names else net.name] = net
    if shown != "no":
        from IPython.display import display

        display(drawn_net((net,), options).picture)


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext netspec`."""

    def netspec(line: str, cell: str) -> None:
        netspec_cell(shell, line, cell)

    netspec.__doc__ = netspec_cell.__doc__
    shell.register_magic_function(netspec, magic_kind="cell")
