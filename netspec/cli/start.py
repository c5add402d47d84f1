"""The `netspec` command up to its first import that takes time.

It imports nothing before a ctrl-C is seen to: one that comes while Python loads click is a ctrl-C too.
"""

from __future__ import annotations

import os


def run() -> None:
    """The `netspec` command."""
    try:
        from netspec.cli.interrupt import install_early

        install_early()
        from netspec.cli.main import run
    except KeyboardInterrupt:
        os._exit(130)
    run()
