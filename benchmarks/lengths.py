"""How long a spec is beside the PyTorch of the library that has the same network.

    python -m pip install -c constraints.txt ".[run]" torchvision timm transformers diffusers
    python -m pip install segmentation-models-pytorch torchaudio
    python benchmarks/lengths.py [-o benchmarks/results/lengths.json] [NETS...]

Tokens are counted as tests/specs/test_length.py counts them: identifiers, numbers and single punctuation
characters, without comments. Of a spec all steps, defaults and blocks, with the sizes; and those of
nets that it varies or imports, and blocks that it imports. Of a library only what plain PyTorch would
need for this one network:

- for each of the library's classes that the network is made of `__init__`, and what runs of it when the
  network answers: `forward`, other methods, functions beside the classes. What makes the network,
  which says its sizes, is left out, and so are classes of configurations, caches and masks;
- of these the statements that run. Of an `if` of which one side runs for this network, that side
  without the question; so options that it does not use cost nothing;
- without annotations, docstrings, assertions, messages, and what only training in parts, scripting,
  generation and results by name ask. `config.hidden_size` counts as `hidden_size`.

A network that does not run without numbers has all of its `forward` counted; its row says so.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from dense_nets import DENSE, tensors
from report import machine, options, write
from today import RENAMED, TIMM, TRANSFORMERS, constructors, on_no_device, size_of
from torch import nn

from netspec.syntax.files import read_shipped, shipped_names
from netspec.syntax.units import variation_text

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "specs"))

from test_length import TOKEN, length

# Where libraries hold what networks are made of.
_PARTS = re.compile(
    r"(timm\.(models|layers)|torchvision\.(models|ops)|transformers\.(models|activations|pytorch_utils)"
    r"|diffusers\.models|segmentation_models_pytorch|torchaudio|conv_tasnet)\b"
)
_NO_PARTS = re.compile(
    r"_builder|_factory|_registry|_manipulate|configuration_|modeling_utils|_utils$"
)
# What is asked beside the network: of generation, of results by name, of training.
_ASIDE = frozenset(
    """config kwargs past_key_value past_key_values use_cache cache_position cache_params output_attentions
    output_hidden_states return_dict labels layer_idx head_mask all_hidden_states all_attentions
    all_self_attentions gradient_checkpointing grad_checkpointing post_init logger warnings""".split()
)
_ASKED = re.compile(r"scripting|tracing|checkpoint")
_OTHERS = re.compile(r"^import (?:block (\w+) from )?(\w+)|^net \w+ = (\w+)", re.MULTILINE)
_BLOCKS = re.compile(r"^(?:inline )?block (\w+)", re.MULTILINE)
_SHIPPED = frozenset((*shipped_names("lectures"), *shipped_names("today")))
Lines = dict[CodeType, set[int]]


class _Traced:
    """Which lines of the library's own code run."""

    def __init__(self, wanted: Callable[[FrameType], bool]) -> None:
        self.wanted = wanted
        self.lines: Lines = {}

    def __enter__(self) -> Lines:
        sys.settrace(self._call)
        return self.lines

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, _: object) -> Any:
        if not self.wanted(frame):
            return None
        found = self.lines.setdefault(frame.f_code, set())

        def line(frame: FrameType, event: str, _: object) -> Any:
            found.add(frame.f_lineno)
            return line

        return line


def _is_part(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    plain = not frame.f_code.co_name.startswith("<") and "<locals>" not in frame.f_code.co_qualname
    return bool(plain and _PARTS.match(module) and not _NO_PARTS.search(module))


def _makes(frame: FrameType) -> bool:
    """Whether a module is made: also one that only lends its parts, as the body of a detector."""
    named = frame.f_code.co_name == "__init__"
    return named and _is_part(frame) and isinstance(frame.f_locals.get("self"), nn.Module)


class _Plain(ast.NodeTransformer):
    """Code without what only readers, type checkers, options and callers of another kind ask.

    `ran` are the lines that run, None for all.
    """

    def __init__(self, ran: set[int] | None, first: int) -> None:
        self.ran, self.first = ran, first

    def _runs(self, body: list[ast.stmt]) -> bool:
        lines = (n + self.first for s in body for n in range(s.lineno, (s.end_lineno or 0) + 1))
        return self.ran is None or any(line in self.ran for line in lines)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns, node.decorator_list = None, []
        told = node.args
        count = len(told.defaults)
        plain = [*told.posonlyargs, *told.args]
        pairs = [*zip(plain, [None] * (len(plain) - count) + told.defaults, strict=True)]
        pairs = [(a, d) for a, d in pairs if a.arg not in _ASIDE]
        named = zip(told.kwonlyargs, told.kw_defaults, strict=True)
        named = [(a, d) for a, d in named if a.arg not in _ASIDE]
        told.posonlyargs, told.args = [], [a for a, _ in pairs]
        told.defaults = [d for _, d in pairs if d is not None]
        told.kwonlyargs, told.kw_defaults = [a for a, _ in named], [d for _, d in named]
        if told.kwarg and told.kwarg.arg in _ASIDE:
            told.kwarg = None
        for each in (*told.args, *told.kwonlyargs, told.vararg, told.kwarg):
            if each is not None:
                each.annotation = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if not node.value:
            return None
        return self.visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.generic_visit(node)
        told = (
            node.value.attr
            if isinstance(node.value, ast.Attribute)
            else getattr(node.value, "id", "")
        )
        return ast.Name(node.attr) if told == "config" else node

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        node.args = [a for a in node.args if not _is_aside(a)]
        node.keywords = [k for k in node.keywords if not _is_aside(k.value) and k.arg not in _ASIDE]
        return node

    def visit_Return(self, node: ast.Return) -> Any:
        value = node.value
        if isinstance(value, ast.Call) and "Output" in ast.unparse(value.func) and value.keywords:
            # A result by name is its first tensor.
            node.value = value.keywords[0].value
        return self._stated(node)

    def _stated(self, node: Any) -> Any:
        if not self._runs([node]):
            return None
        self.generic_visit(node)
        return None if any(_is_aside(part) for part in ast.walk(node)) else node

    visit_Assign = visit_AugAssign = _stated

    def visit_Expr(self, node: ast.Expr) -> Any:
        return None if isinstance(node.value, ast.Constant) else self._stated(node)

    def _dropped(self, node: Any) -> Any:
        return None

    visit_Assert = visit_Raise = visit_Pass = _dropped

    def visit_If(self, node: ast.If) -> Any:
        body, other = self._runs(node.body), bool(node.orelse) and self._runs(node.orelse)
        asked = _ASKED.search(ast.unparse(node.test))
        aside = any(_is_aside(part) for part in ast.walk(node.test))
        node = self.generic_visit(node)
        sides = [node.body if body and not asked else [], node.orelse if other else []]
        if self.ran is None and not aside and not asked:
            return node if node.body else None
        if self.ran is not None and all(sides):
            return node
        return sides[0] or sides[1] or None

    def visit_For(self, node: ast.For) -> Any:
        node = self.generic_visit(node)
        return node if node.body and self._runs([node]) else None

    visit_With = visit_Try = visit_For


def _is_aside(node: ast.AST) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name in _ASIDE


def tokens(code: object, ran: set[int] | None) -> int:
    """Those of a function, of the lines of it that `ran`."""
    lines, first = inspect.getsourcelines(code)  # type: ignore[arg-type]
    # A comment may stand further left than the method it is in.
    whole = ast.parse("if True:\n" + textwrap.indent("".join(lines), " ", lambda line: True))
    tree = ast.Module(whole.body[0].body, [])  # type: ignore[attr-defined]
    plain = _Plain(ran, max(first, 1) - 2).visit(tree)
    text = ast.unparse(ast.fix_missing_locations(plain))
    return len(TOKEN.findall(text))


def _classes(module: nn.Module) -> Iterator[type]:
    """The library's own classes that a network is made of, each once."""
    kinds = {kind for part in module.modules() for kind in type(part).mro()}
    return (k for k in kinds if _PARTS.match(k.__module__) and not _NO_PARTS.search(k.__module__))


def asked(name: str) -> list[np.ndarray | tuple[int, ...]]:
    """What a network of images or words is given."""
    if name in DENSE:
        return [*tensors(DENSE[name])]
    if name in TRANSFORMERS and not name.startswith("segformer"):
        return [np.ones((1, 24), dtype=np.int64)]
    return [np.ones((1, 3, size_of(name), size_of(name)), dtype=np.float32)]


def answer(name: str, module: nn.Module) -> None:
    """Runs the network without numbers."""
    given = [torch.from_numpy(np.ascontiguousarray(each)).to("meta") for each in asked(name)]
    with torch.no_grad(), torch.device("meta"):
        if name in DENSE:
            DENSE[name].run(module, *given)
        elif name in TRANSFORMERS and getattr(module.config, "is_encoder_decoder", False):
            module(input_ids=given[0], decoder_input_ids=given[0], use_cache=False)
        elif hasattr(module, "config") and name in TRANSFORMERS and given[0].dtype == torch.int64:
            module(given[0], use_cache=False) if _caches(module) else module(given[0])
        else:
            module(*given)


def _caches(module: nn.Module) -> bool:
    return "use_cache" in inspect.signature(type(module).forward).parameters


def compared(name: str, spec: str) -> dict[str, Any]:
    """Tokens of the spec and of the library's classes."""
    with _Traced(_makes) as made:
        module = on_no_device(name).eval()
    kinds = [*_classes(module)]
    failed = ""
    with _Traced(_is_part) as ran:
        try:
            answer(name, module)
        except Exception as error:
            failed = f"{type(error).__name__}: {error}"
    if failed:
        print(f"{name} does not run without numbers: {failed[:300]}", file=sys.stderr)
    theirs = sum(tokens(code, lines) for code, lines in made.items())
    if failed:
        forward = {code for kind in kinds if (code := _code(kind, "forward"))}
        theirs += sum(tokens(code, None) for code in forward)
    else:
        theirs += sum(tokens(code, lines) for code, lines in ran.items() if code not in made)
    ours = told(spec)
    return {
        "library": next(iter(kinds)).__module__.partition(".")[0],
        "spec": ours,
        "pytorch": theirs,
        "classes": len(made),
        "ratio": round(ours / theirs, 3),
        **({"forward": "whole"} if failed else {}),
    }


def told(spec: str) -> int:
    """Tokens of a spec, of the nets that its net varies or imports, and of the blocks that it imports."""
    texts: dict[str, str] = {}
    todo = [("", spec)]
    while todo:
        block, name = todo.pop()
        if f"{block} {name}" not in texts:
            source = read_shipped(name)
            own = source.text if texts else variation_text(source)
            text = texts[f"{block} {name}"] = _block(own, block) if block else own
            found = (p for p in _OTHERS.findall(own) if not block or (p[0] and p[0] in text))
            todo += ((b, n or net) for b, n, net in found if (n or net) in _SHIPPED)
            todo += (
                (b, name) for b in _BLOCKS.findall(own) if block and re.search(rf"\b{b}\b", text)
            )
    return sum(map(length, texts.values()))


def _block(text: str, name: str) -> str:
    """The lines of a block in a file."""
    found = re.search(rf"^(inline )?block {name}\b.*", text, re.MULTILINE | re.DOTALL)
    lines, depth = [], 0
    for line in found[0].splitlines() if found else ():
        lines.append(line)
        depth += line.count("{") - line.count("}")
        if not depth and "{" in "".join(lines):
            break
    return "\n".join(lines)


def _code(kind: type, name: str) -> CodeType | None:
    return getattr(inspect.unwrap(vars(kind).get(name, lambda: None)), "__code__", None)


def networks() -> dict[str, str]:
    """The library's network for each family of the second shelf: that of the file's own net."""
    known = {
        **{RENAMED.get(n, n): n for n in constructors()},
        **{spec: n for n, spec in TIMM.items()},
        **{spec: n for n, (_, spec, _) in TRANSFORMERS.items()},
        **{n: n for n in DENSE},
    }
    return {spec: known[spec] for spec in shipped_names("today") if spec in known}


def main() -> None:
    parser = options(__doc__, 1)
    parser.add_argument("nets", nargs="*", help="networks; the first of each file by default")
    given = parser.parse_args()
    known = networks()
    files = {path.stem for path in (Path(__file__).parent.parent / "specs" / "today").glob("*.ns")}
    rows = {}
    for spec in given.nets or sorted(files & known.keys()):
        rows[spec] = compared(known[spec], spec)
        print(spec, rows[spec], flush=True)
    libraries = ("torchvision", "timm", "transformers", "diffusers", "torchaudio")
    versions = {library: version(library) for library in libraries}
    versions["segmentation_models_pytorch"] = version("segmentation_models_pytorch")
    write({"machine": machine("torch") | versions, "nets": rows}, given.output)


if __name__ == "__main__":
    main()
