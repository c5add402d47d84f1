"""Nets of text and sound as their libraries write them: masks, tables, scores that are computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from support.onnx_files import scrambled
from torch import nn
from torch.nn import functional as F

import netspec
from netspec.importing.imported import Imported, import_file

pytestmark = pytest.mark.filterwarnings("ignore")
WIDTH, HEADS, STEPS, WORDS = 16, 4, 6, 20


def exported(
    path: Path, module: nn.Module, given: tuple[Any, ...], axes: Mapping[int, str] = {0: "n"}
) -> Path:
    """A module by torch's older exporter, its inputs x, y, z, whose axes of these numbers are open."""
    torch.manual_seed(0)
    names = ["x", "y", "z"][: len(given)]
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(torch.randn_like(tensor) / 4)
    dynamic = {name: dict(axes) for name in names}
    torch.onnx.export(
        module.eval(), given, path, dynamo=False, input_names=names, dynamic_axes=dynamic
    )
    return path


def read(path: Path) -> Imported:
    """What a file is read as: the same text, its names aside, if it is scrambled; it comes back as it is."""
    found = import_file(path)
    blind = path.with_name("blind.onnx")
    scrambled(path, blind)
    assert import_file(blind).graph.nodes[-1].types == found.graph.nodes[-1].types
    again = path.with_name("again") / path.name
    again.parent.mkdir(exist_ok=True)
    netspec.load(found.text).to_onnx(str(again), optimize=False)
    assert import_file(again).text == found.text
    return found


def ids(*shape: int) -> torch.Tensor:
    return torch.randint(1, WORDS, shape)


class Heads(nn.Module):
    """Attention over words, its scores changed by `change` of what the net is given."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change, self.words = change, nn.Embedding(WORDS, WIDTH)
        self.inner, self.outer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, *given: Any) -> Any:
        x = self.words(given[0])
        n, steps, _ = x.shape
        q, k, v = self.inner(x).view(n, steps, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        scores = self.change(q @ k.transpose(2, 3) / 2, *given)
        return self.outer((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


def _gathered(scores: Any, words: Any, mask: Any) -> Any:
    """As transformers 5 makes masks: rows of samples and keys, looked up in the mask."""
    n, steps = mask.shape
    seen = mask.bool()[torch.arange(n)[:, None, None, None], torch.arange(steps)[None, None, None]]
    return scores + torch.where(seen & torch.ones(1, 1, steps, 1).bool(), 0.0, float("-inf"))


def _negated_twice(scores: Any, words: Any) -> Any:
    """As the annotated transformer has it: where the mask of words that are none is 0."""
    return scores.masked_fill((words != 0).unsqueeze(-2).unsqueeze(1) == 0, -1e9)


def _causal_too(scores: Any, words: Any) -> Any:
    later = torch.full(scores.shape[-2:], -1e9).triu(1)
    return scores + ((1.0 - (words > 0).float())[:, None, None] * -1e9 + later)


@pytest.mark.parametrize(
    ("change", "inputs", "said"),
    [
        (_gathered, 2, "attention(4, mask=@y)"),
        (_negated_twice, 1, "attention(4, mask=@input)"),
        (_causal_too, 1, "attention(4, causal=yes, mask=@input)"),
    ],
)
def test_masks_in_other_words(change: Any, inputs: int, said: str, tmp_path: Path) -> None:
    given = (ids(1, STEPS), torch.ones(1, STEPS).long())[:inputs]
    assert said in read(exported(tmp_path / "net.onnx", Heads(change), given)).text


def test_a_mask_of_another_word_than_none_is_not_taken_for_it(tmp_path: Path) -> None:
    def change(scores: Any, words: Any) -> Any:
        return scores.masked_fill((words == 3)[:, None, None], -1e9)

    path = exported(tmp_path / "net.onnx", Heads(change), (ids(1, STEPS),))
    with pytest.raises(netspec.NetspecError, match="NS802"):
        import_file(path)


@pytest.mark.parametrize(
    "shape", [(1, STEPS, STEPS), (1, HEADS, STEPS, STEPS), (1, 1, STEPS, STEPS), (1, 1, 1, STEPS)]
)
def test_scores_may_be_given_for_each_sample(shape: tuple[int, ...], tmp_path: Path) -> None:
    def change(scores: Any, words: Any, more: Any) -> Any:
        return scores + (more if more.ndim > 3 else more[:, None])

    given = (ids(1, STEPS), torch.randn(shape))
    found = read(exported(tmp_path / "net.onnx", Heads(change), given))
    assert "attention(4, scores=@" in found.text


def test_scores_of_a_table_and_of_a_sample_are_added(tmp_path: Path) -> None:
    table = torch.randn(HEADS, STEPS, STEPS)

    def change(scores: Any, words: Any, more: Any) -> Any:
        return scores + table + more

    given = (ids(1, STEPS), torch.randn(1, HEADS, STEPS, STEPS))
    assert "add" in read(exported(tmp_path / "net.onnx", Heads(change), given)).text


class Typed(nn.Module):
    """Words of one kind at places, as BERT adds them."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.kinds, self.places = (nn.Embedding(n, WIDTH) for n in (WORDS, 2, 32))

    def forward(self, x: Any) -> Any:
        kinds = self.kinds(torch.zeros_like(x))
        return F.relu(self.words(x) + kinds + self.places(torch.arange(x.shape[1]))[None])


def test_the_kind_that_all_words_have_is_in_their_table(tmp_path: Path) -> None:
    path = exported(tmp_path / "net.onnx", Typed(), (ids(1, STEPS),), {0: "n", 1: "t"})
    found = read(path)
    assert "input T ids(20)" in found.text
    assert "embedding-16; position(32); relu" in found.text
    assert found.proof is not None
    assert found.proof.exact
