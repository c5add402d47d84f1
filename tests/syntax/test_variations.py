"""Several nets in a file: its own, and variations with what is said of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import netspec
from netspec.backends.onnx.compile import compile_graph
from netspec.cli.main import main
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec

FAMILY = """\
net small(n=4, deep=no)
paper "Somebody, Nets, 2020"
year 2020
note "the small one"
preprocess resize=9, crop=8, mean=0.5, std=0.5
expect params=40
input 1x8x8
conv3-n; if deep { conv3-n }

net wide = small(n=8)
note "the wide one"
expect params=80

net deep = wide(deep=yes)
year 2021
expect params=664
"""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "small.ns"
    path.write_text(FAMILY)
    monkeypatch.chdir(tmp_path)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def codes(text: str) -> list[str]:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    return [item.code for item in caught.value.diagnostics]


def test_a_file_means_its_own_net_and_a_colon_another(family: Path) -> None:
    own, wide, deep = (netspec.load(f"small.ns{name}") for name in ("", ":wide", ":deep"))
    assert [net.name for net in (own, wide, deep)] == ["small", "wide", "deep"]
    assert [net.params for net in (own, wide, deep)] == [40, 80, 664]
    assert netspec.load("small.ns:small").params == 40
    assert netspec.load("small.ns:deep", n=2).params == 58


def test_a_variation_is_of_the_same_publication_and_says_the_rest_itself(family: Path) -> None:
    about = {
        name: dict(netspec.load(f"small.ns:{name}").graph.metadata) for name in ("wide", "deep")
    }
    assert about["wide"]["paper"] == about["deep"]["paper"] == "Somebody, Nets, 2020"
    assert (about["wide"]["year"], about["deep"]["year"]) == (2020, 2021)
    assert about["wide"]["note"] == "the wide one"
    assert "note" not in about["deep"]
    assert set(about["deep"]) == {"paper", "year", "preprocess"}


def test_all_of_a_file_is_checked(family: Path) -> None:
    assert "3 specs checked" in run("check", "small.ns").output
    assert "1 spec checked" in run("check", "small.ns:wide").output
    family.write_text(FAMILY.replace("params=664", "params=665").replace("params=80", "params=81"))
    found = run("check", "small.ns")
    assert found.output.count("NS701") == 2


def test_a_variation_is_imported_from_its_file(family: Path) -> None:
    using = "import deep from small\ninput 1x8x8\ndeep; relu\n"
    Path("using.ns").write_text(using)
    assert netspec.load("using.ns").params == 664
    Path("using.ns").write_text(using.replace("import deep", "import depe"))
    with pytest.raises(NetspecError, match="`small` holds no block or variation `depe`"):
        netspec.load("using.ns")


def test_a_variation_is_given_a_block_of_its_file(family: Path) -> None:
    base = "net small(unit=plain, n=4)\ninput 1x8x8\ndefault conv(bias=no)\nblock plain(n) { conv3-n }\n"
    block = "block narrow(n, r=2) { conv1-(n/r); conv3-n }\nunit(n)\n"
    family.write_text(f"{base}{block}\nnet deep = small(narrow(r=4))\n\nnet wide = deep(n=8)\n")
    assert [netspec.load(f"small.ns{name}").params for name in ("", ":deep", ":wide")] == [
        36,
        37,
        146,
    ]
    # So is one that stands in a file of its own, and a net that is asked for so.
    Path("own.ns").write_text("net own = small(narrow)\n")
    assert netspec.load("own.ns").params == 2 + 72
    Path("using.ns").write_text("import deep from small\ninput 1x8x8\ndeep\n")
    assert netspec.load("using.ns").params == 37
    family.write_text(f"{base}{block}\nnet deep = small(narow)\n")
    with pytest.raises(NetspecError, match="did you mean `narrow`") as caught:
        netspec.load("small.ns:deep")
    assert [item.code for item in caught.value.diagnostics] == ["NS201"]


def test_shown_lines_are_a_spec_beside_the_file(family: Path) -> None:
    shown = run("show", "small.ns:wide").output
    assert shown == FAMILY.split("\n\n")[1] + "\n"
    Path("wide.ns").write_text(shown)
    assert netspec.load("wide.ns").params == 80


def test_what_is_made_again_from_a_net_is_the_same_variation(family: Path, tmp_path: Path) -> None:
    graph = build(read_spec("small.ns:wide"))
    assert build(graph.source, {}, ("1x12x12",)).name == "wide"
    dynamic = run("compile", "small.ns:wide", "--dynamic", "H,W", "-o", "wide.onnx")
    assert dynamic.exit_code == 0, dynamic.output
    compile_graph(graph, tmp_path / "w.onnx")
    assert (tmp_path / "w.onnx").exists()


def test_an_edit_is_tried_on_the_variation_that_is_wrong(family: Path) -> None:
    wrong = FAMILY.replace("conv3-n;", "if n == 8 { fc-4; conv3-n } else { conv3-n };")
    source = Source("small.ns", wrong, net="wide")
    with pytest.raises(NetspecError) as caught:
        build(source)
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert found.span.source.net == "wide"
    assert build(Source("small.ns", wrong)).name == "small"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("net a = lenet5()\nconv3-4\n", ["NS114"]),
        ("net a\ninput 3x8x8\nconv3-4\nnet b = a()\nrelu\n", ["NS114"]),
        ("net a\ninput 3x8x8\nconv3-4\nnet b = a()\nblock c { relu }\n", ["NS114"]),
        ("net a\ninput 3x8x8\nconv3-4\nnet a = a()\n", ["NS112"]),
        ("net a\ninput 3x8x8\nconv3-4\nnet b = a()\nnet b = a()\n", ["NS112"]),
        ("net a\ninput 3x8x8\nconv3-4\nnet b\n", ["NS112"]),
        ("net a\ninput 3x8x8\nconv3-4\nnet b = nobody()\n", ["NS224"]),
    ],
)
def test_what_is_no_family_is_refused(text: str, found: list[str]) -> None:
    assert codes(text) == found


def test_there_is_no_such_variation(family: Path) -> None:
    with pytest.raises(NetspecError, match="holds no net `wied`"):
        netspec.load("small.ns:wied")


def test_a_file_whose_name_has_a_colon_is_that_file(family: Path) -> None:
    Path("small.ns:wide").write_text("net other\ninput 1x8x8\nconv3-1\n")
    assert netspec.load("./small.ns:wide").params == 10


def test_a_net_that_a_file_has_not_is_missed_where_it_begins(family: Path) -> None:
    with pytest.raises(NetspecError) as caught:
        netspec.load("small.ns:narrow")
    (found,) = caught.value.diagnostics
    assert found.problem.facts["name"] == "narrow"
    assert found.span
    assert (found.span.start, found.span.end) == (0, 0)
