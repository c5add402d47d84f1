"""Specs as nets: one, or the many of a family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.api.net import Net
from netspec.diagnostics.arguments import advising
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.source import Source
from netspec.elaborate.again.recall import Memo
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec, text_source

if TYPE_CHECKING:
    from netspec.graph.checked import Graph
    from netspec.sizes.dims import Dim
    from netspec.sweeping.latency import Timing
    from netspec.sweeping.space import Space
    from netspec.sweeping.sweep import Sweep


@advising
def load(
    spec: str | Path | Net,
    *,
    input: str | int | Sequence[str] | Sequence[int] = (),
    limits: Limits = DEFAULT,
    **settings: Any,
) -> Net:
    """A checked net from a path, the name of a shipped spec, or a spec's text.

    `settings` are the net's parameters (`alpha=0.5`); `input` replaces input sizes, `"3x320x320"`,
    `"3xHxW"`, `"name:3x320x320"` or `(3, 320, 320)`. Text is told from a path by what only specs
    hold: a newline, `;` or a brace. Raises NetspecError, which prints as the diagnostics.

    >>> import netspec
    >>> netspec.load("conv3-64 x2; maxpool; gap; fc-10", input="3x32x32").params
    39370
    """
    return Net(build(source_of(spec, limits), settings, shapes_of(input), limits))


@advising
def variants(spec: str | Path | Net, *, limits: Limits = DEFAULT) -> Variants:
    """The nets of one spec under many settings and inputs: what they have in common is done once.

    `spec` is what `load` takes. The files are read once, as they are now.

    >>> import netspec
    >>> family = netspec.variants("resnet50")
    >>> [family.totals(classes=n)["params"] for n in (10, 100)]
    [23528522, 23712932]
    """
    return Variants(source_of(spec, limits), limits)


class Variants:
    """The nets of one spec; see `netspec.variants`. It is for one thread at a time.

    What it holds is bounded, whatever is asked of it.
    """

    def __init__(self, source: Source, limits: Limits = DEFAULT) -> None:
        self.source = source
        self.limits = limits
        self._memo = Memo()

    @advising
    def load(
        self, *, input: str | int | Sequence[str] | Sequence[int] = (), **settings: Any
    ) -> Net:
        """The net as `netspec.load` gives it; a mistake is told without what would mend it."""
        return Net(self._graph(settings, input))

    @advising
    def totals(
        self, *, input: str | int | Sequence[str] | Sequence[int] = (), **settings: Any
    ) -> dict[str, Dim]:
        """The totals of one net, exactly: parameters, multiply-adds, memory; see `netspec.analysis.totals`.

        Those that depend on open sizes are formulas. Raises NetspecError where there is no such net.
        """
        from netspec.analysis.totals import totals

        return totals(self._graph(settings, input))

    def _graph(
        self, settings: Mapping[str, Any], input: str | int | Sequence[str] | Sequence[int]
    ) -> Graph:
        return build(
            self.source, settings, shapes_of(input), self.limits, memo=self._memo, mend=False
        )


@advising
def sweep(
    spec: str | Path | Net,
    settings: Mapping[str, Any],
    *,
    input: str | int | Sequence[str] | Sequence[int] = (),
    where: str | Sequence[str] = (),
    keep: bool = False,
    sample: int | None = None,
    seed: int = 0,
    part: tuple[int, int] = (1, 1),
    jobs: int | None = 1,
    ray: str | None = None,
    latency: Timing | None = None,
    limits: Limits = DEFAULT,
) -> Sweep:
    """The exact costs of every combination of values for a net's parameters: rows, as they are iterated.

    A value of `settings` is a range, several values, one, or a text as the command takes it,
    `"16..64:8"`. Several sizes of an `input` are variants too. Rows that break a bound of `where`,
    `"params<5M"`, are left out, or kept with the status `over`; what is no net is a row that says why.
    `sample` draws so many variants by `seed`, `part=(2, 8)` is the second eighth. `jobs` processes of
    this machine build them, None as many as pay; or a Ray cluster does. `latency` measures each, as a
    `netspec.sweeping.latency.Timing` says, in this process. Raises NetspecError for what is no
    parameter, no value and no bound, before anything is built.

    >>> import netspec
    >>> net = "net small(n=8); input 3x8x8; conv3-n; gap; fc-10"
    >>> [(row.settings["n"], row.totals["params"]) for row in netspec.sweep(net, {"n": [4, 8]})]
    [(4, 162), (8, 314)]
    """
    from netspec.sweeping.sweep import Sweep

    return Sweep(
        source_of(spec, limits),
        settings,
        inputs=shapes_of(input),
        where=(where,) if isinstance(where, str) else where,
        keep=keep,
        sample=sample,
        seed=seed,
        part=part,
        jobs=jobs,
        ray=ray,
        latency=latency,
        limits=limits,
    )


@advising
def space(
    spec: str | Path | Net, values: Mapping[str, Any] | None = None, *, limits: Limits = DEFAULT
) -> Space:
    """A net's parameters as a search space for Optuna and Ray Tune.

    Parameters that are yes or no, or words that the spec asks for, are in it by themselves; `values` are
    those of numbers and others, as `sweep` takes them. `space.suggest(trial)` gives settings for `load`,
    `space.ray()` a `param_space`; a parameter is chosen only where the others let it matter.

    >>> import netspec
    >>> net = "net small(deep=no, n=8); input 3x8x8; if deep { conv3-n }; gap; fc-10"
    >>> found = netspec.space(net, {"n": range(8, 65, 8)})
    >>> found.matters("n", {"deep": True}), found.matters("n", {"deep": False})
    (True, False)
    """
    from netspec.sweeping.space import Space

    return Space(source_of(spec, limits), values or {}, limits=limits)


def source_of(spec: str | Path | Net, limits: Limits = DEFAULT) -> Source:
    """The text of a spec that is given by path, name, text, or as the net made of it."""
    if isinstance(spec, Net):
        return spec.graph.source
    text = str(spec)
    marked = any(mark in text for mark in "\n;{}") or not text.strip()
    is_text = isinstance(spec, str) and marked and not _exists(text)
    return text_source("<text>", text) if is_text else read_spec(text, limits)


def shapes_of(given: str | int | Sequence[str] | Sequence[int]) -> tuple[str, ...]:
    """Input sizes as the command line writes them."""
    if isinstance(given, (str, int)):
        return (str(given),)
    if given and all(isinstance(size, int) for size in given):
        return ("x".join(map(str, given)),)
    return tuple(map(str, given))


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except OSError:
        return False
