"""Tensors that a step has under a further name, `out_proj.weight`, as torch's layer that they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from netspec.backends.torch.source.code import Code, Const, Fn, Get, Item, Seq, Text, mapped
from netspec.backends.torch.source.signatures import signature_of
from netspec.backends.torch.source.trace import Line
from netspec.ops.declare.weight import Weight

_Sizes = Mapping[str, tuple[int, ...]]


def layers_of(
    own: Code, owned: Sequence[Weight], bodies: Sequence[Sequence[Line]]
) -> tuple[dict[str, Fn], list[list[Line]]]:
    """Layers that have tensors of a step, by their names, and the bodies with calls of them.

    `own` is the step's module. A layer is found where each body does with the tensors what it does, and
    nothing else.
    """
    found: dict[str, Fn] = {}
    lines = [list(body) for body in bodies]
    for name, sizes in _groups(owned).items():
        layer = _Layer(Get(own, name), own, name, sizes)
        tried = [
            [replace(line, code=mapped(line.code, layer.change)) for line in body] for body in lines
        ]
        left = [line.code for body in tried for line in body]
        if len(layer.kinds) == 1 and not any(map(layer.reads, left)):
            (found[name],) = layer.kinds
            lines = tried
    return found, lines


def _groups(owned: Sequence[Weight]) -> dict[str, dict[str, tuple[int, ...]]]:
    """The sizes of tensors under a further name, by that and their own."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for weight in owned:
        inner, _, name = weight.name.rpartition(".")
        if inner:
            found.setdefault(inner, {})[name] = weight.shape
    return found


class _Layer:
    """What layer the tensors of one name are of, as its uses say: `kinds` is how that is made."""

    def __init__(self, called: Code, own: Code, name: str, sizes: _Sizes) -> None:
        self._called, self._sizes = called, sizes
        self._weight, self._bias = (
            Item(Get(own, name), (Const(word),)) for word in ("weight", "bias")
        )
        self.kinds: set[Fn] = set()

    def reads(self, code: Code) -> bool:
        """Whether an expression still reads one of the tensors by itself."""
        found: list[Code] = []

        def see(part: Code) -> Code | None:
            if part in (self._weight, self._bias):
                found.append(part)
            return None

        mapped(code, see)
        return bool(found)

    def change(self, code: Code) -> Code | None:
        """A call of the layer in the place of what it computes."""
        for kind in (self._linear, self._table, self._norm):
            made = next(kind(code), None)
            if made is not None:
                layer, given = made
                self.kinds.add(layer)
                return Fn(self._called, (given,))
        return None

    def _linear(self, code: Code) -> Iterator[tuple[Fn, Code]]:
        match code:
            case Fn(Text("F.linear"), (given, weight, *bias), ()) if weight == self._weight:
                if bias == [self._bias] * ("bias" in self._sizes):
                    out, into = self._sizes["weight"]
                    sizes = {"in_features": into, "out_features": out, "bias": bool(bias)}
                    yield _made("Linear", sizes), given

    def _table(self, code: Code) -> Iterator[tuple[Fn, Code]]:
        match code:
            case Item(weight, (given,)) if weight == self._weight and "bias" not in self._sizes:
                rows, columns = self._sizes["weight"]
                yield _made("Embedding", {"num_embeddings": rows, "embedding_dim": columns}), given

    def _norm(self, code: Code) -> Iterator[tuple[Fn, Code]]:
        names = {"F.layer_norm": "LayerNorm", "F.rms_norm": "RMSNorm"}
        match code:
            case Fn(Text(word), (given, Seq((Const(size),)), *rest), ()) if word in names:
                own = [self._weight, *([self._bias] if word == "F.layer_norm" else [])]
                eps = [value.value for value in rest[len(own) :] if isinstance(value, Const)]
                if rest[: len(own)] == own and self._sizes["weight"] == (size,):
                    values = {"normalized_shape": size, **({"eps": eps[0]} if eps else {})}
                    yield _made(names[word], values), given


def _made(kind: str, values: Mapping[str, object]) -> Fn:
    pairs = tuple((name, Const(value)) for name, value in values.items())  # type: ignore[arg-type]
    return Fn(Text(f"nn.{kind}"), (), pairs, signature_of(kind))
