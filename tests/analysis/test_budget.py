"""Budgets: bounds on totals, as they are typed."""

from __future__ import annotations

import pytest
from support.shelves import shipped

from netspec.analysis.budget import check_budget
from netspec.analysis.quantities import as_bytes, parse_quantity
from netspec.analysis.summary import Summary, summarize
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build


@pytest.fixture(scope="module")
def googlenet() -> Summary:
    return summarize(shipped("googlenet"))


@pytest.mark.parametrize(
    "budget",
    [
        "params<7M",
        "params <= 6,998,552",
        "params==6998552",
        "params>=6.998552M",
        "macs<1.6G",
        "depth > 21",
        "weights<27MiB",
        "weights < 28MB, activations<=6.125MiB, depth==22",
        "params_training==13378280",
        "macs_training==1591044096",
        "buffers==0",
    ],
)
def test_a_bound_that_holds_says_nothing(googlenet, budget):
    assert check_budget(googlenet, budget) is None


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("params<5M", "googlenet: params is 6,998,552, not < 5M (40.0% over)"),
        ("params<6998552", "googlenet: params is 6,998,552, not < 6998552"),
        ("depth>=50", "googlenet: depth is 22, not >= 50 (56.0% under)"),
        ("weights<20MiB", "googlenet: weights is 26.70 MiB, not < 20MiB (33.5% over)"),
        ("buffers>0", "googlenet: buffers is 0, not > 0"),
    ],
)
def test_a_bound_that_is_broken_says_by_how_much(googlenet, budget, message):
    assert check_budget(googlenet, budget) == message


def test_every_broken_bound_is_told(googlenet):
    broken = check_budget(googlenet, "params<1M, depth==22, macs<1G")
    assert [line.split()[1] for line in broken.splitlines()] == ["params", "macs"]


@pytest.mark.parametrize(
    ("budget", "advice"),
    [
        ("prams<5M", "did you mean `params`?"),
        ("params", "params<5M"),
        ("params<", "params<5M"),
        ("params<5X", "not a whole number"),
        ("params<-1", "not a whole number"),
        ("params=5M", "params<5M"),
        ("", "params<5M"),
        ("params<5M,", "params<5M"),
    ],
)
def test_what_is_not_a_bound_is_a_mistake_of_usage(googlenet, budget, advice):
    with pytest.raises(NetspecError, match="NS710") as caught:
        check_budget(googlenet, budget)
    assert caught.value.status == 2
    assert advice in str(caught.value)


def test_a_total_that_depends_on_the_size_cannot_be_bounded():
    graph = build(Source("<test>", "net t\ninput 3xHxW\nconv3-8\n"))
    with pytest.raises(NetspecError, match="--input"):
        check_budget(summarize(graph), "macs<1G")
    assert check_budget(summarize(graph), "params<=224") is None


def test_every_total_can_be_bounded(googlenet):
    for key, value in googlenet.totals.items():
        assert check_budget(googlenet, f"{key}=={value}") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5M", 5_000_000),
        ("5m", 5_000_000),
        ("2.5K", 2500),
        ("1_000", 1000),
        ("1,000", 1000),
        ("20MiB", 20 * 2**20),
        ("20Mi", 20 * 2**20),
        ("20MB", 20_000_000),
        ("1GiB", 2**30),
        ("3B", 3),
        ("0.5KiB", 512),
        ("0.0001K", None),
        ("five", None),
        ("1e9", None),
        ("", None),
    ],
)
def test_quantities_are_exact(text, value):
    assert parse_quantity(text) == value


def test_bytes_are_shown_in_binary_units():
    assert [as_bytes(n) for n in (0, 1023, 1024, 6422528)] == [
        "0 B",
        "1023 B",
        "1.00 KiB",
        "6.12 MiB",
    ]
