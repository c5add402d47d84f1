"""Cells of IPython and Jupyter that are specs: `%load_ext netspec`, then `%%netspec`."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from keyword import iskeyword
from typing import Any

from netspec.analysis.doubts.misread import warnings_of
from netspec.api.net import Net
from netspec.diagnostics.arguments import BadChoice, refuse_unknown
from netspec.diagnostics.messages.draw import UnknownChoice
from netspec.diagnostics.render import render
from netspec.elaborate.build import build
from netspec.embedding.drawn import OPTIONS, drawn_net, settings_of
from netspec.syntax.files import text_source


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
    given = [word.split("=", 1) for word in words if "=" in word]
    options = dict(given)
    shown = options.pop("picture", "yes")
    refuse_unknown("%%netspec", [*names[1:], *(key for key, _ in given)], (*OPTIONS, "picture"))
    if twice := next((key for key, count in Counter(k for k, _ in given).items() if count > 1), ""):
        raise ValueError(
            f"`{twice}` is given twice; several values stand behind one `=`, with commas"
        )
    if shown not in ("yes", "no"):
        raise BadChoice(UnknownChoice("picture", shown, "yes, no"), status=2)
    if names and (not names[0].isidentifier() or iskeyword(names[0])):
        raise ValueError(f"the net is bound to a name of Python, and `{names[0]}` is none")
    settings, inputs = settings_of(options)
    net = Net(build(text_source("<cell>", cell), settings, inputs))
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
