"""What a wrong spec gets: one message for one mistake, with its place and edits that mend it.

Every `errors/NAME.ns` is a broken spec and `errors/NAME.txt` the full text netspec answers with.
`NETSPEC_UPDATE=1 pytest tests/test_diagnostics.py` writes the texts anew; read the difference.
"""

from __future__ import annotations

import importlib
import os
import pickle
import pkgutil
import re
import traceback
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from support.places import DOCS
from support.shelves import shipped

import netspec.diagnostics.messages
from netspec.analysis.doubts.misread import misread, warnings_of
from netspec.analysis.doubts.unread import unread
from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.records import REGISTRY, Diagnostic, Problem, printable
from netspec.diagnostics.render import as_json, render
from netspec.diagnostics.source import Source, Span
from netspec.elaborate.build import build
from netspec.syntax.files import read_file, shipped_names
from netspec.syntax.parse import terminals

FOLDER = Path(__file__).parent / "errors"
SPECS = sorted(FOLDER.glob("*.ns"))
# Problems that need more than one text: files, flags, weights, back-ends. Each has its own tests.
ELSEWHERE = {
    "NS102": "bytes that are not UTF-8",
    "NS227": "a flag",
    "NS228": "several files",
    "NS230": "a warning, of a net that is built",
    "NS233": "a warning, of a net that is built",
    "NS331": "a warning, of a net that is built",
    "NS370": "a warning, of a net that is built",
    "NS340": "a file of weights",
    "NS401": "a large file",
    "NS403": "a large file",
    "NS406": "several files",
    "NS407": "several files",
    "NS710": "a flag",
    "NS711": "a flag",
    "NS712": "a flag",
    "NS713": "an operator of one's own",
    "NS714": "a flag",
}

for module in pkgutil.iter_modules(netspec.diagnostics.messages.__path__):
    importlib.import_module(f"netspec.diagnostics.messages.{module.name}")


@cache
def error_of(path: Path) -> NetspecError:
    source = Source(path.name, path.read_bytes().decode(), None)
    with pytest.raises(NetspecError) as caught:
        build(source)
    return caught.value


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_broken_spec_gets_exactly_this_message(path: Path) -> None:
    text = str(error_of(path)) + "\n"
    golden = path.with_suffix(".txt")
    if os.environ.get("NETSPEC_UPDATE"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_the_corpus_covers_every_problem_a_spec_can_cause() -> None:
    seen = {d.code for path in SPECS for d in error_of(path).diagnostics}
    reachable = {code for code in REGISTRY if code < "NS500" or code[:3] == "NS7"} | {"NS851"}
    assert seen <= reachable
    assert reachable - seen == set(ELSEWHERE) | _raised_as_others()


def _raised_as_others() -> set[str]:
    """Problems that are given a step's name before anyone sees them."""
    return {"NS215"}


def test_every_problem_explains_itself() -> None:
    assert [code for code, problem in REGISTRY.items() if len(problem.explain) < 40] == []


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_messages_never_show_the_parser_s_names_or_raw_escapes(path: Path) -> None:
    text = str(error_of(path))
    names = {item for item in terminals().keywords.values() if item.isupper() and len(item) > 2}
    names |= {
        "LPAR",
        "RPAR",
        "LBRACE",
        "RBRACE",
        "VBAR",
        "_SEP",
        "$END",
        "__ANON",
        "REPEAT",
        "DIMS",
    }
    messages = "\n".join(line for line in text.splitlines() if "|" not in line)
    assert [name for name in names if re.search(rf"\b{re.escape(name)}\b", messages)] == []
    assert printable(text.replace("\n", "")) == text.replace("\n", "")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_edit_that_is_offered_mends_its_mistake(path: Path) -> None:
    error = error_of(path)
    text = path.read_bytes().decode()
    for item in error.diagnostics:
        for edit in item.edits:
            mended = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
            others = Counter(d.code for d in error.diagnostics if d is not item)
            left: Counter[str] = Counter()
            try:
                build(Source(path.name, mended))
            except NetspecError as caught:
                left = Counter(d.code for d in caught.diagnostics)
            # An edit of a whole line may mend what else was said of it.
            assert left <= others


def test_half_of_the_corpus_gets_an_edit() -> None:
    mended = [path for path in SPECS if any(d.edits for d in error_of(path).diagnostics)]
    assert len(mended) >= 40


def error(text: str) -> NetspecError:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    return caught.value


def test_a_mistake_costs_one_message_whatever_depends_on_it() -> None:
    found = error("input 3x8x8\nconv9-4 as a\nadd(@a); conv3-(2*C)\n@a; fc-C\noutput a\n")
    assert [d.code for d in found.diagnostics] == ["NS302"]


def test_names_lost_with_a_statement_are_not_reported_again() -> None:
    block = "block b(n) { conv1-n x2 x3 as q }\n"
    found = error("input 3x8x8\n" + block + "maxpool2 relu as z\nb(3); add(@z)\n")
    assert [d.code for d in found.diagnostics] == ["NS110", "NS110"]


def test_a_mistake_in_a_block_called_often_is_reported_once_with_its_calls() -> None:
    found = error("input 3x8x8\nblock b(n) { conv1-n(groups=2) }\nblock c { b(4) x3 }\nc x2; c\n")
    assert len(found.diagnostics) == 1
    calls = [call.text for call in found.diagnostics[0].calls]
    assert calls == ["`b` (copy 1 of 3)", "`c` (copy 1 of 2)"]


def test_the_default_line_a_mistake_depends_on_is_shown() -> None:
    found = error("input 3x4x4\ndefault conv(dilation=2)\nconv3-4\n")
    labels = [(label.span.line, label.text) for label in found.diagnostics[0].labels]
    assert (2, "dilation=2 comes from this default") in labels


def test_edits_are_ranked_by_how_much_they_change() -> None:
    (item,) = error("input 3x8x8\nconv9-4\n").diagnostics
    assert [edit.text for edit in item.edits] == ["`conv8-4`", "`conv9-4(pad=same)`"]


def test_only_the_first_twenty_of_many_mistakes_are_shown_and_the_rest_counted() -> None:
    found = error("input 3x8x8\n" + "maxpool2 relu\n" * 50_000)
    assert len(found.diagnostics) == 20
    assert found.more == 49_980
    assert str(found).endswith("... and 49980 more")
    assert len(str(found)) < 64 * 1024


def test_an_error_has_its_text_in_every_form_that_python_shows() -> None:
    found = error("input 3x8x8\ncnov3-4; xyzzy\n")
    text = render(found.diagnostics)
    assert str(found) == str(pickle.loads(pickle.dumps(found))) == text
    assert repr(found) == f"NetspecError({text!r})"
    assert "".join(traceback.format_exception_only(found)).endswith(f"NetspecError: {text}\n")


def test_compact_messages_take_one_line_each() -> None:
    found = error("input 3x8x8\ncnov3-4; xyzzy\n")
    assert render(found.diagnostics, compact=True).splitlines() == [
        "t.ns:2:1: error[NS201]: no layer or block is called `cnov3`",
        "t.ns:2:10: error[NS201]: no layer or block is called `xyzzy`",
    ]


def test_messages_as_data_hold_places_and_edits() -> None:
    found = as_json(error("input 3x8x8\nconv9-4\n").diagnostics)
    (item,) = found["diagnostics"]
    assert found["format_version"] == 1
    assert (item["code"], item["line"], item["column"], item["end"]) == ("NS302", 2, 1, 8)
    assert item["edits"][0] == {
        "text": "`conv8-4`",
        "replacement": "8",
        "file": "t.ns",
        "line": 2,
        "column": 5,
        "end": 6,
    }
    assert item["labels"][0]["text"] == "3x8x8 comes from here"


def test_a_long_chain_of_calls_is_cut_in_the_middle() -> None:
    found = error("input 3x8x8\nblock r(n) { conv1-n; r(n+1) }\nr(1)\n")
    assert "... 59 calls between" in str(found)
    assert len(found.diagnostics[0].calls) == 64


def test_problems_are_frozen_and_equal_by_their_facts() -> None:
    first, second = error("input 3\nxyzzy\n"), error("input 3\nxyzzy\n")
    problem = first.diagnostics[0].problem
    assert problem == second.diagnostics[0].problem
    with pytest.raises(AttributeError):
        problem.name = "other"  # type: ignore[attr-defined]


def test_two_problems_cannot_share_a_code() -> None:
    with pytest.raises(TypeError, match="NS101"):

        class Other(Problem):
            code = "NS101"
            title = "x"


def test_a_collector_keeps_each_place_once() -> None:
    collector = Collector()
    source = Source("t", "abc")
    (item,) = error("input 3\nxyzzy\n").diagnostics
    for _ in range(3):
        collector.add(Diagnostic(item.problem, Span(source, 0, 1)))
    assert collector.total == 1


@pytest.mark.parametrize("name", shipped_names()[:5])
def test_shipped_specs_have_no_diagnostics(name: str) -> None:

    assert shipped(name).nodes


def test_a_file_that_is_not_utf8_says_which_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin.ns"
    path.write_bytes(b'paper "caf\xe9"\n')
    with pytest.raises(NetspecError) as caught:
        read_file(path)
    (item,) = caught.value.diagnostics
    assert item.code == "NS102"
    assert item.problem.headline == "the file is not UTF-8: byte 0xe9 at offset 10"


def test_the_page_of_messages_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    docs = DOCS
    monkeypatch.syspath_prepend(str(docs))
    written = (docs / "errors.md").read_text(encoding="utf-8")
    current = importlib.import_module("make_errors").page()
    assert written == current, "run `python docs/make_errors.py`"


# --- warnings


def warned(text: str) -> str:
    return render(unread(build(Source("net.ns", text))))


def test_a_step_that_nothing_reads_is_a_warning_with_its_place() -> None:
    text = warned("input 3x16x16\nconv3-8 as a; conv3-9 as dead\n@a; gap; fc-3\n")
    assert text.startswith("warning[NS230]: nothing reads the step `dead`\n --> net.ns:2:15\n")


def test_an_input_that_nothing_reads_is_a_warning() -> None:
    assert "nothing reads the input `b`" in warned("input a: 4\ninput b: 4\n@a; fc-3\n")


def test_a_place_is_warned_of_once_however_often_it_is_built() -> None:
    text = warned(
        "input 4\nblock odd { fc-4 as a; fc-5; @a }\nodd x3\n",
    )
    assert text.count("warning[NS230]") == 1


@pytest.mark.parametrize(
    ("step", "meant"),
    [
        ("conv(16, 3, 1)", "conv3-16"),  # Keras: channels, kernel, stride
        ("conv(3, 64, 3)", "conv3-64"),  # PyTorch: channels in, channels out, kernel
        ("conv(6, 5)", "conv5-6"),
        ("conv(32, 3, pad=same)", "conv3-32"),
    ],
)
def test_an_order_of_another_library_is_a_warning(step: str, meant: str) -> None:
    graph = build(Source("net.ns", f"input 3x64x64\n{step}; gap; fc-3\n"))
    text = render(warnings_of(graph))
    assert text.startswith("warning[NS233]")
    assert f"write `{meant}` if that is meant" in text
    assert f"`{step}` has" in text or f"`{step.partition(', pad')[0]}, ...)` has" in text
    build(Source("net.ns", f"input 3x64x64\n{meant}; gap; fc-3\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("for i in 1..3 { conv1-(2*C) }", "C is 3 here, and 6 flows into the braces of this `for`"),
        (
            "conv1-8; if yes { relu; conv1-C }",
            "C is 3 here, and 8 flows into the braces of this `if`",
        ),
        (
            "block b(k) { conv1-8; for i in 1..k { b(0); conv1-C } }\nb(2)",
            "C is 3 here, and 8 flows",
        ),
        ("maxpool2; if yes { if yes { upsample((H, 64)) } }", "H is 64 here, and 32 flows"),
        ("for i in 1..2 { conv1-8 x(C) }", "C is 3 here, and 8 flows"),
    ],
)
def test_a_size_that_is_not_of_the_braces_of_a_loop_is_a_warning(text: str, said: str) -> None:
    graph = build(Source("net.ns", f"input 3x64x64\n{text}\n"))
    shown = render(warnings_of(graph))
    assert shown.startswith(f"warning[NS370]: {said}")
    assert shown.count("warning[") == 1


@pytest.mark.parametrize(
    "text",
    [
        "for i in 1..3 { conv1-C }",
        "conv1-8; for i in 1..3 { residual { conv1-(2*C); conv1-C } }",
        "conv1-8; if C == 3 { relu }",
        "conv1-8 as x; if yes { conv1-(2*@x.C) }",
        "block b(n=C) { conv1-8; if yes { conv1-n } }\nb",
        "block two(n) { conv1-n }\nconv1-8; for i in 1..2 { two(4) }",
        "conv1-8; for i in 1..2 { concat { | conv1-C | identity } }",
        "maxpool2 as a; conv1-8 as b; for x in [@a] { | @x; conv1-C }; concat(@b)",
        "input y: 3x64x64; add; gap; fc-3 as h; for i in 1..2 { fc-C }",
    ],
)
def test_a_size_that_is_the_same_in_a_loop_is_no_warning(text: str) -> None:
    assert not warnings_of(build(Source("net.ns", f"input 3x64x64\n{text}\n")))


@pytest.mark.parametrize(
    "step", ["conv(3, 16)", "conv(11, 96, 4)", "conv(5, 1)", "conv(1, 3)", "conv7-3"]
)
def test_an_order_that_is_likely_meant_is_no_warning(step: str) -> None:
    assert not misread(build(Source("net.ns", f"input 3x64x64\n{step}; gap; fc-3\n")))


@pytest.mark.parametrize(
    ("sizes", "meant"),
    [
        ("32x32x3", "3x32x32"),
        ("28x28x1", "1x28x28"),
        ("48x64x3", "3x48x64"),
        ("1x3x64x64", "3x64x64"),
        ("8x32x32x3", "3x32x32"),
        ("1x28x28x1", "1x28x28"),
        ("28x28", "1x28x28"),
    ],
)
def test_channels_that_stand_last_are_a_warning_even_where_it_builds(
    sizes: str, meant: str
) -> None:
    text = render(
        warnings_of(build(Source("net.ns", f"input {sizes}\nconv3-8(pad=same); gap; fc-3\n")))
    )
    assert text.startswith("warning[NS331]")
    assert f"`input {meant}`" in text


@pytest.mark.parametrize(
    "sizes", ["3x32x32", "64x100x1", "256x2x3", "8x16", "3x16x112x112", "1x1x1", "3xHxW"]
)
def test_sizes_that_are_likely_meant_are_no_warning(sizes: str) -> None:
    assert not misread(build(Source("net.ns", f"input {sizes}\nrelu\n")))


@pytest.mark.parametrize("text", ["64x64\nfc-8", "64x100\nconv3-8", "4x4\nconv3-8"])
def test_two_sizes_are_a_sequence_unless_a_window_runs_over_a_square(text: str) -> None:
    assert not misread(build(Source("net.ns", f"input {text}\n")))


def test_no_shipped_net_is_doubted() -> None:
    for name in shipped_names("lectures"):
        assert warnings_of(shipped(name)) == ()


def test_what_heads_outputs_and_merges_read_is_not_warned_of() -> None:
    assert warned("input 4\nfc-4 as a; head side { fc-2 }; fc-3 as b\noutput a, b\n") == ""
    for name in shipped_names("lectures"):
        assert unread(shipped(name)) == ()


def test_a_message_that_holds_another_one_says_what_that_says() -> None:
    from netspec.diagnostics.messages.files import CannotRead, CannotWrite

    inner = CannotRead("a.ns", "it is a folder")
    assert CannotWrite("b", f"{inner}").headline.endswith("cannot read `a.ns`: it is a folder")


def test_channels_put_first_are_tried_before_all_else() -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("net.ns", "input 32x32x3\nconv3-16 x2; gap; fc-10"))
    assert caught.value.diagnostics[0].edits[0].replacement == "3x32x32"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "input 3x8x8\nconcat { conv1-8; conv3-8(pad=same) }",
            "`concat { | conv1-8 | conv3-8(pad=same) }`",
        ),
        ("input 3x8x8\nconcat {\n  conv1-8\n  conv1-4\n}", "`concat { | conv1-8 | conv1-4 }`"),
        ("input 3x8x8\nconcat { conv1-8 }", "`concat { | conv1-8 }`"),
        ("input 3x8x8\nconcat(conv1-8, conv3-8)", "branches stand in braces, `concat { | a | b }`"),
        ("input 3x8x8\nresidual(conv3-3)", "block is put around, `residual { a }`"),
        ("input 3x8x8\nresidual(conv3-3(pad=same))", "`residual { conv3-3(pad=same) }`"),
        ("input 3x8x8\nfc(128, relu)", "`fc-128(act=relu)`"),
        ("input 224 224 3\nrelu", "`input 3x224x224`"),
        ("input 3 32 32\nrelu", "sizes are joined by x: `3x224x224`"),
        ("input 28, 28, 1\nrelu", "`input 1x28x28`"),
    ],
)
def test_words_of_other_languages_are_told_in_ours(text: str, said: str) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("net.ns", text))
    assert said in str(caught.value)
