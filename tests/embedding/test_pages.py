"""Pages of Sphinx, MkDocs' fences and Pandoc with pictures of nets, built by those programs."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.places import ROOT

import netspec
from netspec.embedding.drawn import drawn
from netspec.embedding.fences import fence, validator

TINY = "input 3x32x32\nconv3-16 x2; gap; fc-10\n"


def data_of(page: str) -> list[bytes]:
    """The pictures that a page holds."""
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page)
    return [base64.b64decode(text) for text in found]


# --- what all share


def test_a_source_is_a_text_a_name_or_several() -> None:
    assert [net.name for net in drawn("lenet5", {}).nets] == ["lenet5"]
    assert len(drawn("vgg16\n", {}).nets) == 1
    assert len(drawn("vgg16 resnet18", {"style": "columns"}).nets) == 2
    assert drawn(TINY, {"input": "3x64x64"}).nets[0].graph.inputs[0].types[0].shape == (3, 64, 64)
    assert drawn("lenet5", {"set": "classes=7"}).nets[0].graph.outputs[0].value.shape == (7,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stile": "fold"}, "did you mean .*`style`"),
        ({"style": "fodl"}, "did you mean `fold`"),
        ({"depth": "two"}, "there is no depth `two`: a whole number"),
        ({"title": "maybe"}, "there is no title `maybe`: yes, no"),
        ({"set": "n=1"}, "has no parameter `n` to set"),
    ],
)
def test_options_that_are_none_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(netspec.NetspecError, match=message):
        drawn("lenet5", options)


def test_options_are_what_the_picture_takes() -> None:
    net = netspec.load("resnet18")
    options = {"title": "no", "depth": "1", "show": "shape, macs"}
    wanted = net.draw(title=False, depth=1, show=["shape", "macs"])
    assert str(drawn("resnet18", options).picture) == str(wanted)
    large = drawn("lenet5", {"scale": "3.5"}, "png").picture.content
    assert large == netspec.load("lenet5").draw(format="png", scale=3.5).content


def test_a_page_holds_the_picture_and_no_script() -> None:
    page = drawn("lenet5", {}).html("60%")
    assert data_of(page) == [str(netspec.load("lenet5").draw()).encode()]
    assert "<script" not in page
    assert "width:60%" in page
    assert 'alt="lenet5: 1x32x32 -&gt; 10, 61,706 parameters"' in page


# --- superfences


def fenced(text: str) -> str:
    markdown = pytest.importorskip("markdown", reason="the test extra installs it")
    pytest.importorskip("pymdownx", reason="the test extra installs it")
    known = {"name": "netspec", "class": "netspec", "format": fence, "validator": validator}
    return str(
        markdown.markdown(
            text,
            extensions=["attr_list", "pymdownx.superfences"],
            extension_configs={"pymdownx.superfences": {"custom_fences": [known]}},
        )
    )


def test_fences_become_pictures() -> None:
    page = fenced(
        '```{.netspec depth=1 width="60%"}\nresnet18\n```\n\n'
        '```netspec style="columns"\nvgg16 resnet18\n```\n\n'
        f"- a list\n\n    ```netspec\n    {TINY.replace(chr(10), chr(10) + '    ').strip()}\n    ```\n"
    )
    wanted = [
        netspec.load("resnet18").draw(depth=1),
        netspec.load("vgg16").draw(netspec.load("resnet18"), style="columns"),
        netspec.load(TINY).draw(),
    ]
    assert data_of(page) == [str(picture).encode() for picture in wanted]
    assert "width:60%" in page
    assert "```" not in page


def test_a_wrong_fence_stands_on_the_page_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        page = fenced("```netspec\ninput 3x8x8\nmaxpol\n```\n\n```netspec\nlenet5\n```\n")
    assert "no layer or block is called `maxpol`" in page
    assert len(data_of(page)) == 1
    assert [record.name for record in caplog.records] == ["mkdocs.plugins.netspec"]
    assert "did you mean `maxpool`" in caplog.text


# --- Sphinx


def built(folder: Path, text: str, builder: str = "html") -> tuple[int, str, Path]:
    """A project of one page, built with warnings as errors: status, messages, and what was made."""
    pytest.importorskip("sphinx", reason="the test extra installs it")
    source, made = folder / "source", folder / builder
    source.mkdir(exist_ok=True)
    (source / "conf.py").write_text("project = 'nets'\nextensions = ['netspec.embedding.sphinx']\n")
    (source / "index.rst").write_text(f"Nets\n====\n\n{text}")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", builder, str(source), str(made)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.returncode, done.stderr, made


PAGE = """\
.. netspec:: vgg16 resnet18
   :style: columns
   :caption: Sixteen and *eighteen* layers
   :name: two
   :width: 80%

.. netspec::
   :depth: 1

   input 3x32x32
   conv3-16 x2; gap; fc-10

.. netspec:: lenet5
   :format: html

See :ref:`two`.
"""


def test_a_directive_becomes_pictures_in_html_and_latex(tmp_path: Path) -> None:
    status, told, made = built(tmp_path, PAGE)
    assert (status, told) == (0, "")
    images = {path.name.partition("-")[0]: path for path in (made / "_images").iterdir()}
    columns = netspec.load("vgg16").draw(netspec.load("resnet18"), style="columns")
    assert images["vgg16"].read_text() == str(columns)
    assert images["net"].read_text() == str(netspec.load(TINY).draw(depth=1))
    page = (made / "index.html").read_text()
    assert "Sixteen and <em>eighteen</em> layers" in page
    assert 'sandbox="allow-scripts"' in page
    status, told, made = built(tmp_path, PAGE, "latex")
    assert (status, told) == (0, "")
    assert {path.name.partition("-")[0] for path in made.glob("*.pdf")} == {"vgg16", "net"}


def test_a_page_is_made_anew_when_a_spec_beside_it_changes(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    spec = tmp_path / "source" / "mine.ns"
    for width in (8, 16):
        spec.write_text(f"net mine\ninput 3x8x8\nconv3-{width}\n")
        os.utime(spec, (2e9 + width, 2e9 + width))
        assert built(tmp_path, ".. netspec:: mine.ns\n")[:2] == (0, "")
        page = (tmp_path / "html" / "index.html").read_text()
        assert f"{width}x6x6" in page


def test_a_wrong_spec_ends_the_build_with_its_line(tmp_path: Path) -> None:
    status, told, _ = built(tmp_path, "A text.\n\n.. netspec::\n\n   input 3x8x8\n   maxpol\n")
    assert status != 0
    assert "index.rst:6:" in told
    assert "no layer or block is called `maxpol`" in told
    assert "    2 | maxpol" in told


# --- Pandoc


def filtered(document: Any, target: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from netspec.embedding.pandoc import main; main()", target],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def document(text: str, *pairs: list[str], classes: tuple[str, ...] = ("netspec",)) -> Any:
    """As Pandoc 3 writes a page whose quotation holds a block of code."""
    block = {"t": "CodeBlock", "c": [["fig", list(classes), list(pairs)], text]}
    version = [1, 23, 1]
    return {
        "pandoc-api-version": version,
        "meta": {},
        "blocks": [{"t": "BlockQuote", "c": [block]}],
    }


def test_a_code_block_becomes_an_image_for_pages(tmp_path: Path) -> None:
    done = filtered(document("lenet5", ["width", "50%"]), "html", tmp_path)
    (block,) = json.loads(done.stdout)["blocks"][0]["c"]
    (attributes, said, (where, _)) = block["c"][0]["c"]
    assert attributes == ["fig", [], [["width", "50%"]]]
    assert data_of(f'<img src="{where}">') == [str(netspec.load("lenet5").draw()).encode()]
    assert said[0]["c"].startswith("lenet5: ")


def test_a_caption_makes_a_figure_and_latex_gets_a_file(tmp_path: Path) -> None:
    done = filtered(document(TINY, ["caption", "Tiny"], ["depth", "1"]), "latex", tmp_path)
    (figure,) = json.loads(done.stdout)["blocks"][0]["c"]
    assert figure["t"] == "Figure"
    assert figure["c"][1][1][0]["c"] == [{"t": "Str", "c": "Tiny"}]
    where = figure["c"][2][0]["c"][0]["c"][2][0]
    assert (tmp_path / where).read_bytes().startswith(b"%PDF")
    done = filtered(document(TINY), "docx", tmp_path)
    where = json.loads(done.stdout)["blocks"][0]["c"][0]["c"][0]["c"][2][0]
    assert (tmp_path / where).read_bytes().startswith(b"\x89PNG")


def test_other_blocks_stay_and_wrong_ones_end_the_run(tmp_path: Path) -> None:
    other = document("x = 1", classes=("python",))
    assert json.loads(filtered(other, "html", tmp_path).stdout) == other
    done = filtered(document("input 3x8x8\nmaxpol\n"), "html", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no layer or block is called `maxpol`" in done.stderr


@pytest.mark.parametrize("source", ["", " ", "\n", "#"])
@pytest.mark.parametrize("width", ["", "60%"])
def test_a_fence_of_nothing_says_so(source: str, width: str) -> None:
    from netspec.embedding.fences import fence

    assert "NS" in fence(source, "netspec", "netspec", {"width": width}, None)


@pytest.mark.parametrize(
    ("width", "style"),
    [
        ("60%", "width:60%"),
        ("400", "width:400px"),
        ("12.5em", "width:12.5em"),
        ("1;x:y", "such as 60%"),
        ("\0", "such as 60%"),
        ("wide", "such as 60%"),
        ("-1", "such as 60%"),
    ],
)
def test_a_width_is_a_length(width: str, style: str) -> None:
    from netspec.embedding.fences import fence

    assert style in fence("input 3; fc-2", "netspec", "netspec", {"width": width}, None)


def test_an_empty_text_is_no_net_rather_than_a_folder() -> None:
    with pytest.raises(netspec.NetspecError, match="holds no net"):
        netspec.load("")
