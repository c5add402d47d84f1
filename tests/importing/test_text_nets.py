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
from netspec.graph.same import same
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
    """What a file is read as: the same net if it is scrambled, and its own text is read as that net again."""
    found = import_file(path)
    blind = path.with_name("blind.onnx")
    scrambled(path, blind)
    assert same(import_file(blind).graph, found.graph) is not None
    again = path.with_name("again") / path.name
    again.parent.mkdir(exist_ok=True)
    netspec.load(found.text).to_onnx(str(again), optimize=False)
    back = import_file(again)
    assert same(back.graph, found.graph) is not None
    assert back.text.count(";") == found.text.count(";")
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
    assert "unit_bias" in read(exported(tmp_path / "net.onnx", Heads(change), given)).text


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


# --- attention in the words of others


def _factors_too(scores: Any, words: Any) -> Any:
    """As GPT's first exports have it: what is hidden is multiplied by 0 before."""
    seen = torch.ones(scores.shape[-2:]).tril()
    return scores * seen + -1e4 * (1 - seen)


def _slopes_by_key(scores: Any, words: Any) -> Any:
    """As MPT and BLOOM have ALiBi: by where a key stands alone, since later ones are hidden."""
    steps = scores.shape[-1]
    slopes = 2.0 ** (-8 * torch.arange(1, HEADS + 1) / HEADS)
    later = torch.full((steps, steps), float("-inf")).triu(1)
    return scores + (slopes[:, None, None] * (torch.arange(steps) - steps + 1)) + later


def _lowest(scores: Any, words: Any) -> Any:
    """A step before all words that are seen attends to whatever a file has it attend to."""
    hidden = (words == 0)[:, None, None] | torch.ones(scores.shape[-2:]).bool().triu(1)
    return scores.masked_fill(hidden, float("-inf"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_factors_too, "attention(4, causal=yes)"),
        (_slopes_by_key, "attention(4, causal=yes, scores=alibi(4))"),
        (_lowest, "attention(4, causal=yes, mask=@input)"),
    ],
)
def test_scores_in_other_words(change: Any, said: str, tmp_path: Path) -> None:
    found = read(exported(tmp_path / "net.onnx", Heads(change), (ids(1, STEPS),)))
    assert said in found.text


def test_a_mask_may_be_of_truth_values(tmp_path: Path) -> None:
    def change(scores: Any, words: Any, seen: Any) -> Any:
        return scores.masked_fill(~seen[:, None, None], -1e9)

    given = (ids(1, STEPS), torch.ones(1, STEPS).bool())
    found = import_file(exported(tmp_path / "net.onnx", Heads(change), given))
    assert "attention(4, mask=@y)" in found.text


class Shared(nn.Module):
    """Heads of keys and values that several of queries share, repeated before they are turned, or one."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups, each = groups, WIDTH // HEADS
        self.inner = nn.Linear(WIDTH, WIDTH + 2 * groups * each)
        angles = torch.arange(32)[:, None] / 10000 ** (torch.arange(0, each, 2) / each)
        self.register_buffer("angles", torch.cat([angles, angles], 1))

    def forward(self, x: Any) -> Any:
        n, steps, _ = x.shape
        many, each = HEADS // self.groups, WIDTH // HEADS
        whole = self.inner(x).view(n, steps, self.groups, many + 2, each)
        q, k, v = whole[..., :-2, :], whole[..., [-2], :], whole[..., [-1], :]
        k, v = (part.expand(-1, -1, -1, many, -1) for part in (k, v))
        q, k, v = (part.flatten(2, 3).transpose(1, 2) for part in (q, k, v))
        q, k = self.turned(q), self.turned(k)
        weights = (q @ k.transpose(2, 3) / each**0.5).softmax(-1)
        joined = weights.reshape(n * HEADS, steps, steps) @ v.reshape(n * HEADS, steps, each)
        return joined.view(n, HEADS, steps, each).transpose(1, 2).flatten(2)

    def turned(self, x: Any) -> Any:
        one, two = x.chunk(2, -1)
        angles = self.angles[: x.shape[2]]
        return x * angles.cos() + torch.cat([-two, one], -1) * angles.sin()


@pytest.mark.parametrize("groups", [1, 2])
def test_heads_of_keys_are_shared(groups: int, tmp_path: Path) -> None:
    given = (torch.randn(1, STEPS, WIDTH),)
    found = read(exported(tmp_path / "net.onnx", Shared(groups), given))
    assert f"kv_heads={groups}" in found.text
    assert f"rotary({groups})" in found.text.replace("rotary as", "rotary(1) as")


def _normed(x: Any) -> Any:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class Normed(nn.Module):
    """Heads of queries and keys normalised before those of keys are repeated, as Qwen 3 has them."""

    def __init__(self) -> None:
        super().__init__()
        self.each = WIDTH // HEADS
        self.inner, self.outer = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.q, self.k = (nn.Parameter(torch.ones(self.each)) for _ in range(2))
        angles = torch.arange(32)[:, None] / 10000 ** (torch.arange(0, self.each, 2) / self.each)
        self.register_buffer("angles", torch.cat([angles, angles], 1))

    def forward(self, x: Any) -> Any:
        n, steps, _ = x.shape
        sizes = [WIDTH, WIDTH // 2, WIDTH // 2]
        q, k, v = (part.view(n, steps, -1, self.each) for part in self.inner(x).split(sizes, 2))
        q, k, v = (part.transpose(1, 2) for part in (_normed(q) * self.q, _normed(k) * self.k, v))
        q, k = Shared.turned(self, q), Shared.turned(self, k)  # type: ignore[arg-type]
        k, v = (
            part[:, :, None].expand(n, 2, 2, steps, self.each).reshape(n, HEADS, steps, self.each)
            for part in (k, v)
        )
        made = (q @ k.transpose(2, 3) / self.each**0.5).softmax(-1) @ v
        return self.outer(made.transpose(1, 2).flatten(2))


def test_heads_are_normalised_before_they_are_repeated(tmp_path: Path) -> None:
    found = read(exported(tmp_path / "net.onnx", Normed(), (torch.randn(1, STEPS, WIDTH),)))
    assert "attention(4, kv_heads=2, rotary=10000, qk_norm=rmsnorm)" in found.text


class Weighted(nn.Module):
    """Attention that gives what it attended to as well, and one whose keys are few sums of all."""

    def __init__(self, few: bool) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(WIDTH, HEADS)
        self.few = nn.Linear(STEPS, 4, bias=False) if few else None

    def forward(self, x: Any) -> Any:
        if self.few is None:
            return self.heads(*[x.transpose(0, 1)] * 3)
        weight = self.heads.in_proj_weight
        q, k, v = (x @ part.T for part in weight.chunk(3))
        k, v = (self.few(part.transpose(1, 2)).transpose(1, 2) for part in (k, v))
        q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in (q, k, v))
        return ((q @ k.transpose(2, 3)).softmax(-1) @ v).transpose(1, 2).flatten(2)


def test_weights_of_attention_are_an_output(tmp_path: Path) -> None:
    found = import_file(
        exported(tmp_path / "net.onnx", Weighted(False), (torch.randn(1, STEPS, WIDTH),))
    )
    assert "attention(4)" in found.text
    assert "softmax(last); over_channels(mean)" in found.text


def test_keys_may_be_sums_of_places(tmp_path: Path) -> None:
    found = read(exported(tmp_path / "net.onnx", Weighted(True), (torch.randn(1, STEPS, WIDTH),)))
    assert "attend(4, @" in found.text


# --- tables and places


class Characters(nn.Module):
    """The letters of each word looked up together, and words whose steps come first."""

    def __init__(self) -> None:
        super().__init__()
        self.letters, self.words = nn.Embedding(9, 4), nn.Embedding(WORDS, WIDTH)
        self.window = nn.Conv1d(4, 5, 3, padding=1)

    def forward(self, words: Any, letters: Any) -> Any:
        n, steps, count = letters.shape
        made = self.letters(letters.view(n * steps, count)).transpose(1, 2)
        made = self.window(made).max(2)[0].view(n, steps, -1)
        return torch.cat([self.words(words.T).transpose(0, 1), made], -1)


def test_ids_may_be_moved_before_they_are_looked_up(tmp_path: Path) -> None:
    given = (ids(1, STEPS), torch.randint(1, 9, (1, STEPS, 5)))
    found = read(exported(tmp_path / "net.onnx", Characters(), given))
    assert found.proof is not None
    assert "embedding-4" in found.text
    assert "embedding-16" in found.text


class Contexts(nn.Module):
    """What stands for all places, repeated at each of them."""

    def forward(self, x: Any) -> Any:
        steps = x.shape[-1]
        whole = x.mean(2, keepdim=True).repeat(1, 1, steps)
        return torch.cat([x, whole, x[:, :, :1].repeat(1, 1, steps)], 1)


def test_one_place_is_repeated(tmp_path: Path) -> None:
    found = read(exported(tmp_path / "net.onnx", Contexts(), (torch.randn(1, 4, STEPS),)))
    assert found.proof is not None
    assert found.proof.exact


class Counted(nn.Module):
    """Places counted in whole numbers of two sizes, over words that are there, as RoBERTa counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Embedding(32, WIDTH)

    def forward(self, x: Any) -> Any:
        seen = (x != 1).int()
        return self.places((torch.cumsum(seen, 1).type_as(seen) + 0) * seen + x.long())


def test_what_is_counted_over_words_is_refused_for_that(tmp_path: Path) -> None:
    path = exported(tmp_path / "net.onnx", Counted(), (ids(1, STEPS),))
    with pytest.raises(netspec.NetspecError, match="comparing numbers"):
        import_file(path)


# --- files that are of one size, whatever they claim


class Cross(nn.Module):
    """torch's own attention, which asks for both lengths as numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x: Any, y: Any) -> Any:
        return self.heads(x, y, y, need_weights=False)[0]


def test_a_file_of_one_length_is_read_at_that(tmp_path: Path) -> None:
    path, names = tmp_path / "net.onnx", ["x", "y"]
    given = (torch.randn(1, STEPS, WIDTH), torch.randn(1, STEPS + 5, WIDTH))
    axes = {"x": {0: "n", 1: "t"}, "y": {0: "n", 1: "s"}}
    torch.onnx.export(
        Cross().eval(), given, path, dynamo=False, input_names=names, dynamic_axes=axes
    )
    found = import_file(path)
    assert "s=11" in found.held
    assert "attention(4, @" in found.text
    with pytest.raises(netspec.NetspecError, match="its sizes are not those"):
        import_file(path, sizes={"t": 6, "s": 12})


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.GRU(WIDTH, 5, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.steps(x)[0]


def test_a_length_before_the_channels_is_open(tmp_path: Path) -> None:
    given = (torch.randn(1, STEPS, WIDTH),)
    path = exported(tmp_path / "net.onnx", Steps(), given, {0: "n", 1: "t"})
    assert f"input (T, {WIDTH})" in import_file(path, sizes={"t": 9}).text


# --- what is computed of ids


class Pooled(nn.Module):
    """The mean of words that are there, as encoders of sentences have it."""

    def __init__(self, given: bool) -> None:
        super().__init__()
        self.given, self.words = given, nn.Embedding(WORDS, WIDTH)

    def forward(self, x: Any, *mask: Any) -> Any:
        seen = mask[0] if self.given else (x != 0)
        y = self.words(x)
        wide = seen.unsqueeze(-1).expand(y.shape).float()
        return (y * wide).sum(1) / wide.sum(1).clamp(min=1e-9)


@pytest.mark.parametrize("given", [False, True])
def test_means_of_words_that_are_there(given: bool, tmp_path: Path) -> None:
    inputs = (ids(1, STEPS), *[torch.ones(1, STEPS).long()] * given)
    found = read(exported(tmp_path / "net.onnx", Pooled(given), inputs))
    table = [array for array in found.weights.values() if array.shape[1:] == (1,)]
    assert [array.ravel().tolist() for array in table] == [
        [0.0, 1.0] if given else [0.0] + [1.0] * (WORDS - 1)
    ]


class Between(nn.Module):
    """A number for each word that its neighbour says."""

    def forward(self, x: Any, y: Any) -> Any:
        return (x != x.roll(1, 1)).float()[:, None] * y


def test_what_depends_on_two_ids_is_no_table(tmp_path: Path) -> None:
    given = (ids(1, STEPS), torch.randn(1, WIDTH, STEPS))
    path = exported(tmp_path / "net.onnx", Between(), given)
    with pytest.raises(netspec.NetspecError, match="NS802"):
        import_file(path)


class Deep(nn.Module):
    """Vectors added in a row, and truth values turned over in a row."""

    def __init__(self, many: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.vectors = nn.Parameter(torch.randn(many, WIDTH))

    def forward(self, x: Any) -> Any:
        y, seen = self.words(x), x != 0
        for vector in self.vectors:
            y, seen = y + vector, ~seen
        return y * seen[..., None].float()


@pytest.mark.parametrize("many", [3, 40])
def test_what_is_run_and_added_is_bounded(many: int, tmp_path: Path) -> None:
    path = exported(tmp_path / "net.onnx", Deep(many), (ids(1, STEPS),))
    if many > 32:
        with pytest.raises(netspec.NetspecError, match="NS802"):
            import_file(path)
        return
    shapes = sorted(array.shape for array in import_file(path).weights.values())
    assert shapes == [(WORDS, 1), (WORDS, WIDTH)]


class Patches(nn.Module):
    """A series in windows side by side, as PatchTST cuts it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Linear(4, WIDTH)

    def forward(self, x: Any) -> Any:
        return self.patch(x.transpose(1, 2)[:, :, torch.arange(8).view(2, 4)]).relu()


def test_windows_side_by_side_are_a_reshape(tmp_path: Path) -> None:
    found = read(exported(tmp_path / "net.onnx", Patches(), (torch.randn(1, 8, 3),)))
    assert "pick" not in found.text
    assert "reshape(2x4x3)" in found.text


def _roberta(words: Any, mask: Any) -> Any:
    told = words.ne(1).int()
    return (torch.cumsum(told, dim=1).type_as(told) * told).long() + 1


def _opt(words: Any, mask: Any) -> Any:
    return (torch.cumsum(mask, dim=1) * mask - 1).long() + 2


def _by_conditions(words: Any, mask: Any) -> Any:
    counted = torch.cumsum((words > 0).long(), dim=1)
    return torch.where(words == 0, torch.zeros_like(counted), counted)


class Placed(nn.Module):
    """Words and their places, which are counted by `count` of words and a mask."""

    def __init__(self, count: Any, rows: int = 12) -> None:
        super().__init__()
        self.count = count
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(rows, WIDTH)
        self.last = nn.Linear(WIDTH, 3)

    def forward(self, words: Any, mask: Any = None) -> Any:
        return self.last(self.words(words) + self.places(self.count(words, mask)))


@pytest.mark.parametrize(
    ("count", "inputs", "said"),
    [
        (_roberta, 1, "position_ids(12); embedding-16"),
        (_opt, 2, "position_ids(12, 0, 1); embedding-16"),
        (_by_conditions, 1, "position_ids(12, 0); embedding-16"),
    ],
)
def test_places_are_counted_without_what_fills_up(
    count: Any, inputs: int, said: str, tmp_path: Path
) -> None:
    given = (ids(2, STEPS), torch.ones(2, STEPS, dtype=torch.int64))[:inputs]
    found = read(exported(tmp_path / "a.onnx", Placed(count), given))
    assert said in found.text
    assert found.proof is not None


def test_counted_places_are_of_any_length_that_their_table_has(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    exported(path, Placed(_roberta), (ids(2, STEPS),), {0: "n", 1: "t"})
    found = import_file(path)
    assert "input T ids(20)" in found.text
    assert found.proof is not None
    assert found.proof.places == ("10", "7")


def _counted_backwards(words: Any, mask: Any) -> Any:
    told = words.ne(1).long()
    return torch.cumsum(told.flip(1), dim=1) * told + 1


def test_what_is_counted_otherwise_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "a.onnx", Placed(_counted_backwards), (ids(2, STEPS),))
    with pytest.raises(netspec.NetspecError, match="NS802"):
        import_file(path)


def _where_word(words: Any) -> Any:
    return (words.int() == 7).int().argmax(dim=-1)


def _where_largest(words: Any) -> Any:
    return words.argmax(dim=-1)


def _where_last(words: Any) -> Any:
    return (torch.arange(STEPS) * (words != 3).int()).argmax(dim=-1)


class Chosen(nn.Module):
    """The state of one step of each sample: where `place` says."""

    def __init__(self, place: Any, moved: bool) -> None:
        super().__init__()
        self.place, self.moved = place, moved
        self.words, self.last = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 3)

    def forward(self, words: Any) -> Any:
        words = words.view(-1, words.shape[-1]) if self.moved else words
        x = self.words(words).cumsum(1)
        x = self.last(x[torch.arange(x.shape[0]), self.place(words)])
        return x.relu()


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("place", [_where_word, _where_largest, _where_last])
def test_a_step_is_taken_where_ids_say(place: Any, moved: bool, tmp_path: Path) -> None:
    found = read(exported(tmp_path / "a.onnx", Chosen(place, moved), (ids(2, STEPS),)))
    assert "topk(1) as" in found.text
    assert "gather(@" in found.text
    assert "ids(20)" in found.text, "whose ids are those of the table, moved or not"
    assert found.proof is not None


@pytest.mark.parametrize("told", [{"add_zero_attn": True}, {"add_bias_kv": True}])
@pytest.mark.parametrize("alone", [True, False])
def test_keys_that_no_word_has_stand_beside_the_others(
    told: dict[str, bool], alone: bool, tmp_path: Path
) -> None:
    """Rows of heads of all samples, folded to one constant, are the same for each sample."""

    class More(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **told)

        def forward(self, x: Any, y: Any = None) -> Any:
            y = x if y is None else y
            return self.heads(x, y, y, need_weights=False)[0]

    given = (torch.randn(1, STEPS, WIDTH), torch.randn(1, STEPS + 1, WIDTH))[: 2 - alone]
    found = read(exported(tmp_path / "a.onnx", More(), given))
    assert "parameter(16x1)" in found.text
    assert f"attend({HEADS}" in found.text
    assert found.proof is not None
    assert found.proof.batches == (1, 3)
