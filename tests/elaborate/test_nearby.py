"""Beside a size that does not fit stand the nearest that do, and none that do not."""

from __future__ import annotations

import pytest

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build


def refused(text: str) -> NetspecError:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    return caught.value


@pytest.mark.parametrize(
    ("inputs", "steps", "near"),
    [
        # One size, two, those of several inputs, those of ids.
        ("3x4", "conv5-8", "3x4 that fit: 3x5"),
        ("3x4x9", "conv5-8", "3x4x9 that fit: 3x5x9"),
        ("3x9", "add { | identity | conv2-3/2; upsample(2) }", "3x9 that fit: 3x8, 3x10"),
        (
            "a: 3x4x4|b: 3x9x9",
            "{ | @a; conv5-3 | @b; conv5-3 }; add",
            "a:3x4x4 and b:3x9x9 that fit: a:3x5x5 and b:3x5x5",
        ),
        ("words: 4 ids(9)", "embedding-4; conv5-8", "words:4 that fit: words:5"),
        # A layer that takes one size only, behind those that take many, says nothing of which.
        ("3x4x4", "conv5-8; fc-10", "3x4x4 that fit: 3x5x5"),
        ("3x7x7", "maxpool2 x3; fc-10", "3x7x7 that fit: 3x8x8"),
    ],
)
def test_the_nearest_sizes_are_named_and_they_fit(inputs: str, steps: str, near: str) -> None:
    lines = [f"input {line}" for line in inputs.split("|")]
    (said,) = refused("\n".join([*lines, steps])).diagnostics
    assert said.note == f"the sizes nearest to {near}"
    for text in near.partition("that fit: ")[2].split(", "):
        given = tuple(part.replace("words:4", "words:5") for part in text.split(" and "))
        assert build(Source("t.ns", "\n".join([*lines, steps])), {}, given)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        # It is not only a matter of sizes.
        ("input 3x4x4\nconv5-8; convv3-8", "NS302"),
        ("input 3x4x4\nrelu; convv3-8", "NS201"),
        # What is near depends on a size that is left open.
        ("input a: 3xHxW\ninput b: 3x4x4\n{ | @a | @b; conv5-3 }; add", "NS302"),
        # There is no size to change, or none fits.
        ("input 3\nreshape((2, 2))", "NS320"),
        ("input 3x6x6\nconv3-8; reshape((8, 4, 5)); conv3-8", "NS320"),
        ("input 3x1x8\nconv3-8; reshape((8, 6, 4)); conv3-8", "NS302"),
    ],
)
def test_no_size_is_named_where_none_would_do(text: str, code: str) -> None:
    error = refused(text)
    assert error.diagnostics[0].code == code
    assert all("nearest" not in (item.note or "") for item in error.diagnostics)


@pytest.mark.parametrize(
    ("shape", "steps", "moved"),
    [("224x224x3", "conv230-8", "3x224x224"), ("32x40x3", "conv3-8; conv5-8 x7", "3x32x40")],
)
def test_channels_that_stand_last_are_told_to_stand_first(
    shape: str, steps: str, moved: str
) -> None:
    (said,) = refused(f"input {shape}\n{steps}").diagnostics
    channels = shape.partition("x")[0]
    assert said.note == f"sizes stand channels first: {shape} has {channels} channels; {moved}?"


def test_of_several_that_are_too_large_the_first_says_what_fits_all() -> None:
    said = refused("input 3x4x4\nconcat { | conv5-8; gap | conv9-8; gap }").diagnostics
    notes = [(item.code, item.note) for item in said]
    assert notes == [("NS302", "the sizes nearest to 3x4x4 that fit: 3x9x9"), ("NS302", "")]


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        (
            "input 1x32x32\nconv5-6; gap; fc-10",
            ("5",),
            "`5` is no shape for the input `input`, which is 1x32x32: 1 size in place of 3",
        ),
        (
            "input a: 3x8x8\ninput b: 4xT\nconcat { | @a; gap | @b; gap }",
            ("b:4",),
            "`4` is no shape for the input `b`, which is 4xT: 1 size in place of 2",
        ),
        (
            "input T ids(9)\nembedding-8; position(4)",
            ("3x4",),
            "`3x4` is no shape for the input `input`, which is T: 2 sizes in place of 1",
        ),
    ],
)
def test_an_input_of_as_many_axes_as_no_step_takes_is_what_is_told(
    text: str, given: tuple[str, ...], said: str
) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text), inputs=given)
    (found,) = caught.value.diagnostics
    assert (found.code, str(found.problem)) == ("NS852", said)


def test_a_net_that_is_wrong_as_it_is_declared_keeps_its_own_message() -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", "input 3x8x8\nconv9-8; gap"), inputs=("5",))
    assert [item.code for item in caught.value.diagnostics] == ["NS301"]


def test_as_many_axes_as_the_steps_take_are_an_input() -> None:
    assert build(Source("t.ns", "input 3x8x8\nconv3-8; gap"), inputs=("3x8x8x8",)).nodes
