"""A plan whose variants kill the process that builds them: always, or the first times only."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from netspec.foundation.records import record
from netspec.sweeping.variant import Plan, Row


@record
class Lethal(Plan):
    """The variants in `victims` kill their process, so many `times`; each death is a file in `folder`."""

    folder: str = ""
    victims: tuple[int, ...] = ()
    times: int = 1

    def row(self, number: int) -> Row:
        """The row, where the process lives."""
        if number in self.victims:
            for death in range(self.times):
                try:
                    Path(self.folder, f"{number}-{death}").touch(exist_ok=False)
                except FileExistsError:
                    continue
                os.kill(os.getpid(), signal.SIGKILL)
        # Records with slots have no cell for `super()`.
        return Plan.row(self, number)
