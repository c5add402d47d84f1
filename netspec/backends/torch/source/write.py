"""The file: its head, helpers, classes and the net."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from typing import Any

from torch import nn

from netspec.backends.torch.levels import Level
from netspec.backends.torch.names import argument_names
from netspec.backends.torch.source.blocks import Blocks
from netspec.backends.torch.source.code import (
    WIDTH,
    Code,
    Const,
    Fn,
    Get,
    Text,
    flat,
    parts,
    slots,
    statement,
)
from netspec.backends.torch.source.forward import Body, all_codes
from netspec.backends.torch.source.templates import (
    Class,
    Option,
    Part,
    Steps,
    Template,
    as_parameter,
    changed,
)
from netspec.backends.torch.source.trace import Line
from netspec.graph.checked import Graph
from netspec.passes.roll import roll
from netspec.sizes.batch import SAMPLES

_OUTPUTS = '''class TrainingOutputs(NamedTuple):
    """What the net gives in training: its output, and those of its heads by name."""

    main: Any
    heads: dict[str, Tensor]
'''


def source(graph: Graph) -> str:
    """The text of a Python file that makes the net with torch alone; raises NetspecError.

    Its modules are called as those of `to_torch`, so the one's `state_dict` loads into the other.
    """
    blocks = Blocks(roll(graph))
    pieces = [_helper(function) for function in blocks.helpers.values()]
    if graph.heads:
        pieces.append(_OUTPUTS)
    pieces += ["\n".join(_class(found, blocks)) + "\n" for found in blocks.classes]
    body = "\n\n".join(pieces)
    return f"{_head(graph, blocks.root.name, body)}\n\n{body}"


def _head(graph: Graph, name: str, body: str) -> str:
    """The docstring and imports of the file."""
    said = dict(graph.metadata)
    lines = [f"{graph.name}: {said['paper']}" if "paper" in said else graph.name]
    notes = [str(said[key]) for key in ("table", "note", "source") if key in said]
    whole = lines[0] + ("" if lines[0].endswith(".") else ".")
    text = textwrap.wrap(whole, WIDTH - 3, break_long_words=False)
    if notes:
        text += ["", *(line for note in notes for line in textwrap.wrap(note, WIDTH))]
    text += ["", f"Input {_shapes(graph)}, without the batch."]
    loads = f'{name}().load_state_dict(torch.load("net.pt"))'
    text += textwrap.wrap(
        f"Weights of `netspec compile SPEC --to torch -o net.pt`: {loads}.",
        WIDTH,
        break_long_words=False,
    )
    doc = "\n".join(['"""' + text[0], *text[1:], '"""']).replace("\\", "\\\\")
    standard = []
    if "OrderedDict" in body:
        standard.append("from collections import OrderedDict")
    if "NamedTuple" in body:
        standard.append("from typing import Any, NamedTuple")
    elif "Any" in body:
        standard.append("from typing import Any")
    imports = [*standard, *([""] if standard else [])]
    if "torch." in body:
        imports.append("import torch")
    names = [name for name in ("Tensor", "nn") if f"{name}" in body]
    imports.append(f"from torch import {', '.join(names)}")
    if "F." in body:
        imports.append("from torch.nn import functional as F")
    return "\n".join([doc, "", *imports]) + "\n"


def _shapes(graph: Graph) -> str:
    inputs = ", ".join(
        str(node.types[0]) if len(graph.inputs) == 1 else f"{node.path} {node.types[0]}"
        for node in graph.inputs
    )
    outputs = ", ".join(str(output.value.type) for output in graph.outputs)
    return f"{inputs}; output {outputs}"


def _helper(function: Callable[..., Any]) -> str:
    """The text of a plain function, its `torch` that of the file and its tensors typed."""
    text = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    tree = ast.parse(text).body[0]
    assert isinstance(tree, ast.FunctionDef)
    params = [ast.unparse(param).replace("Any", "Tensor") for param in tree.args.args[1:]]
    defaults = [ast.unparse(value) for value in tree.args.defaults]
    for i, value in enumerate(reversed(defaults), 1):
        params[-i] += f" = {value}"
    assert tree.returns is not None
    head = _heading(tree.name, params, ast.unparse(tree.returns).replace("Any", "Tensor"), 0)
    body = text.splitlines()[tree.body[0].lineno - 1 :]
    return "\n".join([*head, *body]).replace("Any", "Tensor") + "\n"


def _class(found: Class, blocks: Blocks) -> Iterator[str]:
    is_net = found is blocks.root
    template = found.template
    chained = not is_net and _is_chain(found)
    yield f"class {found.name}({'nn.Sequential' if chained else 'nn.Module'}):"
    yield f'    """{_about(found, blocks)}"""'
    ranges: dict[int, str] = {}
    params = [f"{n}: {t}" for n, t in zip(found.params, found.types, strict=True)]
    inside = list(_init(found, blocks, is_net, chained, ranges))
    if inside or params:
        yield ""
        yield from _heading("__init__", ["self", *params], "None", 4)
        yield "        super().__init__()"
        yield from inside
    if any(part.still for part in template.parts):
        yield ""
        yield f'    def train(self, mode: bool = True) -> "{found.name}":'
        yield "        super().train(mode)"
        for part in template.parts:
            if part.still:
                option = _around(template, part)
                if option is not None:
                    yield f"        if {_flag(template, option)}:"
                yield f"        {'    ' * (option is not None)}self.{part.name}.eval()"
        yield "        return self"
    if not chained:
        yield ""
        yield from _forward(found, blocks, is_net, ranges)


def _around(template: Template, part: Part) -> Option | None:
    """The option that a part is of."""
    at = template.parts.index(part)
    return next((o for o in template.options if o.start <= at < o.end), None)


def _init(
    found: Class, blocks: Blocks, is_net: bool, chained: bool, ranges: dict[int, str]
) -> Iterator[str]:
    """What `__init__` does; `ranges` are then the numbers of parts that repeat, by place."""
    template = found.template
    for name, trained, code in template.owned:
        yield from _owned(name, trained, code, template.owned)
    for param in sorted(_held(found), key=found.params.index):
        yield f"        self.{_kept(found, param)} = {param}"
    for i, part in enumerate(template.parts):
        option = _around(template, part)
        if option is None:
            yield from _made(part, i, chained, ranges, 8)
        else:
            if option.start == i:
                yield from statement(f"{_flag(template, option)} = ", option.when, 8)
                if any(p.made is not None for p in template.parts[option.start : option.end]):
                    yield f"        if {_flag(template, option)}:"
            yield from _made(part, i, chained, ranges, 12)
    if is_net and blocks.graph.heads:
        losses = ", ".join(f'"{head.name}": {head.loss}' for head in blocks.graph.heads)
        yield f"        self.loss_weights = {{{losses}}}"


def _heading(name: str, params: Sequence[str], gives: str, indent: int) -> Iterator[str]:
    """The first line of a function, or its lines."""
    pad, listed = " " * indent, ", ".join(params)
    if len(line := f"{pad}def {name}({listed}) -> {gives}:") <= WIDTH:
        yield line
        return
    yield f"{pad}def {name}("
    if len(line := f"{pad}    {listed}") <= WIDTH:
        yield line
    else:
        yield from (f"{pad}    {param}," for param in params)
    yield f"{pad}) -> {gives}:"


def _about(found: Class, blocks: Blocks) -> str:
    """The docstring: shapes of the first instance."""
    first = found.instances[0]
    if isinstance(first, Level):
        inputs, outputs = blocks.ends(first)
        took = ", ".join(str(value.type) for value in inputs)
        gave = ", ".join(str(value.type) for value in outputs)
    else:
        took = ", ".join(map(str, first.input_types))
        gave = ", ".join(map(str, first.types))
    how = ", step by step" if found.template.steps else ""
    return (
        f"{took or 'nothing'} to {gave}{how}." if len(took + gave) < 60 else f"{found.name}{how}."
    )


def _held(found: Class) -> set[str]:
    """The parameters that are read again when the net runs."""
    codes = all_codes(found.template.parts)
    if found.template.train is not None:
        codes += [line.code for line in found.template.train[0]]
    texts = {leaf.text for code in codes for leaf in parts(code) if isinstance(leaf, Text)}
    return texts & set(found.params)


def _kept(found: Class, param: str) -> str:
    """The attribute that keeps a parameter: called as it is, unless a part or torch's module is."""
    taken = {part.name for part in found.template.parts} | {
        name for name, *_ in found.template.owned
    }
    return f"{param}_" if param in taken or hasattr(nn.Module, param) else param


def _is_chain(found: Class) -> bool:
    """Whether the parts are modules one after the other, and nothing else is computed."""
    template = found.template
    if template.owned or template.train or template.random or template.inputs != 1:
        return False
    if template.options or template.steps:
        return False
    last = 0
    for part in template.parts:
        if part.made is None or part.guarded or len(part.lines) != 1 or part.still:
            return False
        line = part.lines[0]
        code = line.code
        if not isinstance(code, Fn) or len(line.gives) != 1 or code.named:
            return False
        if flat(code) not in (f"self.{part.name}(_{last})", f"{part.name}(_{last})"):
            return False
        last = line.gives[0]
    return template.returns == (last,) and bool(template.parts)


def _owned(name: str, trained: bool, code: Any, owned: Any) -> Iterator[str]:
    inner, _, own = name.rpartition(".")
    if isinstance(code, Fn) and flat(code.target).startswith("nn."):
        yield from statement(f"self.{name} = ", code, 8)
        return
    if not inner:
        if trained:
            yield from statement(f"self.{name} = ", _call("nn.Parameter", code), 8)
        else:
            yield f"        self.{name}: Tensor"
            yield from statement("", _call("self.register_buffer", Const(name), code), 8)
        return
    if next(n for n, _, _ in owned if n.startswith(f"{inner}.")) == name:
        yield f"        self.{inner} = nn.ParameterDict()"
    yield from statement(f'self.{inner}["{own}"] = ', _call("nn.Parameter", code), 8)


def _call(name: str, *args: Any) -> Fn:
    return Fn(Text(name), args)


def _flag(template: Template, option: Option) -> str:
    """The attribute that says whether the parts of an option are there."""
    return f"self.has_{template.parts[option.start].name}"


def _made(
    part: Part, number: int, chained: bool, ranges: dict[int, str], indent: int
) -> Iterator[str]:
    if part.made is None:
        return
    if part.span is None:
        yield from statement(f"self.{part.name} = ", part.made, indent)
        for name, code in part.fixed:
            yield f"{' ' * indent}del self.{part.name}.{name}"
            call = _call(f"self.{part.name}.register_buffer", Const(name), code)
            yield from statement("", call, indent)
        if part.frozen:
            yield f"{' ' * indent}self.{part.name}.requires_grad_(False)"
        return
    over = f"range({flat(part.span[0])}, {flat(part.span[1])})"
    if not chained and not all(isinstance(end, Const) for end in part.span):
        ranges[number] = f"self.{part.name}_numbers"
        yield f"        self.{part.name}_numbers = {over}"
        over = ranges[number]
    else:
        ranges[number] = over
    yield f"        for i in {over}:"
    yield from statement("", _call("self.add_module", Text(f'f"{part.name}{{i}}"'), part.made), 12)


def _forward(found: Class, blocks: Blocks, is_net: bool, ranges: dict[int, str]) -> Iterator[str]:
    template = changed(found.template, _owned_by(found)) if _held(found) else found.template
    if is_net:
        names = argument_names(node.path for node in blocks.graph.inputs)
        if names == ("input",):
            names = ("x",)
        own = {"heads"} if blocks.graph.heads else set()
        names = tuple(f"{name}_" if name in own else as_parameter(name) for name in names)
    elif template.steps is not None:
        names = _stepwise_names(template.inputs, template.steps)
    elif template.inputs == 1:
        names = ("x",)
    else:
        names = tuple(
            "abcdefgh"[i] if template.inputs <= 8 else f"x{i}" for i in range(template.inputs)
        )
    params = [f"{name}: Tensor" for name in names]
    if template.random and not is_net:
        params.append("draws: dict[str, Tensor]")
    gives = "Tensor" if len(template.returns) == 1 else "tuple[Tensor, ...]"
    if not is_net and any(part.guarded for part in template.parts):
        gives = "tuple[Tensor | None, ...]"
    heads = is_net and bool(blocks.graph.heads)
    if heads:
        gives += " | TrainingOutputs"
    yield from _heading("forward", ["self", *params], gives, 4)
    if heads:
        yield "        heads: dict[str, Tensor] = {}"
    if is_net and template.random:
        yield "        draws = {"
        inputs = zip(names, blocks.graph.inputs, strict=True)
        like = next(name for name, node in inputs if node.output.type.batch == SAMPLES)
        for name in blocks.draws:
            yield f'            "{name}": torch.rand({like}.shape[0], device={like}.device),'
        yield "        }"
    if template.train is not None:
        lines, returns = template.train
        training = Body(names, 12)
        training.count([line.code for line in lines], returns)
        for each in lines:
            training.line(each)
        training.ends(returns, "new")
        yield "        if self.training:"
        yield from training.lines
    steps = template.steps
    body = Body(names, 8, [as_parameter(steps.variable)] if steps else [])
    wanted = [*template.returns, *(blocks.heads if is_net else ())]
    wanted += [option.instead for option in template.options]
    wanted += steps.reads if steps else ()
    body.count(all_codes(template.parts), wanted)
    by_slot = (
        dict(zip(blocks.heads, (h.name for h in blocks.graph.heads), strict=True)) if heads else {}
    )
    for i, part in sorted(enumerate(template.parts), key=lambda pair: not pair[1].once):
        if steps and not part.once and not body.is_stepping:
            body.begin(steps, all_codes(part for part in template.parts if not part.once))
        for option in template.options:
            if option.start == i:
                inner = all_codes(template.parts[option.start : option.end])
                inside = sum(slots(code).count(option.instead) for code in inner)
                body.choose(_flag(template, option), option.instead, option.gives, inside)
        for each in part.lines:
            _statement(part, each, body, by_slot, ranges.get(i, ""))
        for option in template.options:
            if option.end == i + 1:
                body.chosen(option.gives)
    if steps:
        body.end(steps)
    if not heads:
        body.ends(template.returns)
        yield from body.lines
        return
    known = body.known(template.returns)
    shown = f"({', '.join(known)})" if len(known) > 1 else known[0]
    rest = [f'            heads["{name}"] = {body.names[slot]}' for slot, name in by_slot.items()]
    yield from body.lines
    yield "        if self.training:"
    yield from rest
    yield f"            return TrainingOutputs({shown}, heads)"
    yield f"        return {shown}"


def _stepwise_names(inputs: int, steps: Steps) -> tuple[str, ...]:
    """What the inputs of a block are called that runs at every step: of `x_t` the sequence is `x`."""
    variable = steps.variable
    whole = variable[:-2] if variable.endswith("_t") and len(variable) > 2 else f"{variable}s"
    found = {steps.sequence: as_parameter(whole)}
    starts = [slot for slot in dict.fromkeys(s.start for s in steps.states) if slot not in found]
    for i, slot in enumerate(starts, 1):
        found[slot] = "state" if len(starts) == 1 else f"state{i}"
    free = (name for name in chain("abcdefgh", (f"x{i}" for i in count(1))))
    taken = {variable, *steps.lists}
    for slot in range(inputs):
        while found.get(slot, variable) in taken:
            found[slot] = next(free)
        taken.add(found[slot])
    return tuple(found[slot] for slot in range(inputs))


def _owned_by(found: Class) -> Callable[[Code], Code | None]:
    """Reads the parameters where the class keeps them."""
    held = _held(found)
    return lambda code: (
        Get(Text("self"), _kept(found, code.text))
        if isinstance(code, Text) and code.text in held
        else None
    )


def _statement(part: Part, line: Line, body: Body, heads: dict[int, str], over: str) -> None:
    if part.span is not None:
        body.loop(over, part.name, line)
    elif part.guarded and len(line.gives) == 1 and line.gives[0] in heads:
        body.head(heads.pop(line.gives[0]), line)
    elif part.guarded:
        body.guarded(line)
    else:
        body.line(line)
