"""How a parameter's values are asked for: of a trial of Optuna, or as a domain of Ray Tune."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from netspec.sweeping.axes import Axis, Steps


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


def asked(trial: Trial, axis: Axis) -> Any:
    """The value that a trial suggests; ranges are asked for as such, and one value is not asked for."""
    values = axis.values
    if len(values) == 1:
        return values[0]
    if isinstance(values, range):
        least, most = sorted((values[0], values[-1]))
        return trial.suggest_int(axis.name, least, most, step=abs(values.step))
    if isinstance(values, Steps):
        low, high = sorted((values[0], values[-1]))
        return trial.suggest_float(axis.name, low, high, step=abs(float(values.step)))
    return trial.suggest_categorical(axis.name, list(values))


def domain(tune: Any, axis: Axis) -> Any:
    """The domain of `ray.tune`."""
    values = axis.values
    if isinstance(values, range) and values.step == 1:
        return tune.randint(values.start, values.stop)
    # Tune's domains with steps round to multiples of the step, whatever the range begins with.
    return tune.choice(list(values))


def conditional(
    needs: Collection[str], matters: Callable[[Mapping[str, Any]], bool], domain: Any
) -> Callable[[Any], Any]:
    """What `tune.sample_from` takes: a value of the domain where it matters, or None."""

    def drawn(given: Any) -> Any:
        """A value. A Tuner gives what was drawn before this, in the order of the space; Tune's own
        generators give a mapping that waits where an attribute is not drawn yet.
        """
        held = given if set(needs) <= set(given) else given["config"]
        known = {n: held[n] if type(held) is dict else getattr(held, n) for n in needs}
        return domain.sample() if matters(known) else None

    return drawn
