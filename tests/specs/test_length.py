"""Specs are as short as their papers' tables.

What is counted: every identifier, number and single punctuation character of the steps, defaults
and blocks written in the file. What is not: the header (net, input, output and metadata lines),
comments, expect, error, score, entry and preprocess lines, and how weights start, of which a
paper's tables say nothing.
"""

import json
import re
from pathlib import Path

import pytest

from netspec.syntax.files import read_spec

HEADER = re.compile(
    r"(net|input|output|paper|title|authors|table|source|url|year|dataset|task|note|error|score|entry|expect|preprocess)\b"
)
START = re.compile(r"(?:, )?\b(?:bias_)?init=")
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|[^\s\w]")


def without_starts(line: str) -> str:
    """A line without its `init=` and `bias_init=` arguments, or none if it has no others."""
    while start := START.search(line):
        end, depth = start.end(), 0
        while depth or line[end] not in ",)":
            depth += (line[end] == "(") - (line[end] == ")")
            end += 1
        line = line[: start.start()] + line[end:]
        line = line.replace("(, ", "(")
    return "" if re.fullmatch(r"default \w+\(\)", line) else line.replace("()", "")


def length(text: str) -> int:
    lines = (without_starts(line.partition("#")[0].strip()) for line in text.splitlines())
    return sum(len(TOKEN.findall(line)) for line in lines if not HEADER.match(line))


def test_length_counts_words_numbers_and_punctuation() -> None:
    text = "net a(b=1)\ninput 3x8x8\nyear 1998\n# why\nconv3-64/2(pad=0.5) x2; relu  # (not this)\n"
    assert length(text) == 13


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("default conv(pad=same, init=he)", "default conv(pad=same)"),
        ("default conv(init=gaussian(0.1) if n == 1 else he, pad=same)", "default conv(pad=same)"),
        ("default fc(init=uniform(sqrt(3), fan_in=1/4), bias_init=1)", ""),
        ("conv3-64(init=he); fc-10(bias_init=0, act=relu)", "conv3-64; fc-10(act=relu)"),
    ],
)
def test_length_leaves_out_how_weights_start(line: str, left: str) -> None:
    assert without_starts(line) == left


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("vgg16", 107),
        ("googlenet", 368),
        ("resnet50", 178),
        ("densenet121", 156),
        ("unet", 109),
        ("bert_base", 110),
        ("gpt2", 92),
        ("tinyllama", 90),
        ("vit_b_16", 90),
        ("swin_t", 260),
        ("detr_resnet50", 330),
        ("yolov8n", 330),
    ],
)
def test_a_spec_is_short(name: str, most: int) -> None:
    assert length(read_spec(name).text) <= most


def test_a_spec_is_at_most_half_as_long_as_the_pytorch_of_its_library() -> None:
    results = Path(__file__).parents[2] / "benchmarks" / "results" / "lengths.json"
    nets = json.loads(results.read_text(encoding="utf-8"))["nets"]
    assert len(nets) > 120
    assert {
        name: row["ratio"] for name, row in nets.items() if 2 * row["spec"] > row["pytorch"]
    } == {}
