"""What Python gives the front doors: values of another kind are refused by name, none gets inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import netspec
from netspec import NetspecError
from netspec.diagnostics.arguments import BadCall, held
from netspec.diagnostics.kinds import kind_of

TEXT = "net n(w=4); input 3x8x8; conv3-w(act=relu) as a; gap; fc-5"


class Odd:
    """Shows itself by an error."""

    def __repr__(self) -> str:
        raise AttributeError("no")


def _doors() -> Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]:
    net = netspec.load(TEXT)
    yield netspec.load, (TEXT,)
    yield netspec.variants, (TEXT,)
    yield netspec.diff, (TEXT, TEXT)
    yield netspec.sweep, (TEXT, {"w": [1]})
    yield netspec.space, (TEXT, {"w": [1]})
    yield netspec.from_onnx, ("none.onnx",)
    yield netspec.from_torch, (None,)
    yield netspec.format_text, (TEXT,)
    yield netspec.Net, (net.graph,)
    yield netspec.Picture, ("",)
    variants = netspec.variants(TEXT)
    yield variants.load, ()
    yield variants.totals, ()
    for call in (net.training_memory, net.summary, net.draw, net.to_torch, net.to_source):
        yield call, ()
    yield net.to_onnx, ("none.onnx",)
    yield net.to_triton, ("none",)
    yield net.run, (np.zeros((1, 3, 8, 8), np.float32),)
    yield net.verify, ()
    yield net.largest_batch, ("1GiB",)
    yield net.draw().save, ("none.svg",)
    module = net.to_torch()
    yield netspec.sharding_units, (module,)
    yield netspec.recompute_blocks, (module,)
    yield netspec.space(TEXT, {"w": [1]}).matters, ("w", {})


DOORS = list(_doors())
ODD = [Odd(), 1j, b"net.ns", {1: 2}, [None], float("nan"), ..., np.zeros(3), int]


@pytest.mark.parametrize("call", range(len(DOORS)), ids=lambda n: DOORS[n][0].__name__)
def test_values_of_another_kind_are_refused_by_name(call: int, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    door, usual = DOORS[call]
    places = inspect.signature(door).parameters
    for number, (name, parameter) in enumerate(places.items()):
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            continue
        kind = kind_of(str(parameter.annotation))
        if kind is None:
            continue
        for value in ODD:
            given: list[Any] = list(usual)
            named: dict[str, Any] = {}
            if number < len(given):
                given[number] = value
            else:
                named[name] = value
            try:
                held("door", name, kind, value)
            except BadCall:
                with pytest.raises(BadCall, match=f"`{name}`") as caught:
                    door(*given, **named)
                assert caught.value.status == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", [-1, "a", None, 1.0, True, [1], b"a"])
def test_a_seed_is_an_integer_from_0(seed: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"seed"):
        netspec.load(TEXT).to_torch(seed=seed)


@pytest.mark.parametrize(
    ("annotation", "value", "plain"),
    [
        ("int", np.int64(3), 3),
        ("int | None", np.array(3), 3),
        ("float", np.float32(0.5), 0.5),
        ("bool", np.bool_(True), True),
        ("str | int | Sequence[str] | Sequence[int]", np.array([3, 8, 8]), (3, 8, 8)),
        ("Sequence[str]", (word for word in ("a", "b")), ("a", "b")),
        ("tuple[int, int]", [np.int8(2), 8], (2, 8)),
        ("Mapping[str, float]", {"a": 1}, {"a": 1}),
    ],
)
def test_values_of_numpy_go_on_as_pythons(annotation: str, value: Any, plain: Any) -> None:
    kind = kind_of(annotation)
    assert kind is not None
    found = kind.plain(value)
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("int", True),
        ("int", 3.0),
        ("int", "3"),
        ("bool", 1),
        ("str", b"a"),
        ("Path", "a"),
        ("Sequence[str]", "abc"),
        ("Sequence[str]", {"a"}),
        ("Sequence[int]", [True]),
        ("tuple[int, int]", (1, 2, 3)),
        ("Mapping[str, Any]", {1: 2}),
        ("Net", object()),
        ("None", 0),
    ],
)
def test_what_is_of_no_kind(annotation: str, value: Any) -> None:
    kind = kind_of(annotation)
    assert kind is not None
    with pytest.raises(BadCall):
        held("call", "name", kind, value)


@pytest.mark.parametrize("value", [np.int64(6), np.array(6), np.float32(6.0)])
def test_a_setting_is_a_number_whoever_made_it(value: Any) -> None:
    assert netspec.load(TEXT, w=value).params == netspec.load(TEXT, w=6).params


@pytest.mark.parametrize("value", [np.zeros(3), Odd, {1}, range(3), [np.zeros(2)], None, 1j])
def test_a_setting_that_is_none_is_refused_where_it_is_used(value: Any) -> None:
    with pytest.raises(NetspecError, match="width must be an integer"):
        netspec.load(TEXT, w=value)


def test_what_is_out_of_range_is_said_in_a_sentence() -> None:
    space = netspec.space(TEXT, {"w": [1, 2]})
    for call, words in (
        (lambda: space.matters("v", {}), "no parameter 'v'"),
        (lambda: space.suggest(None), "a trial of Optuna"),
        (lambda: netspec.sweep(TEXT, {"w": [1]}, part=(3, 2)), "of how many"),
        (lambda: netspec.sweep(TEXT, {"w": [1]}, jobs=0), "jobs are at least 1"),
        (lambda: netspec.sweep(TEXT, {"w": [1]}, sample=0), "sample is at least 1"),
        (lambda: netspec.from_torch(3, 4), "a module of PyTorch"),
        (lambda: netspec.load(TEXT).to_torch(weights=[1]), "weights are a module"),
        (lambda: netspec.Limits(nodes=-1), "nodes is an integer"),
        (lambda: netspec.load(TEXT).draw().save("a\0b"), "no NUL"),
    ):
        with pytest.raises((NetspecError, ValueError, TypeError), match=words):
            call()
