"""A net's parameters as a search space: which values each may have, and when it matters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

from netspec.diagnostics.arguments import advising, repr_of
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.raised import Collector, NetspecError, Rejection
from netspec.diagnostics.source import Source
from netspec.elaborate.scope import Level, Poisoned, Scope
from netspec.elaborate.settings import bases, parameters_of, variables_of
from netspec.elaborate.steps import Elaborator
from netspec.foundation.records import record
from netspec.sizes.asked import SIZES
from netspec.sweeping.axes import Axis, Value, axis_of
from netspec.sweeping.guards import Guards, names_in, uses_of
from netspec.sweeping.proposals import Trial, asked, conditional, domain
from netspec.sweeping.spec import checked_names, unit_of
from netspec.syntax import ast
from netspec.syntax.units import Loader, Unit
from netspec.syntax.words import choices
from netspec.system.extras import need


@record
class Dimension:
    """A parameter that is searched: its values, and the other parameters that say whether it matters."""

    axis: Axis
    uses: tuple[Guards, ...]
    needs: frozenset[str]

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.axis.name


class Space:
    """The values that a net's parameters may have, in the order in which they are chosen.

    Parameters whose values the spec itself tells, yes or no and words that are asked for, are in it;
    numbers are where values are given, as `sweep` takes them. The others keep their defaults. A parameter
    that is used only under an `if`, a choice or a repeat of others is chosen only where those let it matter.
    """

    def __init__(
        self, source: Source, values: Mapping[str, object], *, limits: Limits = DEFAULT
    ) -> None:
        self.source = source
        self._limits = limits
        self._unit = unit_of(source, limits)
        checked_names(self._unit, values)
        axes = _told(self._unit, values)
        axes |= {name: axis_of(name, given, limits) for name, given in values.items()}
        names = [name for name in parameters_of(self._unit) if name in axes]
        self.dimensions = self._ordered({name: axes[name] for name in names})

    def __repr__(self) -> str:
        return f"<Space of {self._unit.name}: {', '.join(d.name for d in self.dimensions)}>"

    def __len__(self) -> int:
        return len(self.dimensions)

    @advising
    def matters(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Whether a parameter changes the net under these settings of those that it needs."""
        dimension = next((d for d in self.dimensions if d.name == name), None)
        if dimension is None:
            names = ", ".join(f"`{d.name}`" for d in self.dimensions)
            raise ValueError(f"the space has no parameter {name!r}, but {names or 'none'}")
        if not dimension.needs:
            return True
        known = {n: settings[n] for n in dimension.needs if settings.get(n) is not None}
        variables = self._variables(known)
        return variables is None or any(
            all(guard.admits(variables) for guard in guards) for guards in dimension.uses
        )

    def settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The settings for `load` of a configuration that Ray Tune has drawn: what matters of it."""
        return {d.name: config[d.name] for d in self.dimensions if config.get(d.name) is not None}

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """The settings that a trial of Optuna suggests: only parameters that matter are asked for."""
        if not hasattr(trial, "suggest_categorical"):
            raise TypeError(f"suggest takes a trial of Optuna, not {repr_of(trial)}")
        found: dict[str, Any] = {}
        for dimension in self.dimensions:
            if self.matters(dimension.name, found):
                found[dimension.name] = asked(trial, dimension.axis)
        return found

    def ray(self) -> dict[str, Any]:
        """A `param_space` for Ray Tune; what does not matter is None in its configurations.

        Raises CannotImport where Ray is not installed.
        """
        need("ray", "a search space for Ray Tune")
        from ray import tune

        found: dict[str, Any] = {}
        for dimension in self.dimensions:
            drawn = domain(tune, dimension.axis)
            if dimension.needs:
                matters = partial(self.matters, dimension.name)
                drawn = tune.sample_from(conditional(dimension.needs, matters, drawn))
            found[dimension.name] = drawn
        return found

    def _variables(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The net's parameters under these settings; None where they are not settings of it."""
        collector = Collector()
        try:
            loader = Loader(collector, self._limits)
            elaborator = Elaborator(loader, collector, self._limits)
            nothing = Scope(self._unit, Level(""), {}, {}, {})
            found = variables_of(self._unit, settings, nothing, elaborator.calls, self._limits)
        except (Rejection, NetspecError, Poisoned):
            return None
        return found[0]

    @cached_property
    def _uses(self) -> dict[str, list[Guards]]:
        """Where the net uses its parameters, also by way of defaults of those that are not searched."""
        return uses_of(bases(self._unit)[-1])

    def _ordered(self, axes: dict[str, Axis]) -> tuple[Dimension, ...]:
        """The dimensions: those that others need come first, else in the order of the spec."""
        left = {name: self._dimension(axis, axes) for name, axis in axes.items()}
        found: dict[str, Dimension] = {}
        while left:
            free = (name for name, d in left.items() if d.needs <= found.keys())
            name = next(free, None)
            if name is None:  # they need each other: one is taken to matter always
                name, held = next(iter(left.items()))
                left[name] = Dimension(held.axis, held.uses, frozenset())
            found[name] = left.pop(name)
        return tuple(found.values())

    def _dimension(self, axis: Axis, axes: dict[str, Axis]) -> Dimension:
        uses = list(self._found_uses(axis.name, axes, set()))
        names = {name for guards in uses for guard in guards for name in guard.names}
        # A parameter with a use that nothing guards matters always.
        needs = self._decisive(names, axes) if uses and all(uses) else set()
        return Dimension(axis, tuple(uses), frozenset(needs - {axis.name}))

    def _found_uses(self, name: str, axes: dict[str, Axis], seen: set[str]) -> list[Guards]:
        known = parameters_of(self._unit)
        if known[name][1] is not bases(self._unit)[-1]:
            return [()]  # what a variation hands on is taken to matter
        found = list(self._uses.get(name, ()))
        for other, (parameter, _) in known.items():
            if other not in axes and other not in seen and name in names_in(parameter.default):
                found += self._found_uses(other, axes, seen | {name})
        return found or [()]

    def _decisive(self, names: set[str], axes: dict[str, Axis]) -> set[str]:
        """The searched parameters that names of conditions are, or whose values they have by default."""
        known = parameters_of(self._unit)
        found, pending, seen = set[str](), list(names), set[str]()
        while pending:
            name = pending.pop()
            if name in seen or name not in known:
                continue
            seen.add(name)
            if name in axes:
                found.add(name)
            else:
                pending += names_in(known[name][0].default)
        return found


def _told(unit: Unit, given: Mapping[str, object]) -> dict[str, Axis]:
    """The axes that the spec itself tells: of yes or no, and of words that are asked for."""
    fixed = {a.name for u in bases(unit) if u.net and u.net.base for a in u.net.base.arguments}
    found: dict[str, Axis] = {}
    for name, (parameter, owner) in parameters_of(unit).items():
        if name in given or name in fixed:
            continue
        values: tuple[Value, ...] = ()
        match parameter.default:
            case ast.Variable("yes" | "no" as word):
                values = (word == "yes", word == "no")
            case ast.Variable(word) if word not in SIZES:
                assert owner.net is not None
                values = choices(owner.chain, parameter, owner.net.parameters)
        if values:
            found[name] = Axis(name, f"set_{name}", values)
    return found
