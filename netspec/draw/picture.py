"""One function for every picture: which style, which format, from which nets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netspec.analysis.difference.record import Found
from netspec.diagnostics.arguments import held_depth
from netspec.diagnostics.messages.draw import CannotDraw, UnknownChoice
from netspec.diagnostics.raised import NetspecError
from netspec.draw.bare import bare
from netspec.draw.cloud import Cloud
from netspec.draw.scene import Scene
from netspec.draw.theme import THEMES
from netspec.draw.view import HEATS, SHOWN, View
from netspec.foundation.collecting import without_collecting
from netspec.graph.checked import Graph

STYLES = ("fold", "flow", "volumes", "columns", "bars", "bubble", "depth")
FORMATS = ("svg", "png", "pdf", "tikz", "html", "dot")
# Endings of files that are not the name of their format.
ENDINGS = {"tex": "tikz"}
# What a scene can be drawn as.
FIGURES = ("svg", "png", "pdf", "tikz")
CHARTS = ("bars", "bubble", "depth")
# Styles that show what is in a block; columns have repeats and colours of cost too.
OPENING = ("fold", "flow", "volumes")
_STYLES_THAT = dict.fromkeys(("heat", "unfold"), (*OPENING, "columns"))
_SHOWN = ("shape", "kernel", "params")
_MOST_NAMES = 8
_SCALE, _LARGEST_SCALE = 2.0, 10
# Four bytes each, a few times over.
_MOST_PIXELS = 2**28


def draw(
    graphs: Sequence[Graph],
    *,
    style: str = "fold",
    depth: int | None = None,
    expand: Sequence[str] = (),
    unfold: Sequence[str] = (),
    show: Sequence[str] = _SHOWN,
    heat: str | None = None,
    theme: str | None = None,
    format: str = "svg",
    challenge: str = "",
    scale: float | None = None,
    title: bool = True,
) -> str | bytes:
    """A picture of one net or of several: text for svg, tikz, html and dot, bytes for png and pdf.

    Styles:
        fold: one screen: blocks as cards, repeats folded with what differs said; several nets
            stand next to each other.
        flow: every layer and connection, a frame around each block; of a net that takes more than a
            screen what is repeated is shown once. Laid out by Graphviz where it is installed, and in rows
            without it.
        volumes: feature maps as slabs, height and width as size, channels as thickness; kernels as
            small frustums, fully connected layers as bars. Open sizes are drawn for legal numbers,
            connections that cross as lines over a row; more than a few dozen are refused.
        columns: several nets side by side, aligned on resolution; what is taller than a screen goes on
            beside it. Nets that come back to a resolution are refused.
        bars: activation memory, parameters and multiply-adds per layer; two nets mirrored.
        bubble: multiply-adds against published top-1 accuracy; the area is the parameters. All by
            the protocol that most of the nets share; the others are named as left out.
        depth: layers and top-5 error of the nets' entries of a challenge, or else of the nets, in
            the order given. With `challenge="ILSVRC"` the entries by year of that challenge which
            the specs state and which won or are a net's own, predecessors among them.

    `depth` opens that many levels of blocks, `expand` all blocks of a name or of the names that a
    glob matches, or one by its full path, and no others unless `depth` does; by default fold opens
    as many as fit a screen of 1600x1000, with the insides of the others beside. `unfold` shows a
    repeat copy by copy: that of which one copy has this path, those in the block of this path, or
    all that a name or a glob matches. What nothing matches is refused.

    `show` is any of shape, kernel, params, macs and name, which is that of every step that was given
    one; `heat` colours by params, macs or memory. `theme` is light, dark or auto, which follows the
    reader's preference; by default a page is auto and all else light. Shapes exclude the batch,
    counts are for one sample. Above 2,000 boxes fold leaves layers out and says how many; flow,
    volumes and columns refuse.

    `scale` is the pixels of a png to a point, 2 unless it is given. Without `title` there is no
    title, paper, caption or legend, for a figure that has a caption of its own. `tikz` compiles by
    itself and can be read by `\\input`, with nothing but TikZ.

    `html` is one page below 200 KB that loads nothing: it zooms and is searched, pointing at a layer
    tells its window, shapes and cost, at a line what it carries, a click shows the line of the spec.
    In fold and flow blocks open and close, all of one name or one alone, and repeats unfold; volumes and
    columns are one picture that stays as it is.

    The same graph gives the same bytes. Raises NetspecError: status 2 for an unknown choice, 3
    where something optional is not installed, 1 where the nets do not suit the style.

    >>> import netspec
    >>> picture = draw([netspec.load("conv3-8; relu; gap", input="3x8x8").graph])
    >>> picture.startswith("<svg")
    True
    """
    _check("style", style, STYLES)
    _check("format", format, FORMATS)
    theme = theme or ("auto" if format == "html" else "light")
    _check("theme", theme, THEMES)
    for word in show:
        _check("figure to show", word, SHOWN)
    if heat is not None:
        _check("heat", heat, HEATS)
    held_depth(depth)
    if not graphs:
        raise NetspecError(CannotDraw("there is no net"), status=2)
    if challenge and style != "depth":
        reason = f"a challenge is drawn in the style depth, not {style}"
        raise NetspecError(CannotDraw(reason), status=2)
    if scale is not None and (format != "png" or not 0 < scale <= _LARGEST_SCALE):
        reason = f"a png has a scale up to {_LARGEST_SCALE}"
        advice = f"{format} is sharp at any size" if format != "png" else ""
        raise NetspecError(CannotDraw(reason, advice), status=2)
    asked = {"depth": depth is not None, "expand": bool(expand), "unfold": bool(unfold)}
    asked |= {"show": tuple(show) != _SHOWN, "heat": heat is not None}
    for word in (word for word, given in asked.items() if given):
        if style not in _STYLES_THAT.get(word, OPENING):
            raise _meaningless(word, f"the style {style}")
        if format == "dot" and (word == "heat" or (word == "show" and style == "flow")):
            raise _meaningless(word, "dot text")
    if style in CHARTS:
        return _chart(graphs, style, theme, format, challenge, title=title, scale=scale or _SCALE)
    if style in ("flow", "volumes") and len(graphs) > 1:
        advice = "draw them one by one, or with --style fold or columns"
        raise NetspecError(CannotDraw(f"the style {style} takes one net", advice), status=2)
    if (style, format) == ("fold", "html") and len(graphs) > 1:
        advice = "draw them one by one, or as svg, png or pdf"
        raise NetspecError(CannotDraw("a page of the style fold shows one net", advice), status=2)
    _check_opened(graphs, style, expand, unfold)
    if format == "dot" and theme != "light":
        raise _meaningless("theme", "dot text")
    if expand and depth is None:
        depth = 0
    choices = tuple(expand), tuple(unfold), tuple(show), heat
    views = [View(graph, depth, *choices) for graph in graphs]
    with without_collecting():
        if format == "dot":
            return _dot(views, style, title=title)
        if format == "html":
            from netspec.draw.formats.html import html

            return html(views, style, theme, title=title)
        scene = _scene(views, style)
        return _rendered(scene if title else bare(scene), theme, format, scale or _SCALE)


def draw_difference(found: Found, *, theme: str = "light", format: str = "svg") -> str | bytes:
    """A picture of two nets that were compared: what was removed, added and changed is marked.

    The first net is on the left, and the changes are listed below. `format` is svg, png, pdf or tikz,
    `theme` as in `draw`. Raises NetspecError as that does.
    """
    _check("theme", theme, THEMES)
    _check("format", format, FIGURES)
    from netspec.draw.styles.compared import compared

    with without_collecting():
        return _rendered(compared(found), theme, format, _SCALE)


def draw_costs(
    cloud: Cloud,
    *,
    theme: str = "light",
    format: str = "svg",
    scale: float = _SCALE,
    title: bool = True,
) -> str | bytes:
    """A chart of a family of nets: one cost against another, or against a parameter.

    `format` is svg, png, pdf or tikz; `theme`, `scale` and `title` are as in `draw`. Raises NetspecError as
    that does, also where there is no point.
    """
    _check("theme", theme, THEMES)
    _check("format", format, FIGURES)
    if not any(series.points for series in cloud.series):
        raise NetspecError(CannotDraw(f"no variant of {cloud.name} has both figures"))
    from netspec.draw.styles.charts.chart import rendered
    from netspec.draw.styles.charts.costs import costs

    what = f"costs: {cloud.name}"
    return rendered(lambda: costs(cloud), what, theme, format, titled=title, scale=scale)


def format_of(path: Path) -> str:
    """The format of a figure that a file's ending says; raises NetspecError for another."""
    ending = path.suffix.removeprefix(".").lower()
    ending = ENDINGS.get(ending, ending)
    _check("format", ending, FIGURES)
    return ending


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise NetspecError(UnknownChoice(what, value, ", ".join(known)), status=2)


def _meaningless(word: str, where: str) -> NetspecError:
    return NetspecError(CannotDraw(f"{word} has no meaning in {where}"), status=2)


def _check_opened(
    graphs: Sequence[Graph], style: str, expand: Sequence[str], unfold: Sequence[str]
) -> None:
    """Raises NetspecError for what is to be opened where no net has it, with what they have."""
    from netspec.draw.structure.opening import blocks, expanded, repeated, unfolded
    from netspec.draw.styles.fold import refuse_tangles

    for glob in expand:
        if not any(expanded(graph, (glob,)) for graph in graphs):
            known = _listed([name for graph in graphs for name in blocks(graph)], glob)
            advice = f"its blocks are {known}" if known else "the net has no blocks"
            raise NetspecError(CannotDraw(f"no block matches `{glob}`", advice), status=2)
    for graph in graphs if unfold else ():
        refuse_tangles(style, graph)
    for glob in unfold:
        if not any(unfolded(graph, (glob,)) for graph in graphs):
            known = _listed([text for graph in graphs for text in repeated(graph)], glob)
            advice = f"its repeats are {known}" if known else "nothing in the net is repeated"
            raise NetspecError(CannotDraw(f"no repeat matches `{glob}`", advice), status=2)


def _listed(names: Sequence[str], word: str) -> str:
    """Names that exist, those that are like the word first."""
    from difflib import get_close_matches

    known = list(dict.fromkeys([*get_close_matches(word, names), *names]))
    left = len(known) - _MOST_NAMES
    return ", ".join(known[:_MOST_NAMES]) + (f" and {left} more" if left > 0 else "")


def _dot(views: Sequence[View], style: str, *, title: bool) -> str:
    from netspec.draw.formats.dot import exact, folded

    write = exact if style == "flow" else folded
    return "".join(write(view, title=title) for view in views)


def _scene(views: list[View], style: str) -> Scene:
    if style == "flow":
        from netspec.draw.styles.flow import flow

        return flow(views[0])
    if style == "volumes":
        from netspec.draw.styles.volumes.page import volumes

        return volumes(views[0])
    if style == "columns":
        from netspec.draw.styles.columns.page import columns

        return columns(views)
    if len(views) > 1:
        from netspec.draw.styles.beside import side_by_side

        return side_by_side(views)
    from netspec.draw.styles.fold import folded

    return folded(views[0])


def _rendered(scene: Scene, theme: str, format: str, scale: float) -> str | bytes:
    if format == "tikz":
        from netspec.draw.formats.tikz import tikz

        return tikz(scene, theme)
    if format == "pdf":
        from netspec.draw.formats.pdf import pdf

        return pdf(scene, theme)
    from netspec.draw.formats.svg import svg

    if format == "png":
        from netspec.draw.formats.png import png

        w, h = round(scene.width * scale), round(scene.height * scale)
        if w * h > _MOST_PIXELS:
            reason = f"a png of {w:,} by {h:,} pixels, the limit is {_MOST_PIXELS:,} of them"
            raise NetspecError(CannotDraw(reason, "take a smaller --scale, or draw svg or pdf"))
        return png(svg(scene, "light" if theme == "auto" else theme), scale)
    return svg(scene, theme)


def _chart(
    graphs: Sequence[Graph],
    style: str,
    theme: str,
    format: str,
    challenge: str,
    *,
    title: bool,
    scale: float,
) -> str | bytes:
    if format not in FIGURES:
        reason = f"the style {style} is a chart, which is svg, png, pdf or tikz"
        raise NetspecError(CannotDraw(reason), status=2)
    from netspec.draw.styles.charts.chart import chart

    choices = {"challenge": challenge} if challenge else {}
    return chart(graphs, style, theme, format, titled=title, scale=scale, **choices)
