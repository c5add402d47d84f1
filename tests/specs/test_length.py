"""Specs are as short as their papers' tables.

What is counted: every identifier, number and single punctuation character of the steps, defaults
and blocks written in the file. What is not: the header (net, input, output and metadata lines),
comments, and expect and error lines.
"""

import re

import pytest

from netspec.syntax.files import read_spec

HEADER = re.compile(
    r"(net|input|output|paper|title|authors|table|source|url|year|dataset|task|note|error|expect)\b"
)
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|[^\s\w]")


def length(text: str) -> int:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return sum(len(TOKEN.findall(line)) for line in lines if not HEADER.match(line))


def test_length_counts_words_numbers_and_punctuation() -> None:
    text = "net a(b=1)\ninput 3x8x8\nyear 1998\n# why\nconv3-64/2(pad=0.5) x2; relu  # (not this)\n"
    assert length(text) == 13


@pytest.mark.parametrize(
    ("name", "most"),
    [("vgg16", 107), ("googlenet", 368), ("resnet50", 178), ("densenet121", 156), ("unet", 107)],
)
def test_a_spec_is_short(name: str, most: int) -> None:
    assert length(read_spec(name).text) <= most
