"""The grammar ready to parse with: Lark's tables, compiled once and kept beside the grammar.

Compiling the grammar takes longer than checking most specs, so `grammar.json` holds what Lark made
of `grammar.lark`: plain data, used only if it was made from this grammar by this version of Lark.
`python -m netspec.syntax.tables` writes it anew; without it, or with another Lark, the grammar is compiled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import lark
from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

_FOLDER = Path(__file__).parent
GRAMMAR = _FOLDER / "grammar.lark"
TABLES = _FOLDER / "grammar.json"


def load(transformer: Any) -> Lark:
    """The parser, which builds with `transformer` while it reduces."""
    text = GRAMMAR.read_text(encoding="utf-8")
    try:
        held = json.loads(TABLES.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        held = {}
    if held.get("made_from") != made_from(text):
        return _compile(text, transformer)
    data = held["data"]
    table = data["parser"]["parser"]
    table["tokens"] = _numbered(table["tokens"])
    table["states"] = {int(s): _numbered(row) for s, row in table["states"].items()}
    parser: Lark = Lark.__new__(Lark)._load(
        {"data": data, "memo": _numbered(held["memo"])}, transformer=transformer
    )
    return parser


def made_from(text: str) -> str:
    """What the tables depend on."""
    return f"lark {lark.__version__}, {len(text)} {crc32(text.encode()):08x}"


def tables() -> dict[str, Any]:
    """What `grammar.json` should hold."""
    text = GRAMMAR.read_text(encoding="utf-8")
    data, memo = _compile(text, None).memo_serialize([TerminalDef, Rule])
    return {"made_from": made_from(text), "data": data, "memo": memo}


def _compile(text: str, transformer: Any) -> Lark:
    return Lark(text, parser="lalr", lexer="basic", keep_all_tokens=True, transformer=transformer)


def _numbered(row: dict[str, Any]) -> dict[int, Any]:
    """JSON has only texts as keys."""
    return {int(key): value for key, value in row.items()}


if __name__ == "__main__":
    TABLES.write_text(json.dumps(tables(), separators=(",", ":")) + "\n", encoding="utf-8")
