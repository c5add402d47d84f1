"""Search spaces: what a spec tells of its parameters, and that what does not matter changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.graph.same import same
from netspec.sweeping.space import Space

NET = """net family(deep=no, n=8, kind=plain, k=3, m=n, extra=0, drop=0.1)
input 3x16x16
conv-(2*m)(kernel=k, pad=same)
if deep and extra > 0 { conv3-n(pad=same) x(extra); dropout(drop) }
else if kind == wide { conv1-(n if deep else 5) }
for i in 1..2 { if i == extra { conv1-4 } }
gap; fc-10
"""
GRID = {"n": [4, 8], "k": [1, 3], "m": [2, 3], "extra": "0..2", "drop": "0.1..0.3:0.1"}


class Recorded:
    """A trial that is told what to answer, and writes down what it was asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: dict[str, Any] = {}

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        self.asked[name] = (low, high, step)
        return int(self.answers[name])

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        self.asked[name] = (low, high, step)
        return float(self.answers[name])

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.asked[name] = tuple(choices)
        return self.answers[name]


def needs(space: Space) -> dict[str, set[str]]:
    return {d.name: set(d.needs) for d in space.dimensions}


def test_what_matters_is_read_from_the_conditions_around_it() -> None:
    found = netspec.space(NET, GRID)
    assert needs(found) == {
        "deep": set(),
        "k": set(),
        "m": set(),
        "extra": set(),
        "n": {"deep", "extra", "kind"},
        "kind": {"deep", "extra"},
        "drop": {"deep", "extra"},
    }
    names = [d.name for d in found.dimensions]
    for dimension in found.dimensions:
        assert all(names.index(n) < names.index(dimension.name) for n in dimension.needs)


def test_a_parameter_that_others_have_by_default_matters_as_they_do() -> None:
    given = {name: values for name, values in GRID.items() if name != "m"}
    assert needs(netspec.space(NET, given))["n"] == set()  # by way of m, which is used always


BLOCKS = """net blocks(se=no, r=2, count=1, k=4, kind=plain, g=1, t=2)
block unit(n, squeeze, r=4, kind=plain, g=1) {
  conv3-n(pad=same)
  if squeeze and n > 4 { squeeze_excite(r) }
  if kind == grouped { conv1-n(groups=g) }
}
block stage(count, n, se, r, last=2*n, more) {
  for i in 1..count { unit(n*i, se, r=r, kind=more, g=last/2) }
  if count > 1 { conv1-last }
}
input 3x8x8
stage(count, 4, se, r, k, kind)
unit(8, squeeze=(se if count == 2 else no), r=r, g=g)
gap; fc-(10 if t > 1 else g)
"""
NESTED = {
    "r": [1, 2],
    "count": "0..2",
    "k": [4, 8],
    "kind": "plain,grouped",
    "g": [1, 2],
    "t": [1, 2],
}


def test_blocks_are_followed_to_what_they_do_with_what_they_are_given() -> None:
    assert needs(netspec.space(BLOCKS, NESTED)) == {
        "se": set(),
        "count": set(),
        "kind": set(),
        "t": set(),
        "r": {"se", "count"},
        "k": {"count", "kind"},
        "g": {"t"},
    }


@pytest.mark.parametrize(
    ("net", "values", "still"),
    [(NET, GRID, {"k": 1, "m": 2}), (BLOCKS, NESTED, {})],
    ids=["net", "blocks"],
)
def test_what_does_not_matter_changes_no_net(
    net: str, values: dict[str, Any], still: dict[str, Any]
) -> None:
    """Of all combinations: each parameter that does not matter is given another value."""
    found = netspec.space(net, values)
    axes = {d.name: list(d.axis.values) for d in found.dimensions}
    nets: dict[tuple[Any, ...], Any] = {}

    def built(settings: dict[str, Any]) -> Any:
        key = tuple(settings[name] for name in axes)
        if key not in nets:
            nets[key] = netspec.load(net, **settings).graph
        return nets[key]

    idle = 0
    for chosen in product(*axes.values()):
        settings = dict(zip(axes, chosen, strict=True))
        if any(settings[name] != value for name, value in still.items()):
            continue  # they matter always
        for name in axes:
            other = {**settings, name: axes[name][0]}
            if other != settings and not found.matters(name, settings):
                idle += 1
                assert same(built(settings), built(other)) is not None
    assert idle > 50


def test_what_is_not_followed_is_taken_to_matter() -> None:
    def net(block: str, step: str, first: str = "") -> str:
        head = f"net f(deep=no, n=2)\n{first}\nblock b(deep, n=2) {block}\n"
        return f"{head}input 3x8x8\n{step}\ngap; fc-2\n"

    plain = "{ if deep { conv1-n } }"
    given = {"n": [1, 2]}
    followed = netspec.space(net(plain, "b(deep, n)"), given)
    assert needs(followed)["n"] == {"deep"}
    for text in (
        net("{ if C > 3 { conv1-n } }", "b(deep, n)"),
        net("{ if n > 1 { conv1-n; b(deep, n-1) } }", "b(deep, n)"),
        net(plain, "conv1-4\nc(b(deep), n)", "block c(unit, n) { unit(n=n) }"),
        net(plain, "b(no, n); b(yes, n)"),
    ):
        found = netspec.space(text, given)
        assert found.matters("n", {"deep": False}), text
        assert netspec.load(text, deep=True, n=1).params


def test_a_trial_is_asked_only_for_what_matters_in_its_own_terms() -> None:
    found = netspec.space(NET, GRID)
    answers = {"deep": True, "n": 8, "kind": "wide", "k": 3, "m": 2, "extra": 1, "drop": 0.2}
    trial = Recorded(answers)
    settings = found.suggest(trial)
    assert trial.asked == {
        "deep": (False, True),
        "n": (4, 8),
        "k": (1, 3),
        "m": (2, 3),
        "extra": (0, 2, 1),
        "drop": (0.1, 0.3, 0.1),
    }
    assert settings == {name: answers[name] for name in trial.asked}
    plain = Recorded({**answers, "deep": False, "kind": "plain"})
    assert set(found.suggest(plain)) == {"deep", "k", "m", "extra", "kind"}
    assert netspec.load(NET, **settings).params


def test_yes_no_and_words_are_told_by_the_spec_and_a_variation_keeps_what_it_says() -> None:
    assert {d.name: d.axis.values for d in netspec.space(NET).dimensions} == {
        "deep": (False, True),
        "kind": ("plain", "wide"),
    }
    assert [d.name for d in netspec.space("alexnet_no_fc7").dimensions] == [
        "conv3",
        "conv4",
        "fc6",
        "dense",
    ]
    assert [d.name for d in netspec.space("alexnet_no_fc7", {"fc7": "yes,no"}).dimensions] == [
        "conv3",
        "conv4",
        "fc6",
        "fc7",
        "dense",
    ]


def test_a_shipped_net_has_a_parameter_that_another_decides_of() -> None:
    found = netspec.space("sentence_cnn")
    assert needs(found) == {"multichannel": set(), "static": {"multichannel"}}
    assert [found.matters("static", {"multichannel": x}) for x in (False, True)] == [True, False]


def test_what_decide_of_each_other_is_asked_for_in_the_order_of_the_spec() -> None:
    net = "net both(a=no, b=no)\ninput 3x8x8\nif a and b { relu }\nif b and a { tanh }\ngap; fc-2\n"
    found = netspec.space(net)
    assert needs(found) == {"a": set(), "b": set()}
    net = "net ring(a=no, b=no)\ninput 3x8x8\n"
    net += "if a { conv1-(2 if b else 3) }\nif b { conv1-(2 if a else 1) }\ngap; fc-2\n"
    assert needs(netspec.space(net)) == {"a": set(), "b": set()}
    net = "net ring(a=2, b=no, c=no)\ninput 3x8x8\n"
    net += "if b { conv1-a; relu x(1 if c else 2) }\nconv1-3 x(0 if b else 1); gap; fc-2\n"
    assert needs(netspec.space(net, {"a": [1, 2]})) == {"a": {"b"}, "b": set(), "c": {"b"}}


def test_sizes_and_indices_are_not_known_beforehand() -> None:
    net = "net sizes(n=2, k=2)\ninput 3x8x8\nif C == 3 { conv1-n }\n"
    net += "for i in 1..3 { if i == 2 { conv1-k } }\ngap; fc-2\n"
    found = netspec.space(net, {"n": [1, 2], "k": [1, 2]})
    assert needs(found) == {"n": set(), "k": set()}
    assert found.matters("n", {})
    assert found.matters("k", {})


def test_a_configuration_loses_what_does_not_matter() -> None:
    found = netspec.space(NET, {"extra": "0..2"})
    config = {"deep": True, "kind": None, "extra": 0, "other": 1}
    assert found.settings(config) == {"deep": True, "extra": 0}


def test_a_misspelt_parameter_is_refused() -> None:
    with pytest.raises(NetspecError, match="did you mean `extra`"):
        netspec.space(NET, {"extr": "0..2"})
