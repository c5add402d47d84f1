"""Names that braces give, before any of their steps is run."""

from __future__ import annotations

import pytest

from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.elaborate.scope import names_inside, reserved_names
from netspec.syntax import ast
from netspec.syntax.parse import parse


@pytest.mark.parametrize(
    ("braces", "names"),
    [
        ("relu; tanh", ""),
        ("relu as a; tanh as b", "a b"),
        ("split(2) as a, b", "a b"),
        ("{ | relu as a | tanh as b; relu as c }; add as d", "a b c d"),
        ("if n > 0 { relu as a } else if n > 1 { relu as b } else { relu as c }", "a b c"),
        ("for i in 1..3 { relu as a }; for x in @s { { | relu as b } }", "a b"),
        ("freeze { relu as a }; residual { relu as b } as c", "a b c"),
        ("head h { relu as a }", "h"),
        ("relu x3 as a; default conv(bias=no); relu as b", "a b"),
    ],
)
def test_all_names_in_braces_are_known_beforehand(braces: str, names: str) -> None:
    """Those of a head's own steps stay in it; it has a name itself."""
    (block,) = parse(Source("t.ns", f"block b(n) {{ {braces} }}"), Collector()).items
    assert isinstance(block, ast.Block)
    assert reserved_names(block.body) == frozenset(names.split())


def test_a_name_that_a_call_does_not_have_is_told_what_there_is() -> None:
    assert names_inside("a", "firts", ["second", "first"]) == "did you mean `first`?"
    assert names_inside("a", "zzzz", ["second", "first"]) == "named in `a`: first, second"
    assert names_inside("a", "zzzz", []).startswith("no step in `a` has a name")
