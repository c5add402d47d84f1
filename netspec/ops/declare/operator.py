"""What an operator is: one declaration that shape rule, cost, PyTorch and ONNX all read.

A subclass states its parameters as fields and implements the hooks below. A hook that is missing or
misspelt is refused when the class is made, not when a net first needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, TypeVar, dataclass_transform

from netspec.ops.declare import params
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.interfaces import Builder, Modules, Operand, V
from netspec.ops.declare.linear import Linear, Scaling, Tensor
from netspec.ops.declare.params import MISSING, Param
from netspec.ops.declare.part import Part
from netspec.ops.declare.reach import POINTWISE, Reach
from netspec.ops.declare.values import show
from netspec.ops.declare.weight import Weight
from netspec.ops.words import HOMES
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

T = TypeVar("T")

_HOOKS = frozenset(
    {
        "connect",
        "infer",
        "weights",
        "macs",
        "reach",
        "figure",
        "torch",
        "compute",
        "draws",
        "train",
        "onnx",
        "deployed",
        "scaling",
        "linear",
    }
    | {"window"}
)
_DECLARATIONS = frozenset(
    {"spelling", "aliases", "arity", "takes_ids", "follows", "defaults_of", "examples", "order"}
    | {"random", "joins", "carried", "sized_by", "either", "batches", "places", "looks_back"}
    | {"moves"}
)

# Every operator class that has been made, by the words for it.
DECLARED: dict[str, type[Operator]] = {}


@dataclass_transform(
    kw_only_default=True, field_specifiers=(params.count, params.real, params.flag)
)
class Operator:
    """Base of all operators. Fields are declared with the functions of `netspec.ops.declare.params`.

    Class attributes:
        spelling: the word in a spec. Classes without one are abstract.
        aliases: other words for it.
        arity: how many tensors it takes; None for any number, joining what the wire carries.
        joins: a merge word: takes branches in braces.
        takes_ids: it reads integer ids and not numbers.
        moves: it gives elements as they are: ids of ids.
        order: parameters that can be given by position, in order.
        either: parameters of which at most one is given; a step's own displaces a default.
        follows: names of layer parameters (`norm`, `act`) emitted after it as nodes of their own.
        defaults_of: another operator whose `default` lines apply to this one too.
        random: it draws random numbers in training.
        carried: how many of its outputs flow on; None for all. The others are read by reference.
        batches: how the rows of several inputs meet: `same`, a tensor that is one for all samples being
            repeated for each first; `broadcast`, where that needs no repeating; or `own`, where the
            operator says itself.
        sized_by: the input from which on inputs give only their size or indices; None if none does.
        places: the inputs, by number, that say where in a map or an image: half precision has not the
            digits for them.
        looks_back: its `connect` looks at where tensors come from, or at their types; others tell
            tensors apart and count them.
        examples: `(input, step)` pairs: sizes as typed after `input`, and a step that takes them.
    """

    spelling: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    arity: ClassVar[int | None] = 1
    joins: ClassVar[bool] = False
    takes_ids: ClassVar[bool] = False
    moves: ClassVar[bool] = False
    order: ClassVar[tuple[str, ...]] = ()
    either: ClassVar[tuple[str, ...]] = ()
    follows: ClassVar[tuple[str, ...]] = ()
    defaults_of: ClassVar[str | None] = None
    random: ClassVar[bool] = False
    carried: ClassVar[int | None] = None
    sized_by: ClassVar[int | None] = None
    batches: ClassVar[str] = "same"
    places: ClassVar[tuple[int, ...]] = ()
    looks_back: ClassVar[bool] = False
    examples: ClassVar[tuple[tuple[str, str], ...]] = ()
    params: ClassVar[dict[str, Param]] = {}
    _references: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        inherited: dict[str, Param] = {}
        for base in reversed(cls.__bases__):
            inherited |= getattr(base, "params", {})
        for name, value in list(vars(cls).items()):
            if isinstance(value, Param):
                inherited[name] = value
                delattr(cls, name)
            elif not name.startswith("_") and name not in _HOOKS | _DECLARATIONS:
                raise TypeError(f"{cls.__name__}.{name} is not a hook or declaration of Operator")
        cls.params = inherited
        cls._references = tuple(n for n, p in inherited.items() if isinstance(p, params.Reference))
        if "spelling" not in vars(cls):
            return
        if not cls.examples:
            raise TypeError(f"{cls.__name__} declares no examples")
        if not cls.__doc__:
            raise TypeError(f"{cls.__name__} has no docstring")
        for hook in ("infer", "macs", "reach", "onnx"):
            if getattr(cls, hook) is getattr(Operator, hook):
                raise TypeError(f"{cls.__name__} does not define {hook}")
        if cls.torch is Operator.torch and cls.compute is Operator.compute:
            raise TypeError(f"{cls.__name__} defines neither torch nor compute")
        unknown = [n for n in (*cls.order, *cls.either, *cls.follows) if n not in inherited]
        if unknown:
            raise TypeError(f"{cls.__name__} orders unknown parameters {unknown}")
        for name, param in inherited.items():
            if not param.doc:
                raise TypeError(f"{cls.__name__}: {name} has no doc")
        words = (cls.spelling, *cls.aliases)
        for word in words:
            home = HOMES.get(word, "")
            # What is shipped under the word is declared first, so that the two meet here.
            if home not in ("", cls.__module__):
                import_module(home)
            if word in DECLARED:
                raise TypeError(f"`{word}` is already {DECLARED[word].__name__}")
        DECLARED.update(dict.fromkeys(words, cls))

    def __init__(self, **values: Any) -> None:
        """Takes checked values; missing ones get their defaults."""
        for name, param in self.params.items():
            value = values.pop(name, param.default)
            if value is MISSING:
                raise TypeError(f"{self.spelling} needs {name}")
            self.__dict__[name] = value
        if values:
            raise TypeError(f"{self.spelling} has no {', '.join(values)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__))

    def __repr__(self) -> str:
        given = (f"{k}={show(v)}" for k, v in self.__dict__.items() if v is not None)
        word = getattr(self, "spelling", type(self).__name__.lower())
        return f"{word}({', '.join(given)})"

    @classmethod
    def usage(cls) -> str:
        """One line: an example, then the parameters."""
        names = ", ".join(
            name if param.default is MISSING else f"{name}={show(param.default)}"
            for name, param in cls.params.items()
        )
        return f"usage: `{cls.examples[0][1]}`; parameters: {names or 'none'}"

    def references(self) -> tuple[str, ...]:
        """The parameters that are given as a further tensor, in the order of the last inputs."""
        return tuple([name for name in self._references if self.__dict__[name]])

    def apart(self, inputs: Sequence[T]) -> tuple[tuple[T, ...], dict[str, T]]:
        """The inputs that came by the wire or by position, and those by the name of a parameter."""
        names = self.references()
        plain = len(inputs) - len(names)
        return tuple(inputs[:plain]), dict(zip(names, inputs[plain:], strict=True))

    # hooks

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        """The node's inputs: what the wire carries, then the `@references` given by position.

        Those given by the name of a parameter come last, in the order of `references`.
        """
        return (*wire, *references)

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        """The output's type. The first is what flows on; raises Rejection where there is none."""
        raise NotImplementedError

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The tensors it owns, in state_dict order."""
        return ()

    def macs(self, *inputs: TensorType) -> Dim:
        """Multiply-adds for one sample; convolutions, linear and recurrent layers count."""
        raise NotImplementedError

    def reach(self, *inputs: TensorType) -> Reach:
        """What one output element sees of the input, for receptive fields."""
        raise NotImplementedError

    def window(self, *inputs: TensorType) -> Geometry | None:
        """The window it slides, every size and pad resolved; None if it slides none."""
        return None

    def figure(self, *inputs: TensorType) -> tuple[Part, ...]:
        """What it does step by step, in order, where papers draw that; none by default.

        Inputs come first, in their order; what is done for `each` of something stands together.
        """
        return ()

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        """The `torch.nn.Module` that computes it; by default one that calls `compute`."""
        return modules.apply(self, *inputs)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        """The outputs from tensors, for operators without a module of torch's own."""
        raise NotImplementedError

    def draws(self, *inputs: TensorType) -> tuple[str, ...]:
        """Names of random numbers that operators apart must share in one training pass.

        They are drawn for the samples of a batch: what has other rows shares none.
        """
        return ()

    def train(self, torch: Any, draws: Mapping[str, Any], *inputs: Any, **weights: Any) -> Any:
        """The outputs in training, where they differ from `compute`: what draws random numbers.

        `draws` holds those of its `draws`, by name: one in [0, 1) for each sample, the same for
        all operators that ask by that name.
        """
        return self.compute(torch, *inputs, **weights)

    def onnx(self, graph: Builder, *inputs: Operand) -> str | tuple[str, ...]:
        """Adds its ONNX nodes; returns the names of its outputs."""
        raise NotImplementedError

    def deployed(self) -> int | None:
        """The input that passes unchanged through the deployed net, None if it computes there."""
        return None

    def scaling(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Scaling | None:
        """The scale and shift of each channel, if that is all it does when deployed.

        `own` are its tensors by name.
        """
        return None

    def linear(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Linear | None:
        """The kernel and bias of a layer that is linear, for folding others into them."""
        return None


def _rebuild(kind: type[Operator], values: dict[str, Any]) -> Operator:
    return kind(**values)


class Elementwise(Operator):
    """An operator of one tensor that keeps its shape and sees one element at a time."""

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0].with_shape(*inputs[0].shape)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE
