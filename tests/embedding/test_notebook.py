"""Cells of a notebook that are specs, and what a notebook shows of nets, pictures and mistakes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

import netspec

pytest.importorskip("IPython", reason="the test extra installs it")

TINY = "net tiny\ninput 3x32x32\nconv3-16 x2; gap; fc-10\n"


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell.instance(config=config)
    made.run_cell("import netspec\n%load_ext netspec")
    yield made
    InteractiveShell.clear_instance()


def shown(shell: Any, cell: str) -> tuple[Any, dict[str, Any], str]:
    """A cell's result, what it displays by type, and what it prints."""
    from IPython.utils.capture import capture_output

    with capture_output() as caught:
        result = shell.run_cell(cell)
    data: dict[str, Any] = {}
    for output in caught.outputs:
        data.update(output.data)
    return result, data, caught.stdout + caught.stderr


def test_a_cell_is_a_net_that_is_shown_and_bound(shell: Any) -> None:
    _, data, _ = shown(shell, f"%%netspec\n{TINY}")
    assert data["image/svg+xml"].startswith("<svg")
    assert shell.user_ns["tiny"].params == netspec.load(TINY).params
    _, other, printed = shown(shell, f"%%netspec mine depth=0 input=3x64x64 picture=no\n{TINY}")
    assert (other, printed) == ({}, "")
    assert str(shell.user_ns["mine"].graph.inputs[0].types[0]) == "3x64x64"


def test_a_cell_takes_the_options_of_a_picture_and_of_a_spec(shell: Any) -> None:
    cell = "net wide(n=4)\ninput 3x8x8\nconv3-n; gap\n"
    _, plain, _ = shown(shell, f"%%netspec wide\n{cell}")
    _, other, _ = shown(shell, f"%%netspec wide set=n=7 show=params theme=dark\n{cell}")
    assert shell.user_ns["wide"].graph.outputs[0].value.shape == (7,)
    assert plain["image/svg+xml"] != other["image/svg+xml"]
    _, page, _ = shown(shell, f"%%netspec wide format=html\n{cell}")
    assert "<iframe" in page["text/html"]


def test_a_wrong_cell_shows_what_the_command_line_says(shell: Any) -> None:
    result, _, printed = shown(shell, "%%netspec\ninput 3x8x8\nmaxpol\n")
    assert isinstance(result.error_in_exec, netspec.NetspecError)
    assert printed.startswith(
        "error[NS201]: no layer or block is called `maxpol`\n --> <cell>:2:1\n"
    )
    assert "    2 | maxpol\n      | ^^^^^^\n  help: did you mean `maxpool`?" in printed
    assert "Traceback" not in printed


def test_a_doubtful_cell_is_built_with_a_warning(shell: Any) -> None:
    _, data, printed = shown(shell, "%%netspec odd\ninput 32x32x3\nconv3-8(pad=same)\n")
    assert "warning[NS331]" in printed
    assert "image/svg+xml" in data


def test_an_option_that_is_none_is_refused_with_those_there_are(shell: Any) -> None:
    result, _, printed = shown(shell, f"%%netspec stile=columns\n{TINY}")
    assert isinstance(result.error_in_exec, TypeError)
    assert "or `style`?" in printed
    result, _, printed = shown(shell, f"%%netspec one two\n{TINY}")
    assert "`two`" in printed


def test_nets_pictures_and_summaries_show_themselves(shell: Any) -> None:
    shell.user_ns["net"] = netspec.load("lenet5")
    formats = shell.display_formatter.format
    net, _ = formats(shell.user_ns["net"])
    assert net["image/svg+xml"].startswith("<svg")
    assert "text/html" not in net  # it would be shown in the picture's place
    png, _ = formats(shell.user_ns["net"].draw(format="png"))
    assert png["image/png"].startswith(b"\x89PNG")
    page, _ = formats(shell.user_ns["net"].draw(format="html"))
    assert 'sandbox="allow-scripts"' in page["text/html"]
    held = re.search(r'srcdoc="([^"]*)"', page["text/html"])
    assert held
    assert html.unescape(held[1]) == str(shell.user_ns["net"].draw(format="html"))
    table, _ = formats(shell.user_ns["net"].summary())
    assert table["text/html"].startswith("<table>")
    dot, _ = formats(shell.user_ns["net"].draw(format="dot"))
    assert set(dot) == {"text/plain"}


def test_a_net_that_no_picture_is_made_of_is_still_a_line(shell: Any, monkeypatch: Any) -> None:
    def refused(*values: Any, **named: Any) -> Any:
        from netspec.diagnostics.messages.draw import CannotDraw

        raise netspec.NetspecError(CannotDraw("no"))

    monkeypatch.setattr("netspec.draw.draw", refused)
    found, _ = shell.display_formatter.format(netspec.load("lenet5"))
    assert set(found) == {"text/plain"}


def test_mistakes_from_python_show_no_frames(shell: Any) -> None:
    _, _, printed = shown(shell, "netspec.load('lenet5').draw(fromat='png')")
    assert printed.startswith("error[NS523]: wrong arguments for `draw`: `fromat`\n")
    _, _, printed = shown(shell, "netspec.load('resnet5000')")
    assert printed.startswith("error[NS501]")
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("3x", "`3x` is none"),
        ("class", "`class` is none"),
        ("a picture=maybe", "picture"),
        ("a depth=1 depth=2", "`depth` is given twice"),
        ("a b", "wrong arguments"),
        ("a depth=x", "depth"),
        ("'a", "quotation"),
    ],
)
def test_a_line_that_is_wrong_is_refused_before_anything_is_bound(
    shell: Any, line: str, said: str
) -> None:
    before = set(shell.user_ns)
    result, _, printed = shown(shell, f"%%netspec {line}\n{TINY}")
    assert not result.success
    assert said in str(result.error_in_exec) + printed
    assert "3x" not in shell.user_ns
    assert "tiny" not in set(shell.user_ns) - before
