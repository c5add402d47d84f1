"""Names as libraries give them: what each member of a module is called, and how that is joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from random import Random

from support.generated_layers import Group, Layer, Node, Step
from support.generated_order import Place, listed, members

Labels = Callable[[Group, list[Node], list[Node]], list[str]]


@dataclass(frozen=True)
class Scheme:
    """How a library names things.

    `labels` names the members of a module, given as they run and as they are listed, and answers in
    the latter order. `telling`: the roles that names give away.
    `by_kind`: what has one word is listed together.
    """

    name: str
    labels: Labels
    join: Callable[[Place], str] = lambda place: ".".join(filter(None, place.labels))
    inlined: tuple[str, ...] = ()
    telling: frozenset[str] = frozenset()
    attention: str = "joined"
    keras: bool = False
    by_kind: dict[str, str] = field(default_factory=dict)


def places(scheme: Scheme, block: Group, rule: str, around: tuple[str, ...] = ()) -> list[Place]:
    """The layers of a tree in a library's order of definition, labelled."""
    run = members(block, scheme.inlined)
    order = listed(block, run, rule)
    if scheme.by_kind:
        words = [scheme.by_kind[member.kind] for member in order]
        order.sort(key=lambda member: words.index(scheme.by_kind[member.kind]))
    found: list[Place] = []
    for member, label in zip(order, scheme.labels(block, run, order), strict=True):
        if isinstance(member, Layer):
            found.append(Place(member, (*around, label)))
        elif isinstance(member, Group):
            found += places(scheme, member, rule, (*around, label))
    return found


def counted(
    run: list[Node], order: list[Node], base: Callable[[Node], str], lone: Container[str] = ()
) -> list[str]:
    """Each member's word with its number among those of the word, in the order they run.

    Words that end in a dot, and the empty one, count from 0. Those in `lone` have no number where
    there is one of them, `!` at the end none at all.
    """
    total: Counter[str] = Counter(base(node) for node in order)
    seen: Counter[str] = Counter()
    found: dict[int, str] = {}
    for node in run:
        if isinstance(node, Step):
            continue
        word = base(node)
        number = seen[word] + (0 if word == "" or word.endswith(".") else 1)
        seen[word] += 1
        alone = word.endswith("!") or (total[word] == 1 and word in lone)
        found[id(node)] = word.rstrip("!") if alone else f"{word}{number}"
    return [found[id(node)] for node in order]


def positions(block: Group, run: list[Node], order: list[Node]) -> list[str]:
    """Numbers as in `nn.Sequential`: steps count too, if everything is listed as it runs."""
    kept = [node for node in run if not isinstance(node, Step)]
    if kept == order:
        return [str(i) for i, node in enumerate(run) if not isinstance(node, Step)]
    return [str(i) for i in range(len(order))]


def letters(block: Group, run: list[Node], order: list[Node]) -> list[str]:
    """`a`, `b` and so on, in the order they are listed."""
    return [chr(97 + i) if i < 26 else f"z{chr(71 + i)}" for i in range(len(order))]


def worded(table: dict[str, str], lone: str = "") -> Labels:
    """Words by kind, numbered; those in `lone` have no number where there is one of them."""
    alone = lone.split()

    def label(block: Group, run: list[Node], order: list[Node]) -> list[str]:
        if block.kind == "shortcut" and "numbers" in table:
            return positions(block, run, order)

        def base(node: Node) -> str:
            if node.kind == "unit" and block.kind != "stage":
                return table.get("lone_unit", "block")
            return table[node.kind]

        return counted(run, order, base, alone)

    return label


TORCH = {
    "conv": "conv", "dwconv": "conv", "bn": "bn", "ln": "norm", "rms": "norm", "linear": "fc",
    "attention": "!", "stage": "layer", "unit": "", "branch": "branch", "shortcut": "downsample",
    "se": "se", "attn": "attn", "mlp": "mlp", "head": "head", "tower": "tower", "stem": "stem",
    "numbers": "",
}  # fmt: skip
ALONE = " downsample shortcut se attn mlp head classifier stem norm fc proj"
TIMM = {key: word for key, word in TORCH.items() if key != "numbers"}
TIMM |= {"stage": "stages.", "unit": "blocks.", "shortcut": "shortcut", "lone_unit": "blocks."}
LANGUAGES = [
    {"conv": "faltung", "dwconv": "tiefenfaltung", "bn": "normierung", "ln": "normierung",
     "rms": "normierung", "linear": "dicht", "stage": "stufe", "unit": "block", "branch": "zweig",
     "shortcut": "abkuerzung", "se": "tor", "attn": "aufmerksamkeit", "mlp": "netz", "head": "kopf",
     "tower": "turm", "stem": "stamm", "attention": "!"},
    {"conv": "couche.", "dwconv": "profonde.", "bn": "norme.", "ln": "norme.", "rms": "norme.",
     "linear": "dense.", "stage": "etape.", "unit": "bloc.", "branch": "branche.",
     "shortcut": "raccourci", "se": "porte", "attn": "regard", "mlp": "reseau", "head": "tete",
     "tower": "tour.", "stem": "tronc", "attention": "!"},
    {"conv": "juansuo", "dwconv": "shendu", "bn": "guiyi", "ln": "guiyi", "rms": "guiyi",
     "linear": "xianxing", "stage": "jieduan", "unit": "kuai", "branch": "fenzhi",
     "shortcut": "jiejing", "se": "men", "attn": "zhuyi", "mlp": "wangluo", "head": "tou",
     "tower": "ta", "stem": "gan", "attention": "!"},
]  # fmt: skip
PARTS = {"conv": "convs.", "dwconv": "convs.", "bn": "norms.", "ln": "norms.", "rms": "norms."}
GROUPED = TIMM | PARTS | {"linear": "linears.",
                         "branch": "branches.", "tower": "towers."}  # fmt: skip


def foreign(random: Random) -> Labels:
    """Another language's words."""
    table = random.choice(LANGUAGES)
    lone = [word for word in table.values() if not word.endswith(".")]
    return worded(
        table | {"lone_unit": table["unit"]}, " ".join(lone) if random.random() < 0.5 else ""
    )
