"""Tokens into Lark's parser, by its own tables and stacks, at a third of the cost of its own loop.

Lark looks the builder of a node up by the rule, which it hashes and compares field by field, and asks rules
that only pass on their child to do so. Here each action holds what it needs. What cannot be read is left
to Lark, which raises what it always does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lark import Lark
from lark.parse_tree_builder import ExpandSingleChild
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_parser_state import ParserState

from netspec.syntax.terminals import Word

# What a state does with a token or a rule: the state to go to, or how many values a rule takes, its
# name and what makes a node of them; nothing does where it takes one and passes it on.
Action = int | tuple[int, str, Callable[[list[Any]], Any] | None]


class Actions:
    """What each state of a parser does, ready to run."""

    def __init__(self, parser: Lark) -> None:
        conf = parser.parse_interactive().parser_state.parse_conf
        self._made = conf.callbacks
        shared: dict[Any, Action] = {}
        self._states = {
            state: {
                symbol: to if action is Shift else self._reduction(to, shared)
                for symbol, (action, to) in row.items()
            }
            for state, row in conf.states.items()
        }

    def _reduction(self, rule: Any, shared: dict[Any, Action]) -> Action:
        if id(rule) not in shared:
            make, size = self._made[rule], len(rule.expansion)
            passes = size == 1 and isinstance(make, ExpandSingleChild)
            shared[id(rule)] = size, rule.origin.name, None if passes else make
        return shared[id(rule)]

    def feeder(self, parsing: ParserState[Any]) -> Callable[[Word], None]:
        """What puts a token that is not the last on a parser's stacks; raises UnexpectedToken."""
        actions, made = self._states, self._made
        states, values = parsing.state_stack, parsing.value_stack

        def feed(token: Word) -> None:
            kind = token.type
            while True:
                action = actions[states[-1]].get(kind)
                if action is None:
                    parsing.feed_token(token)
                    return
                if action.__class__ is int:
                    states.append(action)
                    values.append(made[kind](token) if kind in made else token)
                    return
                size, name, make = action  # type: ignore[misc]
                if make is None:
                    states[-1] = actions[states[-2]][name]
                    continue
                taken = values[-size:] if size else []
                if size:
                    del states[-size:]
                    del values[-size:]
                states.append(actions[states[-1]][name])
                values.append(make(taken))

        return feed
