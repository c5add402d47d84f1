"""How text fits a width: which columns of a table stay, how wide each is, where cells break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netspec.foundation.breadth import beginning, breadth
from netspec.foundation.records import record

_CUT = "*"


@record
class Measure:
    """A column as it is laid out: the width it wants, the least it bears, and how long it is kept.

    `gap` is the space before it. Of columns that do not fit, the one with the lowest `keep` goes first;
    those of 9 stay. What is `named` there is shortened after all else.
    """

    title: str
    wanted: int
    least: int
    keep: int = 9
    gap: int = 2
    named: bool = False


def fit(columns: Sequence[Measure], width: int | None) -> tuple[list[int], list[int]]:
    """The columns that stay, and how wide each is: together at most `width`, where that can be."""
    chosen = list(range(len(columns)))
    if width is None:
        return chosen, [columns[i].wanted for i in chosen]
    least = [column.least for column in columns]
    while _total(columns, chosen, least) > width:
        droppable = [i for i in chosen if columns[i].keep < 9]
        if not droppable:
            break
        chosen.remove(min(droppable, key=lambda i: (columns[i].keep, -i)))
    # A wide column that went may leave room for narrow ones that went before it.
    sizes = [column.wanted for column in columns]
    gone = sorted(set(range(len(columns))) - set(chosen), key=lambda i: (-columns[i].keep, i))
    for i in gone:
        if _total(columns, sorted([*chosen, i]), sizes) <= width:
            chosen = sorted([*chosen, i])
    # Cells wrap before names are shortened, and numbers break last.
    words = [least[i] if not column.named else sizes[i] for i, column in enumerate(columns)]
    for floor in (words, least, [1] * len(columns)):
        while _total(columns, chosen, sizes) > width:
            wide = [i for i in chosen if sizes[i] > floor[i]]
            if not wide:
                break
            sizes[max(wide, key=lambda i: (sizes[i], -i))] -= 1
    return chosen, [sizes[i] for i in chosen]


def _total(columns: Sequence[Measure], chosen: Sequence[int], sizes: Sequence[int]) -> int:
    return sum(sizes[i] for i in chosen) + sum(columns[i].gap for i in chosen[1:])


def broken(text: str, width: int, indent: int = 0) -> list[str]:
    """A text as lines of at most `width`; those after the first start with `indent` blanks.

    Words break at blanks, sums before a sign, products behind a star, shapes before an axis; inside
    brackets only what fits no line, and words that fit none anywhere.
    """
    if breadth(text) <= width:
        return [text]
    indent = min(indent, width // 2)
    lines, line = [], ""
    for whole in _pieces(text, width - indent):
        piece = whole
        while piece:
            room = width - breadth(line)
            if breadth(piece.rstrip()) <= room:
                line += piece
                break
            if line.strip():
                lines.append(line.rstrip())
                line, piece = " " * indent, piece.lstrip()
            else:
                head = beginning(piece, room) or piece[:1]
                lines.append(line + head)
                line, piece = " " * indent, piece[len(head) :]
    return [*lines, line.rstrip()] if line.strip() else lines


def _pieces(text: str, width: int, inside: bool = False) -> Iterator[str]:
    """What stays on one line: no longer than `width` where a break allows it."""
    start = depth = 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if i + 1 == len(text) or ((inside or depth == 0) and _breaks(text, i)):
            piece = text[start : i + 1]
            start = i + 1
            if breadth(piece.rstrip()) <= width or inside:
                yield piece
            else:
                yield from _pieces(piece, width, inside=True)


def _breaks(text: str, at: int) -> bool:
    """Whether a line may end behind this letter."""
    letter = text[at]
    if letter == " ":
        return text[at - 1] not in "+-" or text[at - 2 : at - 1].isalnum()
    return letter in ",*" or text[at : at + 2] == "]x"


def shortened(text: str, width: int) -> str:
    """A path cut in its middle, as a glob of it: what it starts with and ends in tell it apart."""
    if breadth(text) <= width:
        return text
    kept = width - len(_CUT)
    if kept < 2:
        return beginning(text, width)
    after = beginning(text[::-1], (kept + 1) // 2)[::-1]
    return beginning(text, kept - breadth(after)).rstrip(".") + _CUT + after.lstrip(".")
