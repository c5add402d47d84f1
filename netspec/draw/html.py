"""One self-contained page: blocks open and close, everything leads to its line of the spec.

The page holds one picture for each set of open blocks that clicks lead to, made by the same layout
as every other picture, and a short script that swaps them. Nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from importlib.resources import files

from netspec.draw.flow import flow
from netspec.draw.page import folded, on_screen
from netspec.draw.scene import Group, Item, Scene
from netspec.draw.structure import Block, Element, Parallel, Repeat, Series, Tangle, structure
from netspec.draw.svg import escape, svg, used
from netspec.draw.theme import css, page_css
from netspec.draw.view import View
from netspec.graph import Graph
from netspec.source import Source

LARGEST = 200_000
_PICTURES = 120_000
_SOURCE = 24_000
_MOST_STATES = 48


def html(view: View, style: str, theme: str) -> str:
    """The page as text, below 200 KB. `fold` opens and closes blocks; `flow` is one picture."""
    start, scenes = _states(view) if style == "fold" else ("", {"": flow(view)})
    looks = frozenset[str]().union(*(used(scene) for scene in scenes.values()))
    pictures = {key: svg(scene, embedded=True) for key, scene in scenes.items()}
    names = _block_names(view.graph)
    templates = "".join(
        f'<template data-open="{escape(key)}">{picture}</template>'
        for key, picture in pictures.items()
        if key != start
    )
    everything, nothing = _nearest(names, pictures), _nearest(frozenset(), pictures)
    return _PAGE.format(
        title=escape(view.graph.name),
        style=css(theme, looks) + page_css(theme),
        start=escape(start),
        all=escape(everything),
        none=escape(nothing),
        picture=pictures[start],
        templates=templates,
        sources=_sources(view.graph),
        script=files("netspec.draw").joinpath("page.js").read_text("utf-8"),
    )


# --- the pictures


def _states(view: View) -> tuple[str, dict[str, Scene]]:
    """The pictures that opening and closing leads to, nearest first, as many as the page holds."""
    first = _start(view)
    found: dict[str, Scene] = {}
    waiting = deque([first, _block_names(view.graph), frozenset[str]()])
    size = 0
    while waiting and len(found) < _MOST_STATES:
        opened = waiting.popleft()
        key = _key(opened)
        if key in found:
            continue
        scene = folded(replace(view, only=opened))
        length = len(svg(scene, embedded=True))
        if size + length > _PICTURES and found:
            continue
        size += length
        found[key] = scene
        waiting.extend(opened ^ {name} for name in sorted(_toggles(scene.items)))
    return _key(first), found


def _start(view: View) -> frozenset[str]:
    """The most blocks that fit one screen, by the depth they occur at."""
    levels = _levels(view.graph)
    if view.depth is not None:
        return frozenset().union(*levels[: view.depth])
    for depth in range(len(levels), 0, -1):
        opened = frozenset[str]().union(*levels[:depth])
        if on_screen(folded(replace(view, only=opened))):
            return opened
    return frozenset()


def _block_names(graph: Graph) -> frozenset[str]:
    return frozenset[str]().union(*_levels(graph))


def _levels(graph: Graph) -> list[frozenset[str]]:
    """The names of the blocks at each depth, outermost first; training heads are not counted."""
    found: list[set[str]] = []

    def visit(element: Element, depth: int) -> None:
        match element:
            case Block():
                if len(found) == depth:
                    found.append(set())
                found[depth].add(element.call.block)
                visit(element.body, depth + 1)
            case Series() | Tangle():
                for item in element.items:
                    visit(item, depth)
            case Parallel():
                for branch in element.branches:
                    visit(branch, depth)
            case Repeat():
                visit(element.element, depth)

    visit(structure(graph), 0)
    return [frozenset(names) for names in found]


def _toggles(items: tuple[Item, ...]) -> set[str]:
    found: set[str] = set()
    for item in items:
        if isinstance(item, Group):
            found |= _toggles(item.members)
            if item.toggles:
                found.add(item.toggles)
    return found


def _key(opened: frozenset[str]) -> str:
    return " ".join(sorted(opened))


def _nearest(opened: frozenset[str], pictures: dict[str, str]) -> str:
    return min(pictures, key=lambda key: len(opened ^ frozenset(key.split())))


# --- the text of the spec


def _sources(graph: Graph) -> str:
    """The spec and the files its layers came from, line by line."""
    sources: dict[Source, None] = {graph.source: None}
    for node in graph.nodes:
        sources[node.span.source] = None
    room = _SOURCE
    shown = []
    for source in sources:
        lines = []
        for number, line in enumerate(source.text.splitlines(), 1):
            room -= len(line) + 20
            if room < 0:
                lines.append("<li>…</li>")
                break
            lines.append(f'<li data-at="{number}">{escape(line) or " "}</li>')
        name = escape(source.name)
        shown.append(
            f'<section data-file="{name}"><h2>{name}</h2><ol>{"".join(lines)}</ol></section>'
        )
    return "".join(shown)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'">
<style>{style}</style></head>
<body data-open="{start}" data-all="{all}" data-none="{none}">
<nav><button id="open">open all</button><button id="close">close all</button>
<span>click: source line · ± or Enter: open or close · arrows: next and previous</span></nav>
<main><div id="stage">{picture}</div><aside id="text">{sources}</aside></main>
<output id="hint" aria-live="polite"></output>
{templates}
<script>{script}</script>
</body></html>
"""
