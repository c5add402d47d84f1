"""The calls of a file's functions written out: what a file with functions computes, as a flat graph.

Files come from anywhere: a function may call only those before it, so none calls itself, and what all
calls come to is counted before any is written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnx import FunctionProto, ModelProto, NodeProto

# What the functions that netspec writes belong to.
DOMAIN = "netspec"
# The entry of a call's metadata that says how many copies of a block it stands for: what is inside is
# named from the path around it then.
REPEAT = "netspec.repeat"
# More nodes than the longest net has, and more bytes than they take.
MOST_NODES = 2**18
MOST_BYTES = 2**28
# Calls inside calls: blocks nest to 64, and each may be repeated.
_DEEPEST = 128


def check_functions(model: ModelProto, most: int = MOST_NODES) -> None:
    """Raises ValueError where a model's functions are not as netspec writes them.

    `most` are the nodes that it may have with all calls written out.
    """
    versions = {opset.domain: opset.version for opset in model.opset_import}
    # By name, what calls of a function take and give, its nodes and all that are called, its depth.
    known: dict[str, tuple[int, int, int, int]] = {}
    for function in model.functions:
        name = function.name
        if function.domain != DOMAIN or function.overload or not name or name in known:
            raise ValueError(f"the function {name} is not one of netspec's own")
        if function.attribute or function.attribute_proto or function.value_info:
            raise ValueError(f"the function {name} has more than inputs and outputs")
        asked = {opset.domain: opset.version for opset in function.opset_import}
        if any(versions.get(domain) != version for domain, version in asked.items()):
            raise ValueError(f"the function {name} is for another opset")
        _check_names(function)
        count, depth = _count(function.node, known)
        if depth > _DEEPEST:
            raise ValueError(f"the function {name} calls {depth} deep")
        _hold(count, most)
        known[name] = len(function.input), len(function.output), count, depth
    _hold(_count(model.graph.node, known)[0], most)


def inlined_nodes(model: ModelProto) -> list[NodeProto]:
    """The nodes of a checked model with all calls written out, those of blocks under their paths.

    Raises ValueError where that takes too many bytes.
    """
    functions = {function.name: function for function in model.functions}
    if not functions:
        return list(model.graph.node)
    return _Inlining(model, functions).nodes


def inline(model: ModelProto) -> ModelProto:
    """A checked model with all calls written out in place; the same model."""
    if model.functions:
        nodes = [NodeProto.FromString(node.SerializeToString()) for node in inlined_nodes(model)]
        del model.graph.node[:], model.functions[:]
        model.graph.node.extend(nodes)
        kept = [opset for opset in model.opset_import if opset.domain != DOMAIN]
        copies = [type(opset).FromString(opset.SerializeToString()) for opset in kept]
        del model.opset_import[:]
        model.opset_import.extend(copies)
    return model


def _hold(count: int, most: int) -> None:
    if count > most:
        raise ValueError(f"its functions come to {count:,} nodes")


def _count(
    nodes: Sequence[NodeProto], known: Mapping[str, tuple[int, int, int, int]]
) -> tuple[int, int]:
    """How many nodes some come to with all calls written out, and how deep the calls go."""
    count, deepest = 0, 0
    for node in nodes:
        if any(attribute.ref_attr_name for attribute in node.attribute):
            raise ValueError(f"the operator {node.op_type} reads an attribute of a function")
        if node.domain != DOMAIN:
            count += 1
            continue
        if node.op_type not in known:
            raise ValueError(f"it calls the function {node.op_type}, which is not there before it")
        takes, gives, inner, depth = known[node.op_type]
        if node.attribute or node.overload or not all((*node.input, *node.output)):
            raise ValueError(f"the call of {node.op_type} is not as netspec writes it")
        if (len(node.input), len(node.output)) != (takes, gives):
            raise ValueError(f"the function {node.op_type} takes {takes} and gives {gives}")
        count += 1 + inner
        deepest = max(deepest, 1 + depth)
    return count, deepest


def _check_names(function: FunctionProto) -> None:
    """Raises ValueError where a body reads what is not there, or makes what is there already."""
    known = set(function.input)
    if len(known) < len(function.input) or not all((*function.input, *function.output)):
        raise ValueError(f"the inputs of the function {function.name} have no names of their own")
    made: set[str] = set()
    for node in function.node:
        if not known.issuperset(filter(None, node.input)):
            raise ValueError(f"the function {function.name} reads what is not there")
        for name in filter(None, node.output):
            if name in known:
                raise ValueError(f"the function {function.name} makes {name} twice")
            known.add(name)
            made.add(name)
    if len(set(function.output)) < len(function.output) or not made.issuperset(function.output):
        raise ValueError(f"the function {function.name} does not make what it gives")


class _Inlining:
    def __init__(self, model: ModelProto, functions: Mapping[str, FunctionProto]) -> None:
        self._functions = functions
        self.nodes: list[NodeProto] = []
        self._bytes = 0
        # By name, the last that was tried in its place.
        self._tried: dict[str, str] = {}
        graph = model.graph
        self._taken = {item.name for item in (*graph.input, *graph.output, *graph.initializer)}
        self._taken |= {name for node in graph.node for name in node.output}
        for node in graph.node:
            self._add(node, {}, "")

    def _add(self, node: NodeProto, names: dict[str, str], prefix: str) -> None:
        """Adds a node, or what it calls, under the names that its tensors have outside."""
        name = f"{prefix}.{node.name}" if prefix and node.name else node.name
        if node.domain != DOMAIN:
            found = NodeProto()
            found.CopyFrom(node)
            found.name = name
            found.input[:] = [names.get(one, one) for one in node.input]
            found.output[:] = [names.get(one, one) for one in node.output]
            self._take(found)
            self.nodes.append(found)
            return
        self._take(node)
        function = self._functions[node.op_type]
        inner = dict(zip(function.input, (names.get(one, one) for one in node.input), strict=True))
        inner.update(
            zip(function.output, (names.get(one, one) for one in node.output), strict=True)
        )
        if any(entry.key == REPEAT for entry in node.metadata_props):
            name = name.rpartition(".")[0]
        for one in function.node:
            for made in filter(None, one.output):
                if made not in inner:
                    inner[made] = self._free(f"{name}.{made}" if name else made)
            self._add(one, inner, name)

    def _take(self, node: NodeProto) -> None:
        self._bytes += node.ByteSize()
        if self._bytes > MOST_BYTES:
            raise ValueError(f"its functions come to more than {MOST_BYTES:,} bytes")

    def _free(self, name: str) -> str:
        free = self._tried.get(name, name)
        while free in self._taken:
            free += "."
        self._tried[name] = free
        self._taken.add(free)
        return free
