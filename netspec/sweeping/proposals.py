"""Who proposes values of a search space: a trial of Optuna, or Ray Tune."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from netspec.sweeping.axes import Axis
from netspec.system.extras import need

if TYPE_CHECKING:
    from netspec.sweeping.space import Space


class Trial(Protocol):
    """What is asked of `optuna.Trial`."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """A whole number from `low` to `high`."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        """A number from `low` to `high`."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""


def suggested(space: Space, trial: Trial) -> dict[str, Any]:
    """Settings that a trial suggests, one parameter after the other, where it matters."""
    found: dict[str, Any] = {}
    for dimension in space.dimensions:
        if space.matters(dimension.name, found):
            found[dimension.name] = _asked(trial, dimension.axis)
    return found


def _asked(trial: Trial, axis: Axis) -> Any:
    values = axis.values
    if len(values) == 1:
        return values[0]
    if not axis.is_even:
        return trial.suggest_categorical(axis.name, list(values))
    low, high, step = _ends(axis)
    if axis.kind is int:
        return trial.suggest_int(axis.name, low, high, step=step)
    return trial.suggest_float(axis.name, low, high, step=step)


def param_space(space: Space) -> dict[str, Any]:
    """Ray Tune's domains by parameter; what others decide of is drawn when they are known."""
    need("ray", "a search space for Ray Tune")
    from ray import tune

    found: dict[str, Any] = {}
    for dimension in space.dimensions:
        domain = _domain(tune, dimension.axis)
        if dimension.needs:
            domain = tune.sample_from(_where_it_matters(space, dimension.name, domain))
        found[dimension.name] = domain
    return found


def _domain(tune: Any, axis: Axis) -> Any:
    if not axis.is_even or len(axis.values) == 1:
        return tune.choice(list(axis.values))
    low, high, step = _ends(axis)
    if axis.kind is int:
        return tune.randint(low, high + 1) if step == 1 else tune.choice(list(axis.values))
    return tune.choice(list(axis.values))


def _ends(axis: Axis) -> tuple[Any, Any, Any]:
    """The least value of a range, its largest, and what is between two."""
    first, last = axis.values[0], axis.values[-1]
    step = axis.values[1] - axis.values[0]  # type: ignore[operator]
    return min(first, last), max(first, last), abs(step)


def _where_it_matters(space: Space, name: str, domain: Any) -> Callable[[Mapping[str, Any]], Any]:
    needs = next(d.needs for d in space.dimensions if d.name == name)

    def drawn(given: Mapping[str, Any]) -> Any:
        """A value, or None. Ray Tune gives what it has drawn; attributes wait for what it has not."""
        held = getattr(given, "config", given)
        known = {other: getattr(held, other) for other in needs}
        return domain.sample() if space.matters(name, known) else None

    return drawn
