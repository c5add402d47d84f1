"""Writes docs/errors.md from the problems' own declarations: `python docs/make_errors.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from netspec.diagnostics.catalogue import headline, load_all
from netspec.diagnostics.records import REGISTRY

PAGE = Path(__file__).parent / "errors.md"
_HEADING = """\
<!-- Written by `python docs/make_errors.py`; edit the declarations in netspec/diagnostics/messages. -->

# Messages

Every message has a code that stays the same. `netspec explain NS302` prints the paragraph below it.
"""
_GROUPS = {
    "NS1": "Text and syntax",
    "NS2": "Names and arguments",
    "NS3": "Shapes",
    "NS4": "Limits",
    "NS5": "Files and weights",
    "NS6": "Back-ends and pictures",
    "NS7": "What a spec or a command expects",
    "NS8": "Models of others",
}


def page() -> str:
    load_all()
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEADING
    group = ""
    for code, problem in sorted(REGISTRY.items()):
        if code[:3] != group:
            group = code[:3]
            yield f"## {_GROUPS[group]}\n"
        yield f"### {code}\n"
        yield f"    {headline(problem)}\n"
        yield f"{problem.explain}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
