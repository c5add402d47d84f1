"""Plain values as YAML, in the block style that hubs' front matter and MLflow's files have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def as_yaml(value: dict[str, Any]) -> str:
    """A mapping of texts, numbers, truths, None, lists and mappings as a YAML document.

    Every text is in quotes, so that none is taken for a number, a date or a truth.
    """
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{key}:", item, "  ")
    else:
        for item in value:
            yield from _entry("-", item, "  ")


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    if not isinstance(item, dict | list) or not item:
        yield f"{head} {_scalar(item)}"
        return
    inner = _lines(item)
    if head == "-":
        # The first line of a list's item stands beside its mark.
        yield f"- {next(inner)}"
    else:
        yield head
    for line in inner:
        yield f"{indent}{line}"


def _scalar(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "".join(ch if ch.isprintable() else f"\\U{ord(ch):08x}" for ch in text)
