"""The graph of an archive as a module of torch: call by call, each checked before it is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

from netspec.backends.onnx.blocks.inlining import MOST_NODES
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.foundation.records import record
from netspec.importing.archives.members import Members, refused
from netspec.importing.archives.operators import callable_of, is_assertion, keywords_of
from netspec.importing.archives.tensors import tensors_of
from netspec.importing.archives.values import TYPES, Values, whole
from netspec.system.reading import MOST_AXES, reading

_TEXTS = ("models/model.json", "serialized_exported_program.json")
# Elements of one tensor while it runs.
_LARGEST = 2**31
_POSITIONAL = 1


@record(eq=False)
class Program:
    """A module that computes what an archive says, and what it is called with; `free` batches may be any."""

    module: Any
    example: tuple[Any, ...]
    free: bool


def read_program(torch: Any, members: Members) -> Program:
    """The module of an archive; raises NetspecError for what is none, or calls what is not in the list."""
    text = members.text(next((name for name in _TEXTS if name in members), _TEXTS[0]))
    tensors = tensors_of(torch, members)
    with reading(lambda reason: refused(members.path, reason)):
        building = _Building(torch, members, text["graph_module"], tensors)
        module = building.module()
        example, free = building.example()
        _check_sizes(torch, module, example)
    return Program(module, example, free)


class _Building:
    def __init__(
        self, torch: Any, members: Members, said: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> None:
        self.torch, self.path = torch, members.path
        self.said, self.tensors = said, tensors
        self.graph = torch.fx.Graph()
        self.root = torch.nn.Module()
        self.made: dict[str, Any] = {}
        self.inputs: list[str] = []
        self.values = Values(torch, self._tensor)

    def module(self) -> Any:
        graph = self.said["graph"]
        if len(graph["nodes"]) > MOST_NODES:
            raise refused(self.path, f"it has {len(graph['nodes']):,} calls")
        for spec in self.said["signature"]["input_specs"]:
            self._input(spec)
        for number, node in enumerate(graph["nodes"]):
            with reading(partial(self._refused, node, number)):
                self._call(node)
        outputs = []
        for spec in self.said["signature"]["output_specs"]:
            ((kind, held),) = spec.items()
            if kind != "user_output":
                raise refused(self.path, f"it changes what it holds ({printable(kind)})")
            outputs.append(self.values.of(held["arg"]))
        self.graph.output(tuple(outputs))
        inner = self.torch.fx.GraphModule(self.root, self.graph)

        class Calls(self.torch.nn.Module):  # type: ignore[misc, name-defined]
            """The calls of an archive, as a module that exporters take for one."""

            def __init__(self) -> None:
                super().__init__()
                self.inner = inner

            def forward(self, *inputs: Any) -> Any:
                return self.inner(*inputs)

        return Calls().eval()

    def example(self) -> tuple[tuple[Any, ...], bool]:
        """What the module is called with, of the sizes that the archive says; whether any batch may be."""
        found, leading = [], []
        for name in self.inputs:
            meta = self.said["graph"]["tensor_values"][name]
            sizes = []
            for axis, item in enumerate(meta["sizes"]):
                ((kind, held),) = item.items()
                if axis == 0:
                    leading.append(str(held["expr_str"]) if kind == "as_expr" else None)
                hint = held if kind == "as_int" else (held.get("hint") or {"as_int": 2})["as_int"]
                sizes.append(whole(hint))
            dtype = getattr(self.torch, TYPES[whole(meta["dtype"])])
            if min(sizes, default=1) < 1 or len(sizes) > MOST_AXES or prod(sizes) > _LARGEST:
                raise refused(self.path, f"its input {printable(name)} has sizes that are none")
            found.append(self.torch.zeros(sizes, dtype=dtype))
        free = bool(leading) and leading[0] is not None and len(set(leading)) == 1
        return tuple(found), free

    def _input(self, spec: Mapping[str, Any]) -> None:
        """An input of the graph: one of the net's, or a tensor that the archive holds."""
        ((kind, held),) = spec.items()
        if kind == "user_input":
            ((what, arg),) = held["arg"].items()
            if what != "as_tensor":
                raise refused(self.path, "an input of it is no tensor")
            self._add(arg["name"], self.graph.placeholder(f"input{len(self.inputs)}"))
            self.inputs.append(arg["name"])
            return
        key = {"parameter": "parameter_name", "buffer": "buffer_name"}.get(kind)
        key = "tensor_constant_name" if kind == "tensor_constant" else key
        if key is None:
            raise refused(self.path, f"it holds a {printable(kind)}, which is not read")
        tensor = self.tensors.get(held[key])
        if tensor is None:
            raise refused(self.path, f"the numbers of {printable(held[key])} are not there")
        # Names of torch's own attributes could be among the archive's.
        name = f"tensor{len(self.made)}"
        self.root.register_buffer(name, tensor)
        self._add(held["arg"]["name"], self.graph.get_attr(name))

    def _call(self, node: Mapping[str, Any]) -> None:
        target = node["target"]
        if is_assertion(target):
            return
        function = callable_of(self.torch, target)
        if function is None:
            raise ValueError("it is not among the operators that are read")
        given, named = [], {}
        keywords = keywords_of(self.torch, target)
        for item in node["inputs"]:
            value = self.values.of(item["arg"])
            kind = item.get("kind")
            if kind == _POSITIONAL or (kind is None and item["name"] not in keywords):
                given.append(value)
            else:
                named[str(item["name"])] = value
        made = self.graph.call_function(function, tuple(given), named)
        self._results(node["outputs"], made)

    def _results(self, outputs: Sequence[Mapping[str, Any]], made: Any) -> None:
        import operator

        parts = []
        for output in outputs:
            ((kind, held),) = output.items()
            if kind in ("as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"):
                parts.append(held.get("name") or held.get("as_name"))
            elif kind == "as_none":
                parts.append(None)
            elif kind == "as_tensors" and len(outputs) == 1:
                names = [item["name"] for item in held]
                for index, name in enumerate(names):
                    self._add(name, self.graph.call_function(operator.getitem, (made, index)))
                return
            else:
                raise ValueError(f"it gives a value of the kind {kind}, which is not read")
        if len(parts) == 1:
            if parts[0] is not None:
                self._add(parts[0], made)
            return
        for index, name in enumerate(parts):
            if name is not None:
                self._add(name, self.graph.call_function(operator.getitem, (made, index)))

    def _refused(self, node: Any, number: int, reason: str) -> NetspecError:
        target = node.get("target", "") if isinstance(node, Mapping) else ""
        called = f"its call {number + 1} of {printable(str(target))[:80]}"
        return refused(self.path, f"{called}: {reason}")

    def _add(self, name: Any, node: Any) -> None:
        if not isinstance(name, str) or name in self.made:
            raise ValueError(f"{printable(str(name))} is made twice, or is no name")
        self.made[name] = node

    def _tensor(self, name: str) -> Any:
        if name not in self.made:
            raise ValueError(f"it reads {printable(str(name))}, which nothing made")
        return self.made[name]


def _check_sizes(torch: Any, module: Any, example: tuple[Any, ...]) -> None:
    """Runs a module on tensors without numbers; raises ValueError where one would be too large."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode()

    class Sizes(torch.fx.Interpreter):  # type: ignore[misc]
        def fetch_attr(self, target: str) -> Any:
            return mode.from_tensor(getattr(module.inner, target))

        def run_node(self, node: Any) -> Any:
            found = super().run_node(node)
            for item in found if isinstance(found, list | tuple) else (found,):
                if isinstance(item, torch.Tensor) and item.numel() > _LARGEST:
                    raise ValueError(f"a tensor of it has {item.numel():,} numbers")
                if isinstance(item, int) and abs(item) >= 2**63:
                    raise ValueError("a size of it is beyond all bounds")
            return found

    with mode:
        Sizes(module.inner).run(*(mode.from_tensor(tensor) for tensor in example))
