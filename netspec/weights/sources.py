"""Where the numbers of a net come from: a seed, or tensors by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from netspec.diagnostics.messages.weights import KnownDiffers, NotReal, TensorsDiffer
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.weights.seeded import CHUNK, draw

if TYPE_CHECKING:
    import numpy as np

    from netspec.graph.checked import Graph
    from netspec.ops.declare.weight import Weight

    Array = np.ndarray[Any, np.dtype[np.float32]]


# Files may be in half precision, where numbers are rounded.
ROUNDING = 2**-8


class WeightSource(Protocol):
    """Gives a net's tensors, piece by piece."""

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """The tensor's elements in C order, as flat float32 arrays of at most a few MiB."""


def whole(source: WeightSource, name: str, weight: Weight) -> Array:
    """One tensor as an array in its shape."""
    import numpy as np

    flat = np.empty(weight.size, np.float32)
    start = 0
    for piece in source.pieces(name, weight):
        flat[start : start + piece.size] = piece
        start += piece.size
    return flat.reshape(weight.shape)


@record
class Seeded:
    """Initial weights: each by its scheme, from a seed."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"a seed is at least 0, not {self.seed}")

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """The weight's initial values from the seed, in flat float32 pieces."""
        return draw(weight, name, self.seed)


@record(slots=False)
class Given:
    """Tensors by name: a `state_dict`, or arrays. What the net itself says need not be there."""

    tensors: Mapping[str, Any]

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """The tensor of that name, in flat float32 pieces."""
        if weight.known and not (weight.yields and name in self.tensors):
            yield from draw(weight, name, 0)
            return
        flat = as_array(self.tensors[name]).reshape(-1)
        for start in range(0, flat.size, CHUNK):
            yield flat[start : start + CHUNK]


def as_array(tensor: Any) -> Array:
    """A tensor of torch or an array of numpy as a C-ordered float32 array."""
    import numpy as np

    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().float().numpy()
    return np.ascontiguousarray(tensor, dtype=np.float32)


def is_real(tensor: Any) -> bool:
    """Whether a tensor of torch or an array of numpy holds real numbers: no integers, no truths."""
    if hasattr(tensor, "is_floating_point"):
        return bool(tensor.is_floating_point())
    return getattr(getattr(tensor, "dtype", None), "kind", "") == "f"


def named_weights(graph: Graph) -> dict[str, Weight]:
    """Every tensor the graph owns, by its `state_dict` name, in order."""
    found = {}
    for node in graph.nodes:
        if node.owner == node.path:
            for weight in node.op.weights(*node.input_types):
                found[f"{node.path}.{weight.name}"] = weight
    return found


def given(graph: Graph, tensors: Mapping[str, Any]) -> Given:
    """Tensors as the weights of a graph, by name; raises NetspecError where they do not fit it.

    `num_batches_tracked` and tensors of training-only heads may be there and are left out. Fixed
    tensors need not be there; those that are must hold what the net says, unless they yield.
    """
    for name, tensor in tensors.items():
        if not hasattr(tensor, "shape"):
            raise TypeError(f"{name} is a {type(tensor).__name__}, not a tensor or array")
        if hasattr(tensor, "full_tensor"):  # only the processes together can make it whole
            raise TypeError(
                f"{name} is this process's share of a tensor: gather whole ones with torch's "
                "get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))"
            )
    heads = tuple(f"{head.name}." for head in graph.heads)
    wanted = named_weights(graph)
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in tensors.items()
        if name in wanted
        or not (name.endswith("num_batches_tracked") or (heads and name.startswith(heads)))
    }
    check_shapes(graph, shapes)
    for name, weight in wanted.items():
        if name not in tensors:
            continue
        if not is_real(tensors[name]):
            raise NetspecError(NotReal(name, str(getattr(tensors[name], "dtype", "objects"))))
        if weight.known and not weight.yields and not holds(as_array(tensors[name]), weight):
            raise NetspecError(KnownDiffers(name))
    return Given(tensors)


def known_values(weight: Weight) -> Array:
    """The numbers of a fixed tensor, in its shape."""
    import numpy as np

    return np.concatenate(list(draw(weight, "", 0))).reshape(weight.shape)


def holds(stored: Array, weight: Weight) -> bool:
    """Whether an array has a fixed tensor's numbers, as half precision rounds them or better."""
    import numpy as np

    expected = known_values(weight).squeeze()
    stored = stored.squeeze()
    if stored.shape != expected.shape:
        return False
    return bool((np.abs(stored - expected) <= ROUNDING * np.abs(expected)).all())


def check_shapes(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises NetspecError unless these are the graph's tensors, fixed ones if they are there."""
    wanted = named_weights(graph)
    missing = [name for name, weight in wanted.items() if name not in shapes and not weight.known]
    surplus = [name for name in shapes if name not in wanted]
    misshaped = [
        f"{name} is {shape_text(shapes[name])}, not {shape_text(weight.shape)}"
        for name, weight in wanted.items()
        if name in shapes and shapes[name] != weight.shape
    ]
    if missing or surplus or misshaped:
        raise NetspecError(TensorsDiffer(some(missing), some(surplus), some(misshaped)))


def shape_text(shape: Any) -> str:
    """A shape as messages have it: `64x3x7x7`, `scalar` for none."""
    return "x".join(map(str, shape)) or "scalar"


def some(items: list[str], *, separator: str = ", ") -> str:
    """At most 20 of the items as text, with their number if there are more; `none` if none."""
    shown = separator.join(items[:20])
    return (f"{shown}{separator}... ({len(items)})" if len(items) > 20 else shown) or "none"
