"""A difference that shows itself: as text and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netspec.analysis.difference.compare import compare
from netspec.analysis.difference.record import Change, Found, Tensors
from netspec.analysis.quantities import grouped
from netspec.analysis.text_layout import broken
from netspec.diagnostics.source import Span
from netspec.graph.checked import Graph
from netspec.sizes.dims import Dim

FORMAT_VERSION = 1
_COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "~": "\x1b[33m"}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
# Names of tensors that are listed; the others are counted.
_MOST_NAMES = 6
# What goes on below stands further in than the effects of a change.
_FURTHER = 6


class Difference(Found):
    """What changed between two nets; true where something did. `str()` is the text."""

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        count = len(self.changes)
        word = "change" if count == 1 else "changes"
        return f"<Difference of {self.a.name} and {self.b.name}: {count} {word}>"

    def to_text(self, color: bool = False, width: int | None = None) -> str:
        """One line for each change with its place, its effects below, then the totals.

        What is longer than `width` goes on below, further in; only a path breaks no line.
        """
        return "\n".join(line for text in self._lines(color, width) for line in text) + "\n"

    def _lines(self, color: bool, width: int | None) -> Iterator[list[str]]:
        """Each line of the text, as those that it takes."""
        first, second = self.a.source.name, self.b.source.name
        if not self.changes:
            same = f"{first} and {second} compute the same"
            # Whoever renames a step renames its weights.
            renamed = _weights(self.tensors) if self.tensors.verdict != "load" else []
            yield from (_broken(line, width) for line in (same, *self._noted(), *renamed))
            return
        for line in (f"{first} → {second}", *self._noted()):
            yield _broken(line, width)
        for change in self.changes:
            sign, words = _said(change)
            place = f"({change.place})"
            lines = _broken(f"{sign} {words} {place}", width)
            yield _coloured(lines, sign, place) if color else lines
            if change.kind == "moved" and change.old is not None:
                yield _broken(f"    from {change.old}", width)
            for effect in change.effects:
                yield _broken(f"    {effect}", width)
        for line in ("", *self._totals()):
            yield _broken(line, width)

    def _noted(self) -> list[str]:
        return [f"({self.note})"] if self.note else []

    def _totals(self) -> list[str]:
        a, b = self.costs
        rows = [
            ("parameters", a.params + a.params_frozen, b.params + b.params_frozen),
            ("MACs", a.macs, b.macs),
            ("depth", a.depth, b.depth),
        ]
        lines = [_total(name, before, after) for name, before, after in rows]
        lines += [f"{name}: {before} → {after}" for name, before, after in self.shapes]
        return [*lines, *_weights(self.tensors)]

    def as_json(self) -> dict[str, Any]:
        """The difference as JSON values; `netspec/schemas/diff.json` describes them."""
        a, b = self.costs
        return {
            "format_version": FORMAT_VERSION,
            "before": {"name": self.a.name, "file": self.a.source.name},
            "after": {"name": self.b.name, "file": self.b.source.name},
            "note": self.note,
            "differ": bool(self.changes),
            "changes": [_change_json(change) for change in self.changes],
            "params": [a.params + a.params_frozen, b.params + b.params_frozen],
            "macs": [_size(a.macs), _size(b.macs)],
            "depth": [a.depth, b.depth],
            "shapes": [
                {"name": name, "before": before, "after": after}
                for name, before, after in self.shapes
            ],
            "weights": _tensors_json(self.tensors),
        }


def difference(a: Graph, b: Graph, *, starts: bool = True) -> Difference:
    """What the second graph computes otherwise than the first; see `compare`."""
    found = compare(a, b, starts)
    return Difference(
        found.a, found.b, found.changes, found.costs, found.shapes, found.tensors, found.pairs
    )


# --- text


def _broken(line: str, width: int | None) -> list[str]:
    """A line as those that it takes; what goes on is further in than where it began."""
    if width is None:
        return [line]
    return broken(line, width, len(line) - len(line.lstrip()) + _FURTHER)


def _coloured(lines: list[str], sign: str, place: str) -> list[str]:
    """The lines of a change in the colour of its sign, their end faint where it is the place."""
    shown = [f"{_COLOURS[sign]}{line}{_RESET}" for line in lines]
    if lines[-1].endswith(place):
        words = lines[-1].removesuffix(place)
        shown[-1] = f"{_COLOURS[sign]}{words}{_RESET}{_DIM}{place}{_RESET}"
    return shown


def _said(change: Change) -> tuple[str, str]:
    """The sign of a change and what it says."""
    if not change.before:
        return "+", f"{_kind(change)}{change.after}"
    if not change.after:
        return "-", f"{_kind(change)}{change.before}"
    if change.kind == "moved":
        return "~", f"{change.after} moved"
    if change.before == change.after:
        return "~", f"{_kind(change)}{change.after}"
    return "~", f"{_kind(change)}{change.before} → {change.after}"


def _kind(change: Change) -> str:
    """What texts do not say of themselves."""
    return "output " if change.kind == "output" else ""


def _total(name: str, before: Dim, after: Dim) -> str:
    if before == after:
        return f"{name}: {grouped(before)}, unchanged"
    text = f"{name}: {grouped(before)} → {grouped(after)}"
    if not (isinstance(before, int) and isinstance(after, int)):
        return text
    share = f", {100 * (after - before) / before:+.1f}%" if before else ""
    return f"{text} ({after - before:+,}{share})"


def _weights(found: Tensors) -> list[str]:
    """Whether old weights load, and which do not."""
    if found.verdict == "load":
        return ["old weights: load as they are"]
    if found.verdict == "rename":
        lines = [f"old weights: load under other names, {len(found.renamed)} of them"]
    else:
        kept = len(found.same) + len(found.renamed)
        lines = [f"old weights: {kept} of {kept + len(found.reshaped) + len(found.gone)} load"]
    renamed = [f"{_layer(before)} → {_layer(after)}" for before, after in found.renamed]
    reshaped = [f"{name} {_shape(was)} → {_shape(now)}" for _, name, was, now in found.reshaped]
    rows = {
        "renamed": renamed,
        "of another shape": reshaped,
        "new": map(_layer, found.new),
        "gone": map(_layer, found.gone),
        "taken by name into another layer": map(_layer, found.misled),
    }
    listed = {what: list(dict.fromkeys(names)) for what, names in rows.items()}
    return [*lines, *(f"    {what}: {_listed(names)}" for what, names in listed.items() if names)]


def _layer(tensor: str) -> str:
    return tensor.rpartition(".")[0]


def _shape(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes)) or "scalar"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    left = len(names) - _MOST_NAMES
    return f"{shown} and {left} more" if left > 0 else shown


# --- JSON


def _size(value: Dim) -> int | str:
    return value if isinstance(value, int) else str(value)


def _place_json(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {"file": span.source.name, "line": span.line, "column": span.column}


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "before": change.before,
        "after": change.after,
        "place": _place_json(change.place),
        "old": _place_json(change.old),
        "effects": list(change.effects),
        "removed": list(change.removed),
        "inserted": list(change.inserted),
        "changed": list(change.changed),
    }


def _tensors_json(found: Tensors) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "same": len(found.same),
        "renamed": [{"before": before, "after": after} for before, after in found.renamed],
        "reshaped": [
            {"before": before, "after": after, "was": list(was), "is": list(shape)}
            for before, after, was, shape in found.reshaped
        ],
        "new": list(found.new),
        "gone": list(found.gone),
        "misled": list(found.misled),
    }
