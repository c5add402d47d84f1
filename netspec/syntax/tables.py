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
from lark.grammar import NonTerminal, Rule, RuleOptions, Terminal
from lark.lexer import TerminalDef
from lark.parsers.lalr_analysis import Reduce, Shift

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
    # JSON has only texts as keys.
    memo = {int(number): item for number, item in held["memo"].items()}
    options = [RuleOptions(*given) for given in held["options"]]
    memo |= {int(number): _rule(row, options) for number, row in held["rules"].items()}
    parser: Lark = Lark.__new__(Lark)._load(
        {"data": held["data"], "memo": memo}, transformer=transformer
    )
    # Lark would look every action's rule up by its description; a number tells which it is.
    actions = [(Reduce, rule) for rule in parser.rules]
    _table(parser).states = {
        state: {token: actions[~to] if to < 0 else (Shift, to) for token, to in row.items()}
        for state, row in enumerate(held["states"])
    }
    return parser


def _table(parser: Lark) -> Any:
    """The table that the parser reads: states to tokens to actions."""
    return parser.parser.parser._parse_table


def made_from(text: str) -> str:
    """What the tables depend on."""
    return f"lark {lark.__version__}, {len(text)} {crc32(text.encode()):08x}"


def tables() -> dict[str, Any]:
    """What `grammar.json` should hold.

    `data` and `memo` are what Lark keeps of a parser, without its rules and states, which it would
    read field by field. `rules` has a row for each, in the memo's numbers. `states` has a row for
    each: tokens to the state to shift to, or to the complement of the number of the rule to
    reduce by.
    """
    text = GRAMMAR.read_text(encoding="utf-8")
    parser = _compile(text, None)
    numbers = {rule: number for number, rule in enumerate(parser.rules)}
    states = _table(parser).states
    rows = [
        {token: to if action is Shift else ~numbers[to] for token, (action, to) in row.items()}
        for _, row in sorted(states.items())
    ]
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    data["parser"]["parser"] |= {"tokens": {}, "states": {}}
    options: list[list[Any]] = []
    rules = {
        number: _row(item, options) for number, item in memo.items() if item["__type__"] == "Rule"
    }
    rest = {number: item for number, item in memo.items() if number not in rules}
    return {
        "made_from": made_from(text),
        "data": data,
        "memo": rest,
        "options": options,
        "rules": rules,
        "states": rows,
    }


def _row(rule: dict[str, Any], options: list[list[Any]]) -> list[Any]:
    """A rule as a row: its name, symbols, order, alias and the number of its options.

    A symbol is the name of a rule, or a list of a terminal's name and whether it is filtered out.
    """
    given = [rule["options"][field] for field in RuleOptions.__serialize_fields__]
    if given not in options:
        options.append(given)
    symbols = [
        [item["name"], item["filter_out"]] if item["__type__"] == "Terminal" else item["name"]
        for item in rule["expansion"]
    ]
    name, order, alias = rule["origin"]["name"], rule["order"], rule["alias"]
    return [name, symbols, order, alias, options.index(given)]


def _rule(row: list[Any], options: list[RuleOptions]) -> Rule:
    name, symbols, order, alias, number = row
    expansion = [
        Terminal(*item) if isinstance(item, list) else NonTerminal(item) for item in symbols
    ]
    return Rule(NonTerminal(name), expansion, order, alias, options[number])


def _compile(text: str, transformer: Any) -> Lark:
    return Lark(text, parser="lalr", lexer="basic", keep_all_tokens=True, transformer=transformer)


if __name__ == "__main__":
    TABLES.write_text(json.dumps(tables(), separators=(",", ":")) + "\n", encoding="utf-8")
