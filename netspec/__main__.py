"""The `netspec` command, and `python -m netspec`, up to the first import that takes time.

Nothing is imported before a ctrl-C is seen to: one that comes while Python loads click is one too.
"""

from __future__ import annotations

import os


def run() -> None:
    """The `netspec` command."""
    try:
        from netspec.cli.shared.interrupt import install_early

        install_early()
        from netspec.cli.main import run
    except KeyboardInterrupt:
        os._exit(130)
    run()


if __name__ == "__main__":
    run()
