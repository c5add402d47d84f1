"""Specs written to do harm get a diagnostic: no traceback, no hang, no foreign file read."""

from __future__ import annotations

import os
import random
import re
import threading
from pathlib import Path

import pytest
from support.shelves import first
from support.watching import at_most, counting

from netspec import NetspecError
from netspec.diagnostics import raised, render
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.records import Problem
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.syntax.files import read_file, read_spec, shipped_names
from netspec.syntax.lexer import Lexer
from netspec.syntax.parse import parse, terminals


def codes(text: str, path: Path | None = None) -> list[str]:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text, str(path) if path else None))
    assert len(str(caught.value)) < 64 * 1024
    return [d.code for d in caught.value.diagnostics]


def reading(path: Path, limits: Limits | None = None) -> list[str]:
    with pytest.raises(NetspecError) as caught:
        read_file(path, limits or Limits())
    return [d.code for d in caught.value.diagnostics]


# --- files


def test_an_endless_device_is_read_up_to_the_limit_only() -> None:
    assert reading(Path("/dev/zero"), Limits(source=1000)) == ["NS401"]


def test_a_sparse_file_of_100_mib_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "big.ns"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    assert reading(path) == ["NS401"]


def test_a_pipe_does_not_hold_netspec_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe.ns"
    os.mkfifo(path)
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(reading(path)), daemon=True)
    thread.start()
    thread.join(10)
    assert found == ["NS502"]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None], ids=["folder", "missing"])
def test_what_is_not_a_file_is_refused(make: object, tmp_path: Path) -> None:
    path = tmp_path / "x.ns"
    make(path)  # type: ignore[operator]
    assert reading(path)[0] in ("NS501", "NS502")


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "a/b", '"/etc/passwd"'])
def test_an_import_is_a_name_and_not_a_path(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.ns").write_text("block secret { relu }")
    inside = tmp_path / "inside"
    inside.mkdir()
    assert codes(f"import {name}\ninput 3\nrelu", inside / "t.ns")[0] in ("NS110", "NS224")


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.ns").write_text("password hunter2\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "innocent.ns").symlink_to(tmp_path / "secret.ns")
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", "import innocent\ninput 3\nrelu", str(inside / "t.ns")))
    assert [d.code for d in caught.value.diagnostics] == ["NS224"]
    assert "hunter2" not in str(caught.value)


def test_imports_in_a_circle_are_refused_with_the_circle(tmp_path: Path) -> None:
    for name, other in (("ping", "pong"), ("pong", "ping")):
        (tmp_path / f"{name}.ns").write_text(f"import b from {other}\nblock b {{ relu }}\n")
    path = tmp_path / "t.ns"
    path.write_text("import b from ping\ninput 3\nb\n")
    with pytest.raises(NetspecError, match=r"ping -> pong -> ping") as caught:
        build(read_file(path))
    assert [d.code for d in caught.value.diagnostics] == ["NS228"]


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe\x00\x00", b"input 3\nrelu # caf\xe9", b"\xed\xa0\x80", b"\xc0\xaf"],
    ids=["utf-16", "latin-1", "lone surrogate", "overlong"],
)
def test_bytes_that_are_not_utf8_are_refused_with_their_place(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.ns"
    path.write_bytes(data)
    assert reading(path) == ["NS102"]


def test_windows_line_ends_and_a_leading_mark_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "t.ns"
    path.write_bytes(b"\xef\xbb\xbfinput 3\r\nfc-4\r\nrelu\r\n")
    assert len(build(read_file(path)).nodes) == 3


# --- characters


@pytest.mark.parametrize(
    "char", ["\0", "\x1b", "\x07", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\x7f", "\x85"]
)
@pytest.mark.parametrize("place", ["relu{}", "# {}\nrelu", 'paper "{}"\nrelu'])
def test_control_and_direction_characters_are_refused_everywhere(char: str, place: str) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", "input 3\n" + place.format(char)))
    assert "NS101" in [d.code for d in caught.value.diagnostics]
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["fc-\u0663", "fc-\uff14", "c\u043env3-4", "\u0456nput 3"])
def test_digits_and_letters_of_other_scripts_are_refused(text: str) -> None:
    assert "NS101" in codes("input 3x8x8\n" + text)


# --- sizes


@pytest.mark.parametrize("nest", ["(", "[", "{", "freeze {", "concat { |", "fc("])
def test_brackets_nested_without_end_are_refused_where_they_get_too_deep(nest: str) -> None:
    assert codes("input 3\nfc-3; " + nest * 100_000)[-1] == "NS402"


@pytest.mark.parametrize(
    "text",
    [
        "if " + "not " * 100_000 + "yes { relu }",
        "fc-(" + "-" * 100_000 + "3)",
        "fc-(" + "1+" * 100_000 + "3)",
        "fc-(" + "1**" * 100_000 + "3)",
        "fc-(" + "1 if yes else " * 20_000 + "3)",
        "if " + "yes and " * 100_000 + "yes { relu }",
    ],
    ids=["not", "minus", "plus", "power", "choice", "and"],
)
def test_endless_expressions_are_refused(text: str) -> None:
    assert codes("input 3\n" + text) == ["NS412"]


def test_a_long_chain_of_conditions_is_read_without_recursion() -> None:
    text = "input 3\nif C == 9 { relu }" + " else if C == 9 { relu }" * 5000 + "\nfc-2"
    with pytest.raises(NetspecError, match="NS412"):
        build(Source("t.ns", text))


def test_blocks_and_braces_may_nest_to_both_limits_at_once() -> None:
    inner = "freeze { " * 58 + "r(n-1)" + " }" * 58
    block = f"block r(n) {{ if n > 0 {{ {inner} }} else {{ relu }} }}"
    graph = build(Source("t.ns", f"input 3\n{block}\nr(60)"))
    assert len(graph.nodes) == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("fc-100000000000000000", "NS214"),
        ("conv9223372036854775808-4", "NS214"),
        ("fc-0", "NS214"),
        ("fc-(0-4)", "NS214"),
        ("dropout(1e999)", "NS104"),
        ("dropout(nan)", "NS202"),
        ("fc-" + "9" * 5000, "NS104"),
        ("fc-(2**64)", "NS216"),
        ("fc-(9**9**9)", "NS216"),
        ("relu x999999999999999999", "NS404"),
        ("relu as " + "a" * 65, "NS105"),
        ('paper "' + "\\" * 100_000, "NS103"),
        ("@a" + ".b" * 10_000, "NS203"),
        ("fc(" + ",".join(f"a{i}=1" for i in range(5000)) + ")", "NS210"),
    ],
)
def test_numbers_and_names_out_of_range_are_refused(text: str, code: str) -> None:
    assert codes("input 3x8x8\n" + text)[0] == code


@pytest.mark.parametrize(
    "text",
    [
        "block r(t, n) { if n > 0 { r([t, t], n-1) } else { relu } }\nr(1, 60)",
        "block r(a, n) { if n > 0 { r(leaky(a, a), n-1) } else { relu } }\nr(relu, 60)",
        "block r(n, k) { if k > 0 { r(n*n+1, k-1) } else { fc-n } }\nblock q { r(H, 60) }\nq",
    ],
    ids=["lists", "layers", "formulas"],
)
def test_values_that_double_with_every_call_are_refused(text: str) -> None:
    assert codes("input 3xHxW\n" + text) == ["NS216"]


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 2_000_000,
        ";" * 2_000_000,
        "#" * 2_000_000,
        "x" * 2_000_000,
        '"' * 50_000,
        "$\n" * 50_000,
    ],
    ids=["newlines", "semicolons", "comment", "name", "quotes", "dollars"],
)
def test_megabytes_of_one_character_are_answered(text: str) -> None:
    assert codes("input 3" + text)


@pytest.mark.parametrize("char", ["?", "\0", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_a_character_again_and_again_is_one_mistake_and_one_piece_of_work(char: str) -> None:
    with at_most(100_000):
        assert codes("input 3\nrelu " + char * 300_000) == ["NS101"]


@pytest.mark.parametrize("pair", ["?!", "\N{CYRILLIC SMALL LETTER A}?", "e\u0301\u0302"])
def test_wrong_letters_in_a_row_are_one_mistake_each_letter_looked_at_once(pair: str) -> None:
    few, many = (work(f"input 3\nrelu {pair[-2:] * count}") for count in (1_000, 101_000))
    assert many - few <= 1_000_000


def work(text: str) -> int:
    """How many functions are called for a text that is refused."""
    with counting() as done:
        codes(text)
    return done.calls


@pytest.mark.parametrize(
    ("line", "tokens"),
    [("conv3-(1+1)\n", 8), ("conv(a=1,b=2,c=3,d=4)\n", 19), ("conv3-(C+C+C+C+C+C)\n", 16)],
)
def test_reading_a_token_takes_a_few_calls(line: str, tokens: int) -> None:
    calls = []
    for count in (100, 200):
        with counting() as done:
            parse(Source("t.ns", line * count), Collector())
        calls.append(done.calls)
    assert calls[1] - calls[0] <= 25 * 100 * tokens


MISTAKES = ["? ! ", ")", "''", "(}\n", "a.b ", "$\n", "1e999 "]


@pytest.mark.parametrize("piece", MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_that_is_only_counted_is_not_made(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    real = Problem.__init__

    def noted(self: Problem, *values: object, **named: object) -> None:
        made.append(self)
        real(self, *values, **named)

    monkeypatch.setattr(Problem, "__init__", noted)
    codes("input 3\nrelu " + piece * 5_000)
    assert len(made) < (5_100 if piece == "$\n" else 100)


def test_beyond_so_many_mistakes_the_rest_of_a_text_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (raised, render):
        monkeypatch.setattr(module, "COUNTED", 1000)
    few, many = (work(")" * (1000 + more)) for more in (30, 20_030))
    assert abs(many - few) < 100
    with pytest.raises(NetspecError, match=r"\.\.\. and at least 1001 more$") as caught:
        build(Source("t.ns", ")" * 1_030))
    assert len(caught.value.diagnostics) == 20
    with pytest.raises(NetspecError, match=r"\.\.\. and 991 more$"):
        build(Source("t.ns", ")" * 1_010))


def test_the_end_of_a_line_is_looked_for_once_however_many_letters_it_has() -> None:
    """4 MiB in one line took minutes where each wrong letter looked for the line's end."""
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", "input 3\nrelu " + "'a" * 200_000))
    assert caught.value.diagnostics[0].code == "NS101"
    assert len(caught.value.diagnostics) == 1
    assert not caught.value.more


def test_fifty_thousand_mistakes_give_twenty_messages_and_a_count() -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", "input 3\n" + "rleu\n" * 50_000))
    assert len(caught.value.diagnostics) == 20
    assert caught.value.more == 49_980


def test_no_pattern_of_a_token_backtracks_without_bound() -> None:
    near_misses = [
        "1" * 50_000 + "x",
        "1x" * 25_000,
        "@" + "a." * 25_000,
        "1.5e" * 12_500,
        "x" * 50_000,
    ]
    for text in near_misses:
        collector = Collector()
        tokens = list(Lexer(terminals(), Source("t", text), collector, Limits(), set()).tokens())
        assert sum(len(token) for token in tokens) <= 2 * len(text)


# --- names in a picture or a file are data


@pytest.mark.parametrize("name", ['<IMG SRC="/etc/passwd">', "a\\", "a:b", '"];evil', "../x"])
def test_names_that_mean_something_elsewhere_cannot_be_given(name: str) -> None:
    assert codes(f"input 3\nrelu as {name}")


# --- random changes of shipped specs

_TOKEN = re.compile(r'"[^"\n]*"|[A-Za-z_]\w*|\d+|\s+|.', re.DOTALL)
_ODD = [
    "{",
    "}",
    "|",
    "(",
    ")",
    "x2",
    "@x",
    "C",
    "H",
    "0",
    "1e9",
    "none",
    "as",
    "if",
    "else",
    "head",
]
_ODD += [
    "body",
    "split(2)",
    "concat",
    "3xHxW",
    "; gap;",
    "freeze",
    "every",
    "[",
    "]",
    "\x1b",
    "٣",
    ";",
    "\n",
    "//",
]


def _changed(text: str, rng: random.Random) -> str:
    tokens = _TOKEN.findall(text)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(tokens))
        match rng.randrange(4):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] = rng.choice(_ODD)
            case 2:
                tokens.insert(at, rng.choice(_ODD))
            case _:
                other = rng.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
    return "".join(tokens)


@pytest.mark.parametrize("seed", first(80, 240))
def test_a_changed_spec_is_checked_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    text = _changed(read_spec(rng.choice(shipped_names())).text, rng)
    try:
        graph = build(Source("t.ns", text), limits=Limits(nodes=3000))
    except NetspecError as error:
        assert 1 <= len(error.diagnostics) <= 20
    else:
        assert len({node.path for node in graph.nodes}) == len(graph.nodes)
