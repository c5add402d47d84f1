"""How long a spec is beside the PyTorch of the library that has the same network.

    python -m pip install -c constraints.txt ".[run]" torchvision timm
    python benchmarks/lengths.py [-o benchmarks/results/lengths.json] [NETS...]

Tokens are counted as tests/specs/test_length.py counts them: identifiers, numbers and single punctuation
characters, without comments. Of a library only what plain PyTorch needs is counted: for each of its own
classes that the network is made of, `__init__` and `forward`, without annotations, docstrings, assertions
and what only scripting or tracing asks; nothing of its constructors, which say the sizes. Of a spec all
steps, defaults and blocks, with the sizes.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import timm
import torchvision
from report import machine, options, write
from torch import nn

from netspec.syntax.files import read_shipped
from netspec.syntax.units import variation_text

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "specs"))

from test_length import TOKEN, length

NETS = {
    "vit_b_16": "torchvision",
    "swin_t": "torchvision",
    "swin_v2_t": "torchvision",
    "maxvit_t": "torchvision",
    "convnext_tiny": "torchvision",
    "coatnet_0_rw_224": "timm",
    "mobilevit_s": "timm",
    "cait_xxs24_224": "timm",
    "convmixer_768_32": "timm",
    "convnextv2_tiny": "timm",
    "crossvit_tiny_240": "timm",
    "deit3_small_patch16_224": "timm",
    "eva02_tiny_patch14_224": "timm",
    "hiera_tiny_224": "timm",
    "mobilenetv4_conv_small": "timm",
    "mvitv2_tiny": "timm",
    "poolformer_s12": "timm",
    "pvt_v2_b0": "timm",
    "resmlp_12_224": "timm",
    "resnest50d": "timm",
    "twins_svt_small": "timm",
}
_METHODS = ("__init__", "forward")


class _Plain(ast.NodeTransformer):
    """Code without what only readers, type checkers and compilers of Python ask."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns, node.decorator_list = None, []
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            argument.annotation = None
        for argument in (node.args.vararg, node.args.kwarg):
            if argument is not None:
                argument.annotation = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return ast.Assign([node.target], node.value, lineno=node.lineno) if node.value else None

    def visit_Expr(self, node: ast.Expr) -> Any:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_Assert(self, node: ast.Assert) -> Any:
        return None

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        return None if re.search(r"scripting|tracing|checkpoint", ast.unparse(node.test)) else node


def tokens(kind: type[nn.Module]) -> int:
    """Those of the class's own `__init__` and `forward`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    kept = [n for n in body if isinstance(n, ast.FunctionDef) and n.name in _METHODS]
    text = ast.unparse(ast.Module([_Plain().visit(node) for node in kept], []))
    return len(TOKEN.findall(text))


def compared(name: str, library: str) -> dict[str, Any]:
    """Tokens of the spec and of the library's classes."""
    module = (
        timm.create_model(name)
        if library == "timm"
        else torchvision.models.get_model(name, weights=None)
    )
    kinds = {
        kind
        for part in module.modules()
        for kind in type(part).mro()
        if kind.__module__.startswith(library)
    }
    theirs = sum(map(tokens, kinds))
    ours = length(variation_text(read_shipped(name)))
    return {
        "library": library,
        "spec": ours,
        "pytorch": theirs,
        "classes": len(kinds),
        "ratio": round(ours / theirs, 3),
    }


def main() -> None:
    parser = options(__doc__, 1)
    parser.add_argument("nets", nargs="*", help="networks; all of the list by default")
    given = parser.parse_args()
    rows = {name: compared(name, NETS[name]) for name in given.nets or NETS}
    versions = {"torchvision": torchvision.__version__, "timm": timm.__version__}
    write({"machine": machine("torch") | versions, "nets": rows}, given.output)


if __name__ == "__main__":
    main()
