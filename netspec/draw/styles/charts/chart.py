"""Charts over nets, by matplotlib: cost per layer, cost against accuracy, depth by year."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from netspec.draw.styles.charts.bars import bars
from netspec.draw.styles.charts.bubble import bubble
from netspec.draw.styles.charts.depth import depth
from netspec.draw.styles.charts.drawn import tikz
from netspec.draw.styles.charts.frame import uncaptioned
from netspec.draw.theme import paint
from netspec.graph.checked import Graph

_STYLES: dict[str, Callable[..., Figure]] = {"bars": bars, "bubble": bubble, "depth": depth}

_DPI = 75


def chart(
    graphs: Sequence[Graph],
    style: str,
    theme: str,
    format: str,
    *,
    titled: bool = True,
    scale: float = 2,
    **choices: str,
) -> str | bytes:
    """One chart as SVG or TikZ text, or as PNG or PDF bytes; the same graphs give the same text and PDF.

    Without `titled` it has neither caption nor small print; `scale` is that of a PNG. `choices` are
    the style's own. Raises NetspecError where the nets do not suit the style.
    """
    what = [graph.name for graph in graphs] if not choices else choices.values()
    title = f"{style}: {', '.join(what)}"
    make = partial(_STYLES[style], graphs, **choices)
    return rendered(make, title, theme, format, titled=titled, scale=scale)


def rendered(
    make: Callable[[], Figure],
    title: str,
    theme: str,
    format: str,
    *,
    titled: bool = True,
    scale: float = 2,
) -> str | bytes:
    """What `make` draws in the colours of a theme, in a format, under a title for those who cannot see it."""
    with mpl.rc_context(_setting("dark" if theme == "dark" else "light")):
        figure = make()
        if not titled:
            uncaptioned(figure)
        if format == "tikz":
            return tikz(figure, title)
        return _saved(figure, format, title, scale)


def _setting(theme: str) -> dict[Any, Any]:
    page, ink, muted = paint(theme, "page").fill, paint(theme, "").ink, paint(theme, "muted").ink
    return {
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "svg.hashsalt": "netspec",
        # A dollar in a source is a dollar.
        "text.parse_math": False,
        "font.size": 10,
        "axes.labelsize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.edgecolor": muted,
        "grid.color": muted,
        "grid.alpha": 0.25,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), page),
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink),
    }


def _saved(figure: Figure, format: str, title: str, scale: float) -> str | bytes:
    # Without a date the same chart is the same bytes.
    dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    buffer = io.BytesIO()
    dpi = _DPI * scale
    figure.savefig(buffer, format=format, metadata={"Title": title, **dates[format]}, dpi=dpi)
    data = buffer.getvalue()
    return _stable(data.decode("utf-8")) if format == "svg" else data


def _stable(svg: str) -> str:
    """The SVG with its ids numbered, which matplotlib makes from places in memory, and with
    coordinates to a hundredth of a point, whose last digits depend on them too.
    """
    numbers: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        return found[1] + numbers.setdefault(found[2], f"i{len(numbers)}")

    def rounded(found: re.Match[str]) -> str:
        return f"{float(found[0]):.2f}"

    svg = re.sub(r'( id="|#)([a-zA-Z][0-9a-f]{10})(?=[")])', renamed, svg)
    return re.sub(r"<[^>]*>", lambda tag: re.sub(r"\d+\.\d{3,}", rounded, tag[0]), svg)
