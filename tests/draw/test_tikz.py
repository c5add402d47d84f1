"""TikZ: what TeX reads, with nothing but TikZ, whatever a spec says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.pictures import read_picture
from support.shelves import shelved, shipped

from netspec.draw import draw
from netspec.draw.formats.tikz import tikz
from netspec.draw.metrics import letters
from netspec.draw.scene import SIZES, Box, Group, Mark, Polygon, Scene, Wire, Words
from netspec.draw.tex import tex
from netspec.graph.checked import Graph

TEX = shutil.which("pdflatex")
HOSTILE = "\\input{/etc/passwd} } { $ & # _ % ^ ~ < > | \" ` ' -- ?` [a];, \\end{document} ^^41"
# What a picture says outside of its text; what TeX has of its own is in the head of the file.
COMMANDS = {
    *("begin", "end", "path", "node", "clip", "providecolor", "fontsize", "selectfont", "bfseries"),
    *("netspecfit", "netspecsign", "netspecend", "endgroup", "sffamily"),
}


def drawn(*graphs: Graph, **choices: object) -> str:
    picture = draw(graphs, format="tikz", **choices)  # type: ignore[arg-type]
    assert isinstance(picture, str)
    return picture


def body(text: str) -> str:
    """A picture's own lines, after the definitions."""
    return text[text.index("\\providecolor") :]


def assert_sound(text: str) -> None:
    """Balanced braces, known commands and finite numbers, whatever TeX makes of it."""
    bare = re.sub(
        r"\\[{}%]", "", "\n".join(re.sub(r"(?<!\\)%.*", "", li) for li in text.split("\n"))
    )
    depth = 0
    for sign in re.findall(r"[{}]", bare):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0
    own = re.sub(r"\\netspecfit\{[^}]*\}\{.*\}\};", "", body(text))
    assert set(re.findall(r"\\([a-zA-Z]+)", own)) <= COMMANDS
    for place in re.findall(r"\(([^()a-z]*,[^()]*)\)", own):
        x, y = map(float, place.split(","))
        assert abs(x) < 1e6
        assert abs(y) < 1e6


def compiled(text: str, folder: Path, engine: str = "pdflatex") -> str:
    """What TeX prints about a file that it accepts."""
    (folder / "x.tikz").write_text(text, "utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "x.tikz"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, said[-2000:]
    assert "(1 page" in said
    assert "Overfull" not in said
    return said


# --- text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3×3 conv, 64", r"3$\times$3 conv, 64"),
        ("a_b & 5% #1", r"a\_b \& 5\% \#1"),
        ("{\\x}", r"\{\textbackslash{}x\}"),
        ("$x^2$ ~", r"\$x\textasciicircum{}2\$ \textasciitilde{}"),
        ("64→32 · −1 …", r"64$\rightarrow$32 $\cdot$ $-$1 \dots{}"),
        ("a--b", r"a-\kern0pt{}-b"),
        ("Größe Çé ø", r"Gr\"{o}\ss{}e \c{C}\'{e} \o{}"),
        ("Ж漢", r"\netspecsign{Ж}{?}\netspecsign{漢}{?}"),
        ("ą ệ", r"\netspecsign{ą}{a} \netspecsign{ệ}{e}"),
    ],
)
def test_text_is_set_as_it_is(text: str, expected: str) -> None:
    assert tex(text) == expected


def test_no_sign_of_the_font_opens_or_closes_anything() -> None:
    for ch in letters():
        written = re.sub(r"\\[{}]", "", tex(ch))
        assert written.count("{") == written.count("}")
        assert written.isprintable()


# --- pictures


def test_every_kind_of_item_is_drawn() -> None:
    box = Box(10, 20, 30, 40, "leaf", "conv", 4)
    items = (
        Group((box, Words(15, 30, "x_1", "head", "middle", "h5"))),
        Wire(((0, 0), (50, 0), (50, 80)), look="skip"),
        Wire(((0, 0), (0, 80)), arrow=False, look="side"),
        Mark(60, 60, "+"),
        Mark(60, 90, "×"),
        Box(0, 0, 9, 9, "leaf", "added", 0),
        Polygon(((70, 5), (90, 5), (80, 15)), "conv-side"),
    )
    text = tikz(Scene(items, 100, 100, "t", "d"))
    assert_sound(text)
    lines = body(text).split("\n")
    assert (
        r"\path[fill=netspec-conv,draw=netspec-conv-line,line width=0.75bp,rounded corners=3bp] "
        in text
    )
    assert "(10,20) rectangle (40,60);" in text
    assert any("text=netspec-h5-ink" in line and r"x\_1" in line for line in lines)
    assert any(".. controls" in line and "netspec-skip-line" in line for line in lines)
    assert any("dash pattern=on 3bp off 2.25bp" in line for line in lines)
    # A tip and a polygon.
    assert text.count("-- cycle;") == 2
    assert "fill=netspec-conv-side,draw=netspec-conv-side-line" in text
    assert text.count("circle[radius=6bp]") == 2
    assert "line width=1.8bp" in text
    for name in set(re.findall(r"(?:fill|draw|text)=(netspec-[\w-]+)", text)):
        assert rf"\providecolor{{{name}}}{{HTML}}" in text


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "unet", "nasnet_mobile", "fcn8s"])
def test_it_holds_what_svg_holds(name: str) -> None:
    graph = shipped(name)
    text = drawn(graph)
    assert_sound(text)
    svg = draw([graph])
    assert isinstance(svg, str)
    picture = read_picture(svg)
    assert text.count("\\node[") == len(picture.labels)
    assert text.count(" rectangle ") == 1 + svg.count("<rect")
    assert text == drawn(graph)


def test_colours_are_named_after_their_class_and_those_of_the_theme() -> None:
    graph = shipped("vgg16")
    assert r"\providecolor{netspec-conv}{HTML}{D9EBF8}" in drawn(graph)
    assert r"\providecolor{netspec-conv}{HTML}{1D3A52}" in drawn(graph, theme="dark")


def test_a_page_that_tex_cannot_count_is_smaller() -> None:
    text = tikz(Scene((Words(10, 15, "x"),), 100_000, 10, "t", "d"))
    assert "[x=0.14bp,y=-0.14bp," in text
    assert rf"\fontsize{{{0.14 * SIZES['label']:g}bp}}" in text
    assert_sound(text)


@pytest.mark.parametrize("style", ["bars", "bubble", "depth"])
def test_charts_are_drawn_too(style: str) -> None:
    pytest.importorskip("matplotlib")
    names = ("alexnet", "vgg16") if style == "bars" else ("alexnet_owt", "vgg16", "resnet50")
    graphs = [shipped(name) for name in names]
    text = drawn(*graphs, style=style)
    assert_sound(text)
    assert all(tex(name) in text for name in names)
    assert text.count("\\node[") > 15


# --- TeX


@pytest.mark.skipif(TEX is None, reason="TeX is not installed")
@pytest.mark.parametrize(
    "engine",
    [
        "pdflatex",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("lualatex", "xelatex")),
    ],
)
def test_tex_sets_hostile_text_as_text(
    engine: str, net: Callable[..., Graph], tmp_path: Path
) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")
    graph = net("conv3-8; relu; gap")
    for i, name in enumerate((HOSTILE, "".join(letters())[:400], "Ж漢ąệ\u0301\u200b😀")):
        folder = tmp_path / str(i)
        folder.mkdir()
        text = drawn(graph.replace(name=name, metadata=(("paper", name),)))
        assert_sound(text)
        said = compiled(text, folder, engine)
        assert "/etc/passwd" not in said
        if engine == "pdflatex" and shutil.which("pdftotext") and not i:
            command = ["pdftotext", "x.pdf", "-"]
            done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
            assert b"\\input{/etc/passwd} } { $ & #" in done.stdout


@pytest.mark.skipif(TEX is None, reason="TeX is not installed")
def test_a_paper_reads_it_and_keeps_its_own_colours(tmp_path: Path) -> None:
    (tmp_path / "vgg16.tikz").write_text(drawn(shipped("vgg16")), "utf-8")
    paper = r"""\documentclass{article}\usepackage{tikz}\begin{document}
    \definecolor{netspec-conv}{HTML}{FF0000}
    \sbox0{\input{vgg16.tikz}}\typeout{}\typeout{width=\the\wd0,height=\the\ht0,depth=\the\dp0}
    \begin{figure}\resizebox{\linewidth}{!}{\input{vgg16.tikz}}\end{figure}
    \end{document}"""
    said = compiled(paper, tmp_path)
    svg = str(draw([shipped("vgg16")]))
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    found = re.search(r"width=([\d.]+)pt,height=([\d.]+)pt,depth=([\d.]+)pt", said)
    assert size is not None
    assert found is not None
    w, h, d = map(float, found.groups())
    # A big point is 72.27/72 of TeX's.
    assert [w, h + d] == pytest.approx([0.75 * 1.00375 * float(v) for v in size.groups()], abs=0.5)


@pytest.mark.skipif(TEX is None, reason="TeX is not installed")
def test_a_language_that_gives_signs_a_meaning_changes_nothing(
    net: Callable[..., Graph], tmp_path: Path
) -> None:
    signs = ";:!?\"'`=<>|/*-"
    graph = net("conv3-8(pad=same); relu").replace(name=f"a {signs} b")
    (tmp_path / "a.tikz").write_text(drawn(graph), "utf-8")
    # As babel does: each sign is a command, here one that is not defined.
    active = "".join(rf"\catcode{ord(sign)} \active" for sign in signs)
    paper = r"\documentclass{article}\usepackage{tikz}\begin{document}"
    read = r"\noindent\resizebox{\linewidth}{!}{\input{a.tikz}}"
    compiled(rf"{paper}\def\read{{{read}}}{active}\read\end{{document}}", tmp_path)


@pytest.mark.skipif(TEX is None, reason="TeX is not installed")
@pytest.mark.parametrize("style", ["flow", "columns", "bars", "depth"])
def test_tex_compiles_every_style(style: str, tmp_path: Path) -> None:
    if style in ("bars", "depth"):
        pytest.importorskip("matplotlib")
    compiled(drawn(shipped("vgg16"), style=style, theme="dark"), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(TEX is None, reason="TeX is not installed")
@pytest.mark.parametrize("name", shelved())
def test_tex_compiles_every_shipped_net(name: str, tmp_path: Path) -> None:
    compiled(drawn(shipped(name)), tmp_path)
