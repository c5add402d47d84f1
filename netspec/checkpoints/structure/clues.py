"""What names say about which layer is which, beyond shapes: clues that an arrangement keeps or not.

A clue holds for all parts of a kind at once, as names repeat alike. The strongest come first: axes of
kernels, names that the spec has too, numbers, what stands beside what, what repeats, words, and
the order of definition where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from netspec.checkpoints.layers import Layer
from netspec.checkpoints.names import PROJECTIONS, is_number, place_of, series, suffix, words
from netspec.checkpoints.structure.counted import only_tell_apart
from netspec.checkpoints.structure.forest import Forest, Part
from netspec.foundation.records import record

# What decided, from the strongest to the weakest. `order` is that of definition.
LEVELS = ("axes", "names", "numbers", "flow", "repeats", "words", "order")

# Calls of more blocks than any layer is in.
_ALL = 1000

Buckets = tuple[tuple[Part, ...], ...]


@record(eq=False)
class Clue:
    """Something that names say: of `level`, about parts of a `kind`.

    `chains`: parts in buckets, each of which runs after the one before it: all on one way through
    the net, or all side by side. `order`: parts in buckets, in the order of the net's text.
    `against`: parts in buckets, none of which feeds one of an earlier bucket. `alike`: sets of layers
    that come from one step of the spec, and from one call of as many blocks around it. `beside`:
    layers one of which feeds the other. `places`: layers with the only positions they can have, as
    bits. `older`: pairs, the first of which reads older data than the second. `group` is the kind of
    the groups whose members are numbered or listed, or what else clues have in common that stand or
    fall together.
    """

    level: str
    kind: tuple[object, ...]
    group: tuple[str, ...] = ()
    chains: tuple[Buckets, ...] = ()
    order: tuple[Buckets, ...] = ()
    against: tuple[Buckets, ...] = ()
    alike: tuple[tuple[Part, ...], ...] = ()
    calls: int = 0
    beside: tuple[tuple[Part, Part], ...] = ()
    places: tuple[tuple[Part, int], ...] = ()
    older: tuple[tuple[Part, Part], ...] = ()

    @property
    def depth(self) -> int:
        """How many groups are around the parts that it is about."""
        parts = [
            p for buckets in (*self.chains, *self.order, *self.against) for b in buckets for p in b
        ]
        parts += [leaf for leaves in self.alike for leaf in leaves]
        parts += [part for pair in (*self.beside, *self.older) for part in pair]
        parts += [leaf for leaf, _ in self.places]
        return min(len(part.path) for part in parts)

    def weaker(self) -> Clue | None:
        """What is left of an order that does not hold: of a series, that it does not run against
        the data; of another, that it holds among norms and among the rest; then, among parts of the
        same shapes. Norms follow the rest: where that is not in order, theirs says nothing. Of units
        that repeat, that those of the same shapes do.
        """
        if self.alike:
            less = self.among_units(len(self.group))
            return None if less is self else less
        if self.chains:
            kind = (*self.kind, "against")
            return Clue(self.level, kind, self.group, against=self.chains)
        apart = tuple(part for buckets in self.order for part in _apart(buckets, _vectors))
        if apart != self.order:
            return Clue(self.level, (*self.kind, "norms"), self.group, order=apart)
        rest = [buckets for buckets in self.order if not buckets[0][0].is_vectors]
        same = tuple(part for buckets in rest or self.order for part in _apart(buckets, _shapes))
        if same != self.order:
            return Clue(self.level, (*self.kind, "shapes"), self.group, order=same)
        return None

    @property
    def is_of_vectors(self) -> bool:
        """Whether it is about the order of norms alone."""
        listed = (*self.chains, *self.order, *self.against)
        return all(part.is_vectors for buckets in listed for bucket in buckets for part in bucket)

    def falls_with(self, lost: Clue) -> bool:
        """Whether it says nothing, or less, where another one does not hold."""
        return self.group[: len(lost.group)] == lost.group and self.calls >= lost.calls

    def among_units(self, depth: int) -> Clue | None:
        """Of layers that come from one step, that those do which are in units of the same shapes, at
        a depth of groups; None if that says nothing.
        """
        least = _least(self.calls)
        found: list[tuple[Part, ...]] = []
        for leaves in self.alike:
            by_code: dict[int, list[Part]] = {}
            for leaf in leaves:
                by_code.setdefault(leaf.path[depth - 1].code, []).append(leaf)
            found += [tuple(same) for same in by_code.values() if len(same) >= least]
        if found == list(self.alike):
            return self
        kind, alike = (*self.kind, depth), tuple(found)
        return Clue(self.level, kind, self.group, alike=alike, calls=self.calls) if found else None

    @property
    def is_partial(self) -> bool:
        """Whether it is what is left of an order among parts of the same shapes."""
        return self.kind[-1] == "shapes"


def _apart(buckets: Buckets, key: Callable[[Part], object]) -> list[Buckets]:
    """The order among parts of one key, for each."""
    found = []
    for value in dict.fromkeys(key(part) for bucket in buckets for part in bucket):
        same = tuple(tuple(part for part in bucket if key(part) == value) for bucket in buckets)
        kept = tuple(bucket for bucket in same if bucket)
        if len(kept) > 1:
            found.append(kept)
    return found


def _shapes(part: Part) -> object:
    return part.code


def _vectors(part: Part) -> object:
    return part.is_vectors


def clues_of(forest: Forest, trusted: bool, whole: bool = False) -> list[Clue]:
    """Every clue in the names of a file; `trusted`: its order is that of definition, `whole`: in which
    it fits the whole net.

    Where it does not, parts whose numbers run against the order of their definition are told apart by
    neither: `norm1`, `norm3`, `norm2` is the order of the data in XCiT, and in other files it is not.
    """
    groups: dict[tuple[str, ...], list[Part]] = {}
    for part in forest.parts:
        if part.children:
            groups.setdefault(part.kind, []).append(part)
    found = list(_axes(forest))
    for kind, parts in groups.items():
        numbered = list(_numbers(forest, kind, parts, trusted))
        torn = [c for c in numbered if trusted and not whole and any(map(_is_torn, c.chains))]
        found += [clue for clue in numbered if clue not in torn]
        found += _beside(kind, parts)
        found += _ordinals(kind, parts)
        found += _previous(kind, parts)
        if trusted:
            silent = {p for c in torn for buckets in c.chains for b in buckets for p in b}
            found += _definition(kind, parts, silent)
    found += _called(forest)
    found += _repeats(forest)
    found += _meanings(forest)
    return sorted(found, key=lambda clue: LEVELS.index(clue.level))


def _axes(forest: Forest) -> Iterator[Clue]:
    """Of layers that are matrices, those with windows of size 1 are convolutions.

    Where the file has as many of them as the net: in other files a linear layer may be a convolution.
    """
    ours: dict[int, list[int]] = {}
    for layer, code in zip(forest.layers, forest.codes, strict=True):
        ours.setdefault(code, []).append(layer.axes)
    for code, axes in ours.items():
        called = forest.root.by_code.get(code, [])
        if len(set(axes)) > 1 and sorted(axes) == sorted(leaf.layer.axes for leaf in called):
            bits = dict.fromkeys(axes, 0)
            for i, layer in enumerate(forest.layers):
                if forest.codes[i] == code:
                    bits[layer.axes] |= 1 << i
            places = tuple((leaf, bits[leaf.layer.axes]) for leaf in called)
            yield Clue("axes", ("axes", code), places=places)


def _called(forest: Forest) -> Iterator[Clue]:
    """Names that the spec itself gives to steps are the file's, where as many layers of their shapes
    have them: `norm3` of a spec that says `layernorm as norm3`. Those of calls of blocks are said of
    whatever is inside: `tower as left` of what the file has as `left` or in `encoder.left`.
    """
    ours: dict[tuple[str, bool], list[int]] = {}
    for position, layer in enumerate(forest.layers):
        names = [(name, True) for name in layer.inside]
        for key in [(layer.called, False), *names] if layer.called else names:
            ours.setdefault(key, []).append(position)
    under: dict[tuple[str, bool], list[Part]] = {}
    for leaf in forest.leaves if ours else ():
        around = {name for part in leaf.path for name in part.label.split(".")}
        for key in ((leaf.label, False), *((name, True) for name in around)):
            under.setdefault(key, []).append(leaf)
    for (name, inside), positions in ours.items():
        codes = sorted(forest.codes[position] for position in positions)
        theirs = [leaf for leaf in under.get((name, inside), ()) if leaf.code in codes]
        if codes == sorted(leaf.code for leaf in theirs):
            bits = sum(1 << position for position in positions)
            places = tuple((leaf, bits) for leaf in theirs)
            yield Clue("names", ("called", name, inside), places=places)


def _numbers(
    forest: Forest, kind: tuple[str, ...], parts: Sequence[Part], trusted: bool
) -> Iterator[Clue]:
    """What is numbered ascends; where no order of definition says the same, not what may run otherwise."""
    by_prefix: dict[tuple[str, ...], list[Buckets]] = {}
    for part in parts:
        for prefix, buckets in series([child.label for child in part.children]).items():
            chosen = tuple(tuple(part.children[i] for i in bucket) for bucket in buckets)
            if trusted or not only_tell_apart(forest, part, chosen):
                by_prefix.setdefault(prefix, []).append(chosen)
    for prefix, chains in by_prefix.items():
        yield Clue("numbers", ("series", *kind, *prefix), kind, chains=tuple(chains))


def _is_torn(buckets: Buckets) -> bool:
    """Whether parts are defined in another order than that of their numbers."""
    orders = [[part.order for part in bucket] for bucket in buckets]
    return any(max(low) > min(high) for low, high in pairwise(orders))


def _beside(kind: tuple[str, ...], parts: Sequence[Part]) -> Iterator[Clue]:
    """A norm and a layer that are alone in a group, or that have the same numbers throughout."""
    pairs: dict[tuple[str, ...], list[tuple[Part, Part]]] = {}
    for part in parts:
        leaves = [child for child in part.children if child.module is not None]
        if len(leaves) == len(part.children) == 2 and is_norm(leaves[0]) != is_norm(leaves[1]):
            pairs.setdefault(("alone",), []).append((leaves[0], leaves[1]))
            continue
        named: dict[str, dict[tuple[str, ...], Part]] = {}
        for leaf in leaves:
            number = suffix(leaf.label)
            if number:
                named.setdefault(leaf.label.removesuffix("".join(number)), {})[number] = leaf
        for norm, norms in named.items():
            for other, others in named.items():
                if _is_beside(norms, others):
                    for number in norms.keys() & others.keys():
                        found = norms[number], others[number]
                        pairs.setdefault((norm, other, *number), []).append(found)
    for key, members in pairs.items():
        group = (*kind, *key[:2])
        yield Clue("flow", ("beside", *kind, *key), group, beside=tuple(members))


def _is_beside(
    norms: Mapping[tuple[str, ...], Part], others: Mapping[tuple[str, ...], Part]
) -> bool:
    """Whether these are norms, and other layers with their numbers. Plain numbers may only count."""
    if not all(map(is_norm, norms.values())) or any(map(is_norm, others.values())):
        return False
    return norms.keys() == others.keys() or all(len(number) > 1 for number in others)


def is_norm(part: Part) -> bool:
    """Whether it is a layer with statistics."""
    return part.layer.is_norm


def _ordinals(kind: tuple[str, ...], parts: Sequence[Part]) -> Iterator[Clue]:
    """`input_norm` before `output_norm`, `first_block` before `second_block`; and among layers of one
    shape those that are before something, but not where what is after that is one of them:
    `post_attention_norm` may stand before `pre_feedforward_norm` where that has a `post_` of its own.
    """
    found: list[Buckets] = []
    for part in parts:
        alike: dict[object, dict[int, list[Part]]] = {}
        placed = [(child, *place_of(child.label)) for child in part.children]
        for child, place, rest in placed:
            if place is not None:
                alike.setdefault(rest, {}).setdefault(place, []).append(child)
        for child, place, rest in placed:
            if place is not None and not any(map(is_number, rest)) and len(alike[rest]) == 1:
                alike.setdefault(child.code, {}).setdefault(place, []).append(child)
        for places in alike.values():
            if len(places) > 1:
                found.append(tuple(tuple(places[place]) for place in sorted(places)))
    if found:
        yield Clue("words", ("ordinals", *kind), order=tuple(found))


def _definition(
    kind: tuple[str, ...], parts: Sequence[Part], silent: Collection[Part]
) -> Iterator[Clue]:
    """Parts come as they were defined, but for those of which that says nothing."""
    listed = [
        sorted((c for c in part.children if c not in silent), key=lambda child: child.order)
        for part in parts
    ]
    order = tuple(tuple((child,) for child in children) for children in listed)
    yield Clue("order", ("definition", *kind), kind, order=order)


def _repeats(forest: Forest) -> Iterator[Clue]:
    """Where units repeat, layers of one name in each come from one step; and from one call of it
    where the units are numbered under one name.
    """
    alike: dict[tuple[tuple[str, ...], ...], dict[object, list[Part]]] = {}
    called: dict[tuple[tuple[str, ...], ...], dict[object, list[Part]]] = {}
    for leaf in forest.leaves:
        for depth, unit in enumerate(leaf.path[:-1], 1):
            if _is_repeated(unit):
                inside = tuple(part.label for part in leaf.path[depth:])
                family: tuple[tuple[str, ...], ...] = (unit.kind, inside[:-1])
                alike.setdefault(family, {}).setdefault(inside, []).append(leaf)
                if is_number(unit.label) and unit.parent is not None:
                    key = (unit.parent.number, inside)
                    called.setdefault((unit.kind,), {}).setdefault(key, []).append(leaf)
    for families, counts in ((alike, (0, 1)), (called, (_ALL,))):
        for family, kinds in families.items():
            least = _least(counts[0])
            sets = tuple(tuple(leaves) for leaves in kinds.values() if len(leaves) >= least)
            for calls in counts if sets else ():
                name = ("alike", calls, *(word for words in family for word in words))
                yield Clue("repeats", name, family[0], alike=sets, calls=calls)


def _least(calls: int) -> int:
    """How many layers it takes to say that they come from one step: two calls may be written out."""
    return 3 if calls == _ALL else 2


def _is_repeated(part: Part) -> bool:
    """Whether it is numbered and more than a layer with its norm."""
    norms = sum(map(is_norm, part.leaves))
    return "#" in part.kind[-1] and (part.count > 2 or (part.count == 2 and norms != 1))


# --- words

# Several words for one place.
_SAME = {
    **dict.fromkeys(("downsample", "shortcut", "skip", "proj", "projection"), "shortcut"),
    **dict.fromkeys(("embed", "embeddings", "wte", "lookup"), "embedding"),
    **dict.fromkeys(("pos", "positions", "positional", "wpe"), "position"),
    "cls": "class",
    **{spelt: word for word, spellings in PROJECTIONS.items() for spelt in spellings},
}


def _of_kind(kind: str) -> Callable[[Layer], bool]:
    return lambda layer: layer.kind == kind


_PREVIOUS = {"prev", "previous"}
_PLACES: dict[str, Callable[[Layer], bool]] = {
    "shortcut": lambda layer: layer.is_shortcut,
    "gate": lambda layer: layer.is_gate,
    "pool": lambda layer: layer.after_pool,
    **{kind: _of_kind(kind) for kind in ("embedding", "position", "class", *PROJECTIONS)},
    # `ln_f`, `norm_f`: the whole word is said of the last norm of each unit too.
    "f": _of_kind("final"),
}


def _meanings(forest: Forest) -> Iterator[Clue]:
    """Words that mean a place in the net, and words that the net's own names have.

    A word counts where as many layers of the file are called by it as the net has there: of all
    shapes, or, if it means a place, of the shapes that it is said of. Of those, norms count apart: a
    file may not call them by it.
    """
    layers = forest.layers
    own = {word for layer in layers for word in layer.words if len(word) > 1}
    places = {word: sum(1 << i for i, x in enumerate(layers) if word in x.words) for word in own}
    for word, holds in _PLACES.items():
        places[word] = places.get(word, 0) | _bits(layers, holds)
    said: dict[str, list[Part]] = {}
    for leaf in forest.leaves:
        for word in {_SAME.get(w, w) for part in leaf.path for w in words(part.label)}:
            said.setdefault(word, []).append(leaf)
    for word in sorted(said.keys() & places.keys()):
        called = said[word]
        if len(called) == len(layers):
            continue
        for normed in (False, True) if word in _PLACES else (None,):
            chosen = [leaf for leaf in called if normed is None or leaf.is_vectors is normed]
            bits, meant = places[word], sorted(leaf.code for leaf in chosen)
            if normed is not None:
                bits &= sum(forest.places.get(code, 0) for code in set(meant))
            if chosen and meant == sorted(forest.codes_at(bits)):
                found = tuple((leaf, bits) for leaf in chosen)
                yield Clue("words", ("word", word, normed), places=found)


def _previous(kind: tuple[str, ...], parts: Sequence[Part]) -> Iterator[Clue]:
    """`conv_prev` reads older data than `conv` beside it."""
    found: list[tuple[Part, Part]] = []
    for part in parts:
        for child in part.children:
            said = words(child.label)
            if _PREVIOUS.intersection(said):
                rest = [word for word in said if word not in _PREVIOUS]
                found += [
                    (child, other)
                    for other in part.children
                    if other.code == child.code and words(other.label) == rest
                ]
    if found:
        yield Clue("words", ("previous", *kind), older=tuple(found))


def _bits(layers: Sequence[Layer], holds: Callable[[Layer], bool]) -> int:
    return sum(1 << i for i, layer in enumerate(layers) if holds(layer))
