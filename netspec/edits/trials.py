"""Edits that mend a spec: proposed from what a diagnostic says, tried, and kept if they check.

An edit is kept if the edited text has a problem less and no new one. Trying is bounded: few
diagnostics, few candidates, small nets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice, pairwise, product
from typing import Any

from netspec.diagnostics.messages import names, syntax
from netspec.diagnostics.messages.shapes import KernelTooLarge, ShapesDiffer, WrongPartner
from netspec.diagnostics.raised import Known, NetspecError
from netspec.diagnostics.records import Diagnostic, Edit, Problem
from netspec.diagnostics.source import Change, Source, Span
from netspec.edits.sizes import SIZES
from netspec.edits.slips import slips
from netspec.edits.spelling import SPELLINGS

# Builds a text; those of its mistakes are known that it may have: at another it may end.
Build = Callable[[Source, Known | None], Any]
Propose = Callable[[Any, Diagnostic, str], Iterator[Change]]

_PROPOSALS: dict[type[Problem], Propose] = {**SPELLINGS, **SIZES}
# Where a whole statement may be another language's.
_MISWRITTEN = frozenset(
    {
        names.BadArgument,
        names.MissingArgument,
        names.NoList,
        names.NotASymbol,
        names.TooManyArguments,
        names.UnknownArgument,
        names.UnknownLayer,
        names.UnknownMetadata,
        names.UnknownName,
        names.UnnamedDefault,
        syntax.DottedWord,
        syntax.IllegalCharacter,
        syntax.Unbalanced,
        syntax.UnexpectedText,
        KernelTooLarge,
        WrongPartner,
    }
)
_SHOWN = 3
_PROPOSED = 1000
_TRIED = 16
_DIAGNOSTICS = 3
_LONGEST_SOURCE = 20_000


def with_edits(error: NetspecError, source: Source, build: Build) -> NetspecError:
    """The error with up to three edits for each of its first diagnostics; `build` tries a text."""
    if len(source.text) > _LONGEST_SOURCE or error.more:
        return error
    first = error.diagnostics[:_DIAGNOSTICS]
    tried = _together([_edits(item, error, source, build) for item in first], error, source, build)
    found = [replace(item, edits=edits) for item, edits in zip(first, tried, strict=True)]
    if not any(tried):
        return error
    rest = error.diagnostics[_DIAGNOSTICS:]
    return NetspecError((*found, *rest), status=error.status, more=error.more)


def _together(
    tried: list[tuple[Edit, ...]], error: NetspecError, source: Source, build: Build
) -> list[tuple[Edit, ...]]:
    """The edits that also check once every other mistake is mended, by the first that fit together.

    A mistake in the grammar hides what is wrong in other ways, in the step that an edit made too. Where
    a mistake has no edit, or two of them one, nothing is known, and all are kept.
    """
    if len(tried) < 2 or len(tried) < len(error.diagnostics) or not all(tried):
        return tried
    fitting = (
        edits
        for edits in product(*tried)
        if not _overlap(edits) and _checks(_edited(source, edits), build, Known([]))
    )
    firsts = next(fitting, None)
    if firsts is None:
        return tried
    kept = []
    for i, edits in enumerate(tried):
        others = firsts[:i] + firsts[i + 1 :]
        kept.append(
            tuple(
                edit
                for edit in edits
                if edit == firsts[i] or _checks(_edited(source, (edit, *others)), build, Known([]))
            )
        )
    return kept


def _overlap(edits: Iterable[Edit]) -> bool:
    places = sorted((edit.span.start, edit.span.end) for edit in edits)
    return any(end > start for (_, end), (start, _) in pairwise(places))


def _edited(source: Source, edits: tuple[Edit, ...]) -> Source:
    text = source.text
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return replace(source, text=text)


def _edits(item: Diagnostic, error: NetspecError, source: Source, build: Build) -> tuple[Edit, ...]:
    kind = type(item.problem)
    proposals = [_PROPOSALS[kind]] if kind in _PROPOSALS else []
    proposals += [slips] if kind in _MISWRITTEN else []
    if not proposals or item.span is None:
        return ()
    if item.span.source != source and not isinstance(item.problem, ShapesDiffer):
        return ()
    proposed = chain.from_iterable(p(item.problem, item, source.text) for p in proposals)
    changes = list(dict.fromkeys(islice(proposed, _PROPOSED)))
    changes.sort(key=lambda change: _size(source.text[change[0] : change[1]], change[2]))
    rest = (d for d in error.diagnostics if d is not item)
    others = Known.of(rest, source.text, item)
    kept: list[Edit] = []
    for start, end, text in changes[:_TRIED]:
        if text.isdigit() and any(e.span.start == start and e.replacement.isdigit() for e in kept):
            continue
        edited = source.text[:start] + text + source.text[end:]
        if _checks(replace(source, text=edited), build, others):
            first = text.find("\n", 1)  # of what goes on over lines the first is shown
            shown = _statement(edited, start, len(text) if first < 0 else first)
            if all(edit.text != shown for edit in kept):
                kept.append(Edit(Span(source, start, end), text, shown))
        if len(kept) == _SHOWN:
            break
    return tuple(kept)


def _size(old: str, new: str) -> int:
    """How much of a text changes: what is not shared at either end; nothing where sizes change places."""
    if "x" in old and sorted(old.split("x")) == sorted(new.split("x")):
        return 0
    short = min(len(old), len(new))
    before = next((i for i in range(short) if old[i] != new[i]), short)
    short -= before
    after = next((i for i in range(short) if old[-1 - i] != new[-1 - i]), short)
    return len(old) + len(new) - 2 * (before + after)


def _checks(source: Source, build: Build, others: Known) -> bool:
    """Whether a text has no problem but some of these."""
    # Several mistakes may yet become the one that it is another language's text.
    whole = any(code == syntax.OtherLanguage.code for code, _ in others.left)
    try:
        build(source, None if whole else others.again())
    except NetspecError as error:
        left = others.again()
        return not error.more and all(left.meet(item) for item in error.diagnostics)
    return True


def _statement(text: str, at: int, length: int) -> str:
    """The statement that an edit made, for showing: with the braces that it ends, and without others."""
    start = max(text.rfind(mark, 0, at) for mark in ";\n{|") + 1
    if text[at : at + length].strip() == "|":
        start = text.rfind("\n", 0, at) + 1
    ends = [end for end in (text.find(mark, at + length) for mark in ";\n") if end >= 0]
    end = min(ends, default=len(text))
    edit = at + length - start
    shown = text[start:end]
    if text[start:at].count("}") > text[start:at].count("{"):
        start = text.rfind("\n", 0, at) + 1
        shown, edit = text[start:end], at + length - start
    while shown.count("}") > shown.count("{") and "}" in shown[edit:]:
        shown = shown[: shown.rindex("}")]
    return f"`{' '.join(shown.split())}`"
