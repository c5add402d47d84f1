"""The shipped specs as the tests go through them, each built once in a process.

The lectures' nets and the building blocks are in the plain suite. Of nets that consist of another's
steps in other numbers, one is; of the nets of today's libraries a few small ones are, chosen so that
every kind of step that families are made of is among them. The rest are `slow`. Every one of them is
held to its figures: `tests/specs/test_figures.py` and `tests/specs/test_today.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import pytest

from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec, shipped_names

LECTURES = shipped_names("lectures")
BLOCKS = shipped_names("blocks")
TODAY = shipped_names("today")
THRIFTY = {"lraspp_mobilenet_v3_large", "mnasnet0_5", "regnet_y_400mf", "squeezenet1_1"}
# Small nets whose texts are of other kinds, for tests of texts.
FURTHER = {
    "bert_base",
    "convnext_tiny",
    "gpt2",
    "swin_t",
    "t5_small_encoder",
    "vit_b_16",
    "yolov8n",
}
# Nets of the lectures that consist of the steps of another, in other numbers.
SIBLINGS = set(
    """
    alexnet_no_conv3_conv4 alexnet_no_conv3_conv4_fc6_fc7 alexnet_no_fc6_fc7 alexnet_no_fc7 alexnet_owt
    bn_inception densenet169 inception_resnet_v1 inception_resnet_v2 nasnet_large plain18 plain34
    plain56_cifar resnet101 resnet101_v1_5 resnet110_cifar resnet1202_cifar resnet152 resnet152_v1_5
    resnet32_cifar resnet34 resnet34_c resnet44_cifar resnet50_v1_5 resnet56_cifar vgg11_lrn vgg13
    vgg13_5x5 vgg16 vgg16_c vgg16_localization vgg16_transfer vgg19 wrn28_10 wrn50_2 zfnet_paper
    """.split()
)


@cache
def shipped(name: str) -> Graph:
    """A shipped net as it is."""
    return build(read_spec(name))


def shelved(*, blocks: bool = True, siblings: bool = False) -> list[Any]:
    """The names of the shipped specs as the cases of a test.

    With `siblings`, none of the lectures' nets is `slow`: for promises of each of them.
    """
    slow = {*TODAY} - THRIFTY | (set() if siblings else SIBLINGS)
    names = [*LECTURES, *(BLOCKS if blocks else ()), *TODAY]
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


def sources(*, plain: bool = False) -> list[Source]:
    """The files of the shipped specs; with `plain`, of the plain cases of `shelved()` and of some others'."""
    slow = {*TODAY} - THRIFTY - FURTHER | SIBLINGS if plain else set()
    found = [read_spec(name) for name in shipped_names() if name not in slow]
    return list({source.path: source for source in found if not source.net}.values())


def first(plain: int, count: int) -> list[Any]:
    """The numbers up to `count` as cases of a test, those after the first `plain` of them slow."""
    return [pytest.param(n, marks=pytest.mark.slow) if n >= plain else n for n in range(count)]


def others(plain: Sequence[str]) -> list[Any]:
    """The names of all shipped specs but these as slow cases of a test."""
    names = [name for name in (*LECTURES, *BLOCKS, *TODAY) if name not in plain]
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


def in_turn(names: Sequence[str], slow: Collection[str] = ()) -> list[Any]:
    """Each name with True and with False: in turn one of both is plain, the other a slow case of a test.

    Of the `slow` names both are.
    """
    return [
        pytest.param(
            name,
            yes,
            marks=() if yes == (i % 2 == 0) and name not in slow else pytest.mark.slow,
        )
        for i, name in enumerate(names)
        for yes in (True, False)
    ]
