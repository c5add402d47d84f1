"""Calls added again, at the very edge of what limits allow, and what a memo holds of them."""

from __future__ import annotations

import pickle
from typing import Any
from unittest.mock import patch

import pytest
from support.graphs import counted, outcome, told

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.again.recall import Memo, Recall
from netspec.elaborate.again.template import Run
from netspec.elaborate.build import build

# Of the kind that is counted as it is run: the size of what flows in is not known before.
IDLE = """block idle {
  conv1-C
  if H > 3 { for i in 1..4 { for j in 1..4 { if i < 0 { relu } } } }
}
"""
CALLS = "block u(n) { conv1-n; relu }\nblock v(n) { u(n); u(n) }\nblock w(n) { v(n); tanh }\n"


def text(body: str) -> Source:
    return Source("t.ns", body)


def found(
    source: Source,
    limits: Limits,
    memo: Memo | None,
    inputs: tuple[str, ...] = (),
    **settings: Any,
) -> Any:
    """What is built, or said; without a memo each call is run."""
    with patch.object(Recall, "find", Recall.find if memo else lambda *_: None):
        try:
            return told(build(source, settings, inputs, limits, memo=memo or Memo(), mend=False))
        except NetspecError as error:
            return str(error)


SWEEPS = {
    "nodes": [*range(8, 34, 2)],
    "depth": [1, 2, 3, 4],
    "parameters": [*range(60, 460, 20)],
    "activations": [*range(0, 15000, 640)],
}


@pytest.mark.parametrize("limit", SWEEPS)
def test_each_limit_is_met_where_it_would_be_if_every_call_were_run(limit: str) -> None:
    """Of the values, some refuse the net that calls once more and not the one before it."""
    body = f"net t(n=1)\n{CALLS}input 4x4x4\nw(4); v(4) x(n); w(4)\n"
    refused: set[tuple[bool, ...]] = set()
    for value in SWEEPS[limit]:
        limits, memo = Limits(**{limit: value}), Memo()
        outcomes = []
        for n in (1, 2, 3, 1):
            for size in (("4x4x4",), ("4x5x5",), ("4x4x4",)):
                here = found(text(body), limits, memo, size, n=n)
                assert here == found(text(body), limits, None, size, n=n), (limit, value, n)
            outcomes.append(here)
        refused.add(tuple(isinstance(one, str) for one in outcomes[:3]))
    assert (False, False, False) in refused
    assert (True, True, True) in refused
    if limit != "depth":
        assert (False, True, True) in refused
        assert (False, False, True) in refused


def test_work_that_adds_nothing_is_counted_for_calls_that_are_added_again() -> None:
    body = f"net t(n=1)\n{IDLE}input 4x4x4\nidle x(n)\n"
    refused = set()
    for nodes in range(3, 40):
        limits, memo = Limits(nodes=nodes), Memo()
        for n in (1, 2, 3, 4, 1):
            here = found(text(body), limits, memo, n=n)
            assert here == found(text(body), limits, None, n=n), (nodes, n)
            if isinstance(here, str):
                refused.add((n, here.partition("\n")[0].partition(":")[0]))
    assert {(n, "error[NS411]") for n in (1, 2, 3, 4)} <= refused


def test_what_is_run_without_adding_anything_ends_where_it_stands() -> None:
    """The count made beforehand cannot know which way an `if` over a size goes."""
    with pytest.raises(NetspecError) as caught:
        build(text(f"{IDLE}input 4x4x4\nidle"), limits=Limits(nodes=3), mend=False)
    (said,) = caught.value.diagnostics
    assert said.code == "NS411"
    assert said.span
    assert said.span.line == 3


@pytest.mark.parametrize("steps", ["u(4)", "u(4) x3; u(5); u(4)", "w(4); v(4); relu; w(4)"])
def test_a_memo_counts_what_it_holds(steps: str) -> None:
    """Each call its nodes, and one more; at another size as well."""
    source, memo = text(f"{CALLS}input 4x4x4\n{steps}"), Memo()
    for size in ("4x4x4", "4x5x5", "4x4x4"):
        build(source, {}, (size,), memo=memo)
        held = [entry.what for entry in memo.calls.values()]
        assert memo.held == len(held) + sum(
            what.end.nodes - what.start.nodes if isinstance(what, Run) else len(what.typing.types)
            for what in held
            if what is not None
        )
        assert len(held) > 1
    assert None not in held


def test_a_memo_that_holds_too_much_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between builds: calls are forgotten, and files are not."""
    source, memo = text(f"{CALLS}input 4x4x4\nw(4)"), Memo()
    build(source, memo=memo)
    calls = dict(memo.calls)
    known = len(memo.known.operators) + len(memo.known.inferred) + len(memo.defaults)
    monkeypatch.setattr("netspec.elaborate.again.recall._MOST", memo.held + known)
    memo.bound()
    assert memo.calls == calls
    monkeypatch.setattr("netspec.elaborate.again.recall._MOST", memo.held + known - 1)
    memo.bound()
    assert (memo.held, memo.calls, memo.ways, memo.defaults) == (0, {}, {}, {})
    assert not memo.known.operators
    assert memo.shelf.units


SHARING = """block taught(n) { conv3-n(pad=same) as first; relu; conv3-n(pad=same, weights=@first) as then }
block back { maxpool2 as p; conv1-C; unpool(@p) }
"""


@pytest.mark.parametrize(
    ("steps", "runs", "again"),
    [
        # A call that says all of itself is added at another size, one that reaches back is run.
        ("conv1-8; relu", 2, 0),
        ("taught(8); taught(8)", 6, 6),
        ("back; back", 6, 6),
    ],
)
def test_a_call_that_shares_or_looks_back_is_run_for_each_size(
    steps: str, runs: int, again: int
) -> None:
    source, memo = text(f"{SHARING}input 8x8x8\n{steps}"), Memo()
    _, first = counted(lambda: build(source, memo=memo))
    _, other = counted(lambda: build(source, {}, ("8x12x12",), memo=memo))
    assert outcome(source, ({}, ("8x12x12",)), memo) == outcome(source, ({}, ("8x12x12",)))
    assert (first, other) == (runs, again)


def test_weights_of_a_layer_that_takes_anothers_are_the_others_in_calls_added_again() -> None:
    source = text(
        f"{SHARING}input 8x8x8\ntaught(8) as a; taught(8) as b\n"
        "conv3-8(pad=same, weights=@b.then) as last; conv3-8(pad=same, weights=@a.then) as end"
    )
    for graph in (build(source), build(source, memo=(memo := Memo())), build(source, memo=memo)):
        owners = {node.path: node.owner for node in graph.nodes if node.path != node.owner}
        assert owners == {
            "a.then": "a.first",
            "b.then": "b.first",
            "last": "b.first",
            "end": "a.first",
        }


def test_a_name_without_a_path_has_none_where_a_call_is_added_again() -> None:
    """An operand of a block names a tensor that stands outside of it."""
    body = (
        "block j of a, b { add { | @a | @b } as sum; relu }\ninput 4x4x4\n"
        "{ | relu | tanh }; j as one; { | relu | tanh }; j as two; add { | @two.sum | @one.sum }"
    )
    source, memo = text(body), Memo()
    for _ in range(3):
        assert outcome(source, ({}, ()), memo) == outcome(source)
    for part, code in (("@two.a", None), ("@two.nope", "NS203")):
        given = text(f"{body}; add {{ | identity | {part} }}")
        here = [outcome(given, ({}, ()), known) for known in (memo, None)]
        assert here[0] == here[1], part
        assert code is None or code in str(here[0])


@pytest.mark.parametrize(
    "steps",
    [
        # A name inside stands for a step outside, or for one that is made when it is asked for.
        "block n(x) { @x as y; conv1-C }\ninput 4x4x4\n"
        "relu as r; n(@r) as one; tanh as t; n(@t) as two; n(@r); add { | @one.y | @two.y }",
        "block n(x) { @x; relu }\ninput a: 4x3\ninput h: 4\n@h\n"
        "for x in @a { add(@x) as s }\nn(@s); n(@s); n(@a)",
        "block tied(x) { conv1-4(weights=@x) as k; relu }\ninput 4x4x4\n"
        "conv1-4 as c; tied(@c) as one; tied(@c) as two; conv1-4(weights=@two.k)",
        "block tied(x) { @x as y; conv1-C }\ninput 4x4x4\n"
        "conv1-4 as c; tied(@c) as one; tied(@c) as two; tied(@c) as three; conv1-4(weights=@three.y)",
        "block rec of s, h { @h; for x in @s { add(@x) as y }; { | @y | @s }; add }\n"
        "input a: 4x3\ninput h: 4\nrec as one; { | @one | @h }; rec as two; @one.y",
    ],
)
def test_what_a_call_reaches_outside_of_it_is_what_it_was_given(steps: str) -> None:
    source, memo = text(steps), Memo()
    for given in (({}, ()), ({}, ())):
        assert outcome(source, given, memo) == outcome(source, given)
    assert isinstance(outcome(source), dict)


def test_a_memo_that_is_sent_to_another_process_is_empty_there() -> None:
    memo = Memo()
    build(text(f"{CALLS}input 4x4x4\nw(4)"), memo=memo)
    sent = pickle.loads(pickle.dumps(memo))
    assert memo.calls
    assert (sent.calls, sent.held, sent.shelf.units) == ({}, 0, {})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        # As many steps as the sequence is long.
        (
            "block b { unstack; concat }\ninput 3x5\nb",
            "'name': 't'",
        ),
        # Windows of two maps of one size meet, those of maps of two sizes do not.
        (
            "block j of a, b { add { | @a | @b } }\ninput a: 4x8x8\ninput b: 4x4x4\n"
            "{ | @a; partition(2) | @a; relu; partition(2) }; j as x\n"
            "{ | @a; partition(2) | @b; partition(2) }; j as y",
            "NS310",
        ),
    ],
)
def test_a_call_on_other_sizes_is_run_where_it_is_not_the_same_steps(body: str, code: str) -> None:
    source, memo = text(body), Memo()
    for sizes in ((), ("3x7",), ()):
        # A net of two inputs has no other size here.
        given = ({}, sizes if "input 3x5" in body else ())
        here = outcome(source, given, memo)
        assert here == outcome(source, given)
        assert code in str(here)
