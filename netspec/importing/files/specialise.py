"""A model at one batch and one size of its inputs: every tensor's size is known, constants are computed.

What a file computes of its own sizes, as exporters write reshapes of a dynamic batch, comes out as
numbers. That they hold at other batches too is for the proof to show.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    defs,
    helper,
    numpy_helper,
)
from onnx.shape_inference import infer_node_outputs

from netspec.backends.onnx.blocks.inlining import MOST_NODES
from netspec.diagnostics.records import printable
from netspec.importing.files.chains import chained
from netspec.importing.files.composed import COMPOSED, composed
from netspec.importing.files.computing import computed
from netspec.importing.files.counted import counted
from netspec.importing.files.einsum import as_products, bounded
from netspec.importing.files.looping import LOOPS, UNREAD, Loops, scanned
from netspec.importing.files.normal import normalised
from netspec.importing.files.program import Array, Input, Node, Program
from netspec.importing.files.reading import as_array, attributes_of, refused
from netspec.importing.files.regions import REGIONS, regions_of
from netspec.importing.files.runtime import LAID_OUT, OWN, UNOFFICIAL, taken_apart
from netspec.importing.files.scoping import scopes_of
from netspec.importing.files.tables import Tables
from netspec.system.reading import MOST_AXES, reading

# The batch that stands in for a free one: 1 would hide which sizes follow it.
BATCH = 2
# What stands in for another size that is open, and where three of one input are.
OPEN, VOLUME = 224, 64
# Sizes of files that cannot be read at that: of windows over more, the first for lengths alone, and of
# tables with fewer rows.
OTHERS = (4096, 1024, 512, 128, 64, 32, 16, 8, 7, 6, 5, 4, 3)
# Elements of one tensor, and of a constant that is computed.
_LARGEST = 2**31
_MOST_COMPUTED = 2**26
_ROOM = 2**28
# Multiplications of a product of constants.
_MOST_MULTIPLIED = 2**32
# Of a constant that is computed element by element.
_MOST_RESIZED = 2**14
# Elements of constants that sizes may depend on.
_SIZES = 2**12
# What has a use for values of its inputs while a file is read: arithmetic alone, bounded by its output.
_COMPUTED = frozenset(
    """
    Abs Add And BatchNormalization Cast CastLike Ceil Celu Clip Concat ConstantOfShape Conv Cos CumSum Div
    Einsum Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm Greater
    GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization IsNaN
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max Mean Min Mish Mod Mul Neg Not
    OneHot Or Pad Pow PRelu Range Reciprocal ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare Relu Reshape Resize RMSNormalization Round ScatterElements ScatterND Selu
    Sigmoid Sign Sin Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Trilu
    Unsqueeze Where
    """.split()
)
# What ONNX Runtime's optimisers write in files of older opsets too: the first that has it.
# Comparisons of older ones are functions there, of which nothing tells the sizes; norms of groups of
# before 21 ONNX calls deprecated.
_SINCE = {
    **{"LayerNormalization": 17, "GroupNormalization": 21},
    **{"GreaterOrEqual": 16, "LessOrEqual": 16},
}
# What reads sequences and states whose second axis is the batch.
_RECURRENT = frozenset({"LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"})
# What gives its input in evaluation.
_IDLE = frozenset({"Identity", "Dropout"})
_WHOLE = {TensorProto.INT32, TensorProto.INT64}
_INTEGERS = {TensorProto.INT64, TensorProto.INT32, TensorProto.INT16, TensorProto.INT8}
_INTEGERS |= {TensorProto.UINT8, TensorProto.BOOL}


def specialised(
    path: Path,
    proto: ModelProto,
    arrays: dict[str, Array],
    sizes: Mapping[str, int],
    others: int = OPEN,
) -> Program:
    """A flat model in single precision as a program; `arrays`, its constants, are added to.

    `sizes` are those of inputs' symbols, `others` where none is given. Raises NetspecError for a model that
    cannot be read.
    """
    return _Specialising(path, proto, arrays, sizes, others).program()


def program_of(proto: ModelProto) -> Program:
    """A model whose numbers stand in it, without functions, as a program."""
    path = Path(f"<{proto.graph.name}>")
    arrays = {
        tensor.name: as_array(path, tensor, tensor.name) for tensor in proto.graph.initializer
    }
    return specialised(path, proto, arrays, {})


class _Specialising:
    def __init__(
        self,
        path: Path,
        proto: ModelProto,
        arrays: dict[str, Array],
        sizes: Mapping[str, int],
        others: int,
    ) -> None:
        self.path, self.proto, self.sizes, self.others = path, proto, sizes, others
        self.tables = Tables(arrays)
        self.constants: dict[str, Array] = arrays
        self.types: dict[str, TypeProto] = {}
        self.same: dict[str, str] = {}
        self.nodes: list[Node] = []
        # Elements that may be computed in all: small nodes could make one constant over and over.
        self.room: float = _ROOM + 8 * sum(array.size for array in arrays.values())
        self.read = {item.name for item in proto.graph.output} | set(_read(proto.graph))
        # What the file says of tensors, for those whose sizes do not follow from its operators.
        self.told = {
            item.name: item.type for item in (*proto.graph.value_info, *proto.graph.output)
        }
        self.symbols: dict[str, int] = {}
        self.loops = Loops(self)
        # The first node that computed each constant of the same ones.
        self.computed: dict[tuple[str | bytes, ...], NodeProto] = {}
        self.second = _steps_first(proto.graph)
        self.regions = regions_of(proto.graph)
        self.opset = max(
            (o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=0
        )
        if not self.opset:
            raise refused(path, "it says no opset")
        if not 0 < self.opset <= defs.onnx_opset_version():
            raise refused(
                path, f"it says opset {self.opset}: ONNX has 1 to {defs.onnx_opset_version()}"
            )

    def program(self) -> Program:
        graph = self.proto.graph
        inputs = tuple(
            self._input(item, first)
            for first, item in enumerate(i for i in graph.input if i.name not in self.constants)
        )
        if not inputs:
            raise refused(self.path, "it has no input: what it gives is always the same")
        samples = [item for item in inputs if not item.regions]
        free = all(item.is_free for item in samples)
        fixed = [(i.sizes[i.batch] or BATCH) if i.sizes else 1 for i in samples]
        batch = BATCH if free else max(fixed, default=1)
        for proto in graph.node:
            self.add(proto)
        outputs = []
        for item in graph.output:
            name = self.real(item.name)
            if name not in self.types and name not in self.constants:
                raise refused(self.path, f"nothing makes its output {printable(item.name)}")
            outputs.append(name)
        known = ((name, self._shape(kind)) for name, kind in self.types.items())
        shapes = {name: shape for name, shape in known if shape is not None}
        program = Program(
            graph.name,
            as_products(chained(self.nodes), self.constants, shapes),
            self.constants,
            shapes,
            frozenset(n for n, t in self.types.items() if t.tensor_type.elem_type in _INTEGERS),
            inputs,
            tuple(outputs),
            batch,
            free,
            self.opset,
            tables=self.tables.found,
        )
        program.nodes[:] = program.used()
        return counted(program)

    def _input(self, item: Any, index: int) -> Input:
        kind = item.type.tensor_type
        name = printable(item.name)
        if kind.elem_type not in (TensorProto.FLOAT, TensorProto.BOOL, TensorProto.UINT8, *_WHOLE):
            raise refused(self.path, f"the input {name} holds numbers of another type")
        if not item.type.HasField("tensor_type") or not kind.HasField("shape"):
            raise refused(self.path, f"the input {name} has no sizes")
        sizes: list[int | None] = []
        known: list[int] = []
        symbols: list[str] = []
        second = len(kind.shape.dim) >= 3 and item.name in self.second
        for axis, dim in enumerate(kind.shape.dim):
            fixed = dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
            sizes.append(fixed)
            symbols.append("" if fixed is not None else dim.dim_param or f"{item.name}.{axis}")
            rows = REGIONS if item.name in self.regions else BATCH
            open_size = rows if axis == second else self.sizes.get(symbols[-1], self.others)
            known.append(fixed if fixed is not None else open_size)
            if fixed is None and dim.dim_param:
                self.symbols[dim.dim_param] = open_size
        if math.prod(known) > _LARGEST:
            raise refused(self.path, f"the input {name} has {math.prod(known):,} numbers")
        self.types[item.name] = helper.make_tensor_type_proto(kind.elem_type, known)
        if second:
            symbols[:2] = symbols[1::-1]
        integers = kind.elem_type in _INTEGERS
        regions = item.name in self.regions
        return Input(
            item.name,
            tuple(sizes),
            integers,
            tuple(symbols),
            int(second),
            regions,
            bytes=kind.elem_type == TensorProto.UINT8,
        )

    def real(self, name: str) -> str:
        """What a tensor is that others are the same as."""
        while name in self.same:
            name = self.same[name]
        return name

    def add(self, proto: NodeProto) -> None:
        """Adds a node, unless its tensors are constants or others by another name."""
        inputs = [self.real(name) for name in proto.input]
        for name in inputs:
            if name and not self._is_there(name):
                raise refused(
                    self.path, f"{printable(proto.name or proto.op_type)} reads what nothing made"
                )
        for name in proto.output:
            if name and (name in self.same or self._is_there(name)):
                raise refused(self.path, f"{printable(name)} is made twice")
        first = proto.output[0] if proto.output else ""
        if not first and not (proto.op_type in _RECURRENT | LOOPS and any(proto.output)):
            return
        plain = proto.domain in ("", "ai.onnx")
        if plain and self.loops.has(proto, inputs):
            self._add_loop(proto, inputs)
            return
        if plain and proto.op_type == "If" and inputs[0] in self.constants:
            self._add_branch(proto, inputs[0])
            return
        if plain and proto.op_type == "Concat":
            inputs = [name for name in inputs if 0 not in (self.size_of(name) or ())] or inputs
        alone = proto.op_type == "Concat" and len(inputs) == 1
        idle = alone or proto.op_type in _IDLE
        if plain and idle and not self.read.intersection(proto.output[1:]):
            self.same[proto.output[0]] = inputs[0]
            return
        if proto.domain in LAID_OUT:
            raise refused(
                self.path,
                f"{printable(proto.name or proto.op_type)} is laid out for one machine by ONNX Runtime's "
                "optimiser: import the file that it was made from",
            )
        if proto.domain == OWN or (plain and proto.op_type in UNOFFICIAL | COMPOSED):
            apart = self._apart(proto, inputs)
            if apart is not None:
                for inner in apart:
                    self.add(inner)
                return
        fixed = NodeProto(op_type=proto.op_type, name=proto.name, input=inputs, output=proto.output)
        fixed.attribute.extend(proto.attribute)
        if plain and proto.op_type == "CastLike" and (kind := self._kind(inputs[1])):
            fixed.op_type, fixed.input[:] = "Cast", inputs[:1]
            fixed.attribute.append(helper.make_attribute("to", kind))
        fixed.domain = "" if plain else proto.domain
        if plain and proto.op_type == "Constant":
            self.constants[proto.output[0]] = self._constant(fixed)
            return
        if plain and proto.op_type in ("Shape", "Size") and inputs and self._sized(fixed):
            self.tables.sized.add(proto.output[0])
            return
        self._infer(fixed)
        if plain and (self._compute(fixed) or self._compute_alike(fixed)):
            return
        attributes = attributes_of(self.path, fixed)
        if plain and fixed.op_type == "Cast" and self._idle_cast(fixed):
            return
        node = Node(
            fixed.op_type if plain else f"{proto.domain}.{proto.op_type}",
            tuple(fixed.input),
            tuple(proto.output),
            attributes,
            proto.name,
            scopes_of(proto),
        )
        for name in node.outputs:
            # What is not known is known to be there: recognising says that it has no operator.
            if name:
                self.types.setdefault(name, self._said(name))
        self.nodes += normalised(node, self.opset, self.constants)

    def _is_there(self, name: str) -> bool:
        known = (self.types, self.constants, self.loops.counts, self.loops.lists)
        return any(name in names for names in known)

    def _add_loop(self, proto: NodeProto, inputs: list[str]) -> None:
        """Adds what is of loops; what of it is not read is a node that no step says."""
        saved, called = len(self.nodes), printable(proto.name or proto.op_type)
        with reading(lambda reason: refused(self.path, f"{called}: {reason}")):
            problem = self.loops.add(proto, inputs)
        if problem is None:
            return
        del self.nodes[saved:]
        if self.loops.depth:
            raise problem
        for name in filter(None, proto.output):
            self.types[name] = self._said(name)
        read = tuple(name for name in inputs if name in self.types or name in self.constants)
        outputs, given = tuple(filter(None, proto.output)), {UNREAD: str(problem)}
        self.nodes.append(Node(proto.op_type, read, outputs, given, proto.name, scopes_of(proto)))

    def array(self, tensor: TensorProto) -> Array:
        """The numbers of a tensor that stands in a graph of the file."""
        return as_array(self.path, tensor, tensor.name)

    def _said(self, name: str) -> TypeProto:
        """The type that the file says a tensor has, if it does, at the sizes that its symbols have here."""
        found = TypeProto()
        kind = self.told.get(name)
        if kind is None or not kind.tensor_type.HasField("shape"):
            return found
        known = [
            dim.dim_value if dim.HasField("dim_value") else self.symbols.get(dim.dim_param, 0)
            for dim in kind.tensor_type.shape.dim
        ]
        if all(size > 0 for size in known) and math.prod(known) <= _LARGEST:
            found = helper.make_tensor_type_proto(kind.tensor_type.elem_type, known)
        return found

    def _add_branch(self, proto: NodeProto, condition: str) -> None:
        """Adds the branch of an `If` that is always taken: exporters ask whether a size is 1."""
        with reading(lambda reason: refused(self.path, f"{printable(proto.name)}: {reason}")):
            word = "then_branch" if self.constants[condition].item() else "else_branch"
            branch = next(a.g for a in proto.attribute if a.name == word)
        if len(self.nodes) + len(branch.node) > MOST_NODES:
            raise refused(self.path, f"it has more than {MOST_NODES:,} nodes")
        for tensor in branch.initializer:
            self.constants.setdefault(tensor.name, as_array(self.path, tensor, tensor.name))
        for inner in branch.node:
            self.add(inner)
        for name, made in zip(proto.output, branch.output, strict=False):
            real = self.real(made.name)
            if real not in self.types and real not in self.constants:
                raise refused(self.path, f"nothing makes {printable(made.name)}")
            self.same[name] = real

    def _apart(self, proto: NodeProto, inputs: list[str]) -> list[NodeProto] | None:
        """The nodes that one of ONNX Runtime's own stands for; None where nothing says it."""
        node = NodeProto()
        node.CopyFrom(proto)
        node.input[:] = inputs

        def fresh(like: str) -> str:
            name = like
            while name in self.types or name in self.constants or name in self.same or name in new:
                name += "."
            new.add(name)
            return name

        new = set(proto.output)
        with reading(
            lambda reason: refused(self.path, f"{printable(proto.name or proto.op_type)}: {reason}")
        ):
            if proto.domain == OWN or proto.op_type in UNOFFICIAL:
                return taken_apart(node, self.size_of, fresh)
            known = self.constants.get
            return composed(node, self.size_of, self._is_truth, fresh, known, self.opset)

    def _constant(self, node: NodeProto) -> Array:
        found = attributes_of(self.path, node)
        for key, dtype in (("value_float", np.float32), ("value_floats", np.float32)):
            if key in found:
                return np.asarray(found[key], dtype)
        for key in ("value_int", "value_ints"):
            if key in found:
                return np.asarray(found[key], np.int64)
        value = found.get("value")
        if not isinstance(value, np.ndarray):
            raise refused(self.path, f"the constant {printable(node.output[0])} holds no numbers")
        return value

    def _shape(self, kind: TypeProto | None) -> tuple[int, ...] | None:
        if kind is None or not kind.HasField("tensor_type"):
            return None
        if not kind.tensor_type.HasField("shape"):
            return None
        dims = kind.tensor_type.shape.dim
        if not all(dim.HasField("dim_value") for dim in dims):
            return None
        return tuple(int(dim.dim_value) for dim in dims)

    def size_of(self, name: str) -> tuple[int, ...] | None:
        """The sizes of a tensor, if they are known."""
        if name in self.constants:
            return tuple(self.constants[name].shape)
        return self._shape(self.types.get(name))

    def _is_truth(self, name: str) -> bool:
        """Whether a tensor holds truth values."""
        return self._kind(name) == TensorProto.BOOL

    def _sized(self, node: NodeProto) -> bool:
        shape = self.size_of(node.input[0])
        if shape is None:
            return False
        given = attributes_of(self.path, node)
        if node.op_type == "Size":
            self.constants[node.output[0]] = np.asarray(math.prod(shape), np.int64)
        else:
            part = shape[given.get("start", 0) : given.get("end")]
            self.constants[node.output[0]] = np.asarray(part, np.int64)
        return True

    def _infer(self, node: NodeProto) -> None:
        """Adds the types of what a node makes, as far as they can be told."""
        if any(item.HasField("g") for item in node.attribute):
            return  # of what no step says: its graphs are not looked into
        try:
            opset = max(self.opset, _SINCE.get(node.op_type, 0))
            schema = defs.get_schema(node.op_type, opset, node.domain)
        except defs.SchemaError:
            return
        if any(name in self.types and not _is_known(self.types[name]) for name in node.input):
            return
        types, data = {}, {}
        for name in filter(None, node.input):
            array = self.constants.get(name)
            if array is None:
                types[name] = self.types[name]
                continue
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            types[name] = helper.make_tensor_type_proto(kind, array.shape)
            if array.size <= _SIZES:
                data[name] = numpy_helper.from_array(array)
        if {kind.tensor_type.elem_type for kind in types.values()} >= _WHOLE:
            # Casts between them are left out.
            for name, kind in types.items():
                if kind.tensor_type.elem_type == TensorProto.INT32:
                    types[name] = TypeProto()
                    types[name].CopyFrom(kind)
                    types[name].tensor_type.elem_type = TensorProto.INT64
        with reading(
            lambda reason: refused(self.path, f"{printable(node.name or node.op_type)}: {reason}")
        ):
            versions = [helper.make_opsetid("", opset)]
            found = infer_node_outputs(schema, node, types, data, opset_imports=versions)
        for name, kind in found.items():
            shape = self._shape(kind)
            if shape is not None and len(shape) > MOST_AXES:
                raise refused(self.path, f"{printable(name)} has {len(shape):,} axes")
            if shape is not None and (math.prod(shape) > _LARGEST or min(shape, default=1) < 0):
                raise refused(self.path, f"{printable(name)} has {math.prod(shape):,} numbers")
            if name:
                self.types[name] = kind

    def _compute(self, node: NodeProto) -> bool:
        """Computes a node of constants; whether it did."""
        names = [name for name in node.input if name]
        if node.op_type not in _COMPUTED or not all(name in self.constants for name in names):
            return False
        if self._again(node):
            return True
        if node.op_type == "Einsum" and not bounded(node, self.constants, _MOST_COMPUTED):
            return False
        if node.op_type == "Range":
            start, limit, step = (float(self.constants[n].item()) for n in names)
            size = abs((limit - start) / step) if step else math.inf
        else:
            shapes = [self._shape(self.types.get(name)) for name in node.output if name]
            size = sum(math.inf if s is None else math.prod(s) for s in shapes)
        if node.op_type == "Resize" and size > _MOST_RESIZED:
            return False
        if node.op_type == "Conv":
            kernel = self.constants[names[1]]
            if size * kernel.size > _MOST_COMPUTED * max(len(kernel), 1):
                return False
        if node.op_type in ("MatMul", "Gemm"):
            inner = max(self.constants[names[0]].shape, default=1)
            if size * inner > _MOST_MULTIPLIED:
                return False
        read = sum(self.constants[name].size for name in names)
        self.room -= size
        if size > max(_MOST_COMPUTED, read) or self.room < 0:
            raise refused(
                self.path, f"{printable(node.name or node.op_type)} makes too large a constant"
            )
        with reading(
            lambda reason: refused(self.path, f"{printable(node.name or node.op_type)}: {reason}")
        ):
            results = computed(node, {name: self.constants[name] for name in names}, self.opset)
        for name, value in zip((n for n in node.output if n), results, strict=True):
            self.constants[name] = np.asarray(value)
            self.types.pop(name, None)
        with reading(lambda reason: refused(self.path, f"{printable(node.op_type)}: {reason}")):
            self.tables.note(node, self.opset)
        return True

    def _again(self, node: NodeProto) -> bool:
        """Whether a node of constants was computed before: layers that share weights turn them each."""
        said = b"".join(item.SerializeToString(deterministic=True) for item in node.attribute)
        before = self.computed.setdefault((node.op_type, *node.input, said), node)
        pairs = [pair for pair in zip_longest(node.output, before.output, fillvalue="") if pair[0]]
        if before is node or not all(other in self.constants for _, other in pairs):
            return False
        for name, other in pairs:
            self.same[name] = other
            self.types.pop(name, None)
        return True

    def _compute_alike(self, node: NodeProto) -> bool:
        """Computes what is taken of numbers that are the same wherever it is taken; whether it did."""
        if node.op_type not in ("Gather", "GatherElements") or node.input[0] not in self.constants:
            return False
        array, shape = self.constants[node.input[0]], self._shape(self.types.get(node.output[0]))
        if shape is None or not array.size or array.size > _SIZES or (array != array.flat[0]).any():
            return False
        self.constants[node.output[0]] = np.broadcast_to(array.flat[0], shape)
        self.types.pop(node.output[0])
        return True

    def _kind(self, name: str) -> int:
        """What a tensor's numbers are, as ONNX counts kinds; 0 where nothing tells."""
        if name in self.constants:
            return int(helper.np_dtype_to_tensor_dtype(self.constants[name].dtype))
        return int(self.types[name].tensor_type.elem_type) if name in self.types else 0

    def _idle_cast(self, node: NodeProto) -> bool:
        """Leaves out a cast that changes nothing."""
        kinds = {self._kind(name) for name in (node.input[0], node.output[0])}
        if 0 in kinds or (len(kinds) > 1 and kinds != _WHOLE):
            return False
        self.same[node.output[0]] = node.input[0]
        return True


def _steps_first(graph: GraphProto) -> set[str]:
    """The tensors that recurrences read as sequences or states, or parts of as such: the batch is second."""
    found = {
        node.input[at]
        for node in graph.node
        if node.op_type in _RECURRENT
        for at in (0, 5, 6)
        if at < len(node.input)
    }
    found |= scanned(graph)
    # What has the name of a batch in its second place, and a number in its first.
    dims = [(item.name, item.type.tensor_type.shape.dim) for item in graph.input]
    rows = {dim[0].dim_param for _, dim in dims if dim and dim[0].dim_param}
    found |= {
        name for name, dim in dims if len(dim) > 2 and dim[0].dim_value and dim[1].dim_param in rows
    }
    parts = (node for node in graph.node if node.op_type in ("Slice", "Split") and node.input)
    return found | {node.input[0] for node in parts if not found.isdisjoint(node.output)}


def _read(graph: GraphProto) -> Iterator[str]:
    """The tensors that nodes read, and those of their graphs."""
    for node in graph.node:
        yield from filter(None, node.input)
        for item in node.attribute:
            if item.HasField("g"):
                yield from _read(item.g)
                yield from (made.name for made in item.g.output)


def _is_known(kind: TypeProto) -> bool:
    """Whether a type says of what numbers a tensor is."""
    return bool(kind.tensor_type.elem_type)
