"""PyTorch source held against `to_torch`: the names, what is trained, and each bit of what they answer."""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from support.differential import Varied, inputs_for, legal
from torch import nn
from torch.overrides import TorchFunctionMode

from netspec.analysis.costs import costs
from netspec.backends.torch.modules import to_module
from netspec.graph.checked import Graph

TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|[^\s\w]")
# Larger than the examples that a source is traced with.
_BEYOND = 135
# Multiply-adds of a sample from which on a net is run on two samples alone.
_MANY = 2_000_000_000


class _Undrawn(TorchFunctionMode):
    """torch's layers keep whatever stands in their memory: a state is loaded into them anyway."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init":
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return func(*args, **(kwargs or {}))


def made(text: str) -> nn.Module:
    """The net of a file, which is its last class."""
    module = types.ModuleType("made")
    exec(compile(text, "made.py", "exec"), module.__dict__)
    found = [value for value in vars(module).values() if getattr(value, "__module__", "") == "made"]
    net: nn.Module = found[-1]()
    return net


def faults(
    graph: Graph, text: str, *, training: bool = False, large: bool = False
) -> Iterator[str]:
    """What the net of a graph's source does unlike that of `to_torch` with the same tensors.

    Each net is run at two sizes where its own are open, and on one sample and on three, or on two
    alone where they take long. `large` sizes are those beyond all that the source was traced with.
    """
    with _Undrawn():
        net = made(text)
    theirs = to_module(graph, Varied())
    state = theirs.state_dict()
    if list(net.state_dict()) != list(state):
        yield "the names of the states"
        return
    if [name for name, _ in net.named_buffers()] != [name for name, _ in theirs.named_buffers()]:
        yield "the names of the buffers"
    # What is not trained is only read, and may be the same tensors.
    net.load_state_dict(state, assign=not training)
    if _trained(net) != _trained(theirs):
        yield "what is trained"
    sizes = legal(graph)
    if large and graph.symbols:
        most = graph.legality.example(_BEYOND)
        sizes += [most] * (most is not None and max(most.values()) <= 2 * _BEYOND)
    if not graph.symbols and costs(graph).macs > _MANY:
        ways = [(2, sizes[0])]
    else:
        ways = list(zip((1, 3, 2), sizes * 2 if len(sizes) == 1 else sizes, strict=False))
    if not ways:
        yield "no size is small enough to run"
    for batch, size in ways:
        given = [torch.from_numpy(array) for array in inputs_for(graph, batch, size)]
        for mode in (False, True) if training else (False,):
            expected, found = (_answered(module, given, mode) for module in (theirs, net))
            if _form(expected) != _form(found):
                yield f"{_form(found)} for {_form(expected)}"
            elif any(map(_differ, tensors(found), tensors(expected))):
                yield f"outputs for {batch} of {size or 'its size'}" + " in training" * mode


def _trained(net: nn.Module) -> list[str]:
    return [name for name, parameter in net.named_parameters() if parameter.requires_grad]


def _answered(net: nn.Module, given: list[torch.Tensor], mode: bool) -> object:
    torch.manual_seed(0)
    with torch.no_grad():
        return net.train(mode)(*given)


def _form(answer: object) -> str:
    """How the tensors of an answer stand in each other."""
    if isinstance(answer, torch.Tensor):
        return "tensor"
    if isinstance(answer, dict):
        return str({name: _form(part) for name, part in answer.items()})
    assert isinstance(answer, tuple)
    return f"({', '.join(map(_form, answer))})"


def _differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return True
    return one.contiguous().numpy().tobytes() != other.contiguous().numpy().tobytes()


def tensors(answer: object) -> list[torch.Tensor]:
    """The tensors of what a net gives, in order."""
    if isinstance(answer, torch.Tensor):
        return [answer]
    if isinstance(answer, dict):
        return [tensor for part in answer.values() for tensor in tensors(part)]
    assert isinstance(answer, tuple)
    return [tensor for part in answer for tensor in tensors(part)]


def bare(text: str) -> str:
    """A file without its docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return ast.unparse(tree)
