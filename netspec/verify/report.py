"""What a verification found: plain records that print and travel."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from netspec.analysis.text_layout import broken
from netspec.diagnostics.messages.backends import NothingVerified, ResultsDiffer, Unsteady
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic, Label, Problem
from netspec.foundation.records import record
from netspec.foundation.version import __version__
from netspec.graph.checked import Node

# A mistake moves outputs by far more than rounding; outputs that move less cannot show one.
LEAST_RESPONSE = 1e-4
# How long a line of a report may be.
_WIDEST = 80


@record
class Case:
    """One output on one input.

    Errors are the largest difference from the double-precision reference, relative to the
    reference's largest value `scale`: ONNX Runtime's, and PyTorch's in the precision of the file.
    Where rounding moves it further than `steady_to`, what is allowed would hide a mistake.
    Where rounding alone moves the output too far, every layer is compared `by_layer`, on the values
    that the file gives it: the errors are then those of the layer that is nearest to its limit.
    """

    output: str
    batch: int
    seed: int
    scale: float
    error: float
    torch_error: float
    allowed: float
    steady_to: float
    by_layer: bool = False

    @property
    def steady(self) -> bool:
        """Whether rounding moves the output so little that a mistake would show."""
        return self.torch_error <= self.steady_to

    @property
    def ok(self) -> bool:
        """Whether the error is within what is allowed."""
        return self.error <= self.allowed


@record
class Response:
    """How far the outputs move, relative to their largest value, when a layer's weights do."""

    layer: str
    response: float

    @property
    def silent(self) -> bool:
        """Whether a mistake in the layer could pass for rounding."""
        return not self.response >= LEAST_RESPONSE


@record
class Culprit:
    """The first layer whose values are wrong: its path and its operator.

    `place` is the step of the net that made it, `definition` the step of the block it is in.
    """

    layer: str
    operator: str
    place: str
    definition: str
    error: float


@record(slots=False)
class Report:
    """The outcome of a verification.

    `failure` is what ONNX Runtime said where it could not run the model. `node` is the culprit in
    the graph, for diagnostics. `reduced` says which inputs were made smaller, if any were:
    `1x188x188 instead of 1x572x572`. `dtype` is the file's precision.
    """

    net: str
    device: str
    provider: str
    seed: int
    weights: str
    cases: tuple[Case, ...]
    responses: tuple[Response, ...]
    culprit: Culprit | None
    failure: str | None
    versions: tuple[tuple[str, str], ...]
    seconds: float
    node: Node | None = None
    reduced: str = ""
    dtype: str = "fp32"

    @property
    def vacuous(self) -> tuple[str, ...]:
        """Layers that the outputs hardly respond to."""
        return tuple(r.layer for r in self.responses if r.silent)

    @property
    def agrees(self) -> bool:
        """Whether every output of every run agrees; says nothing of what they respond to."""
        return self.failure is None and bool(self.cases) and all(case.ok for case in self.cases)

    @property
    def unsteady(self) -> tuple[str, ...]:
        """Outputs that rounding alone moves so far that agreement proves nothing of them."""
        return tuple(dict.fromkeys(case.output for case in self.cases if not case.steady))

    @property
    def ok(self) -> bool:
        """Whether all agrees and the agreement proves something."""
        return self.agrees and not self.vacuous and not self.unsteady

    @property
    def worst(self) -> Case | None:
        """The case that comes nearest to its limit, or exceeds it by most."""
        return max(self.cases, key=lambda case: _excess(case), default=None)

    def problem(self) -> Problem | None:
        """What is wrong, None if nothing is."""
        if not self.agrees:
            case = self.worst
            error, allowed = (
                (f"{case.error:.1e}", f"{case.allowed:.1e}") if case else ("all", "none")
            )
            at = f"the first wrong layer is {self.culprit.layer}" if self.culprit else ""
            advice = ", ".join(part for part in (at, self.failure or "") if part)
            return ResultsDiffer(error, allowed, advice)
        if self.vacuous:
            return NothingVerified(", ".join(self.vacuous[:5]))
        if self.unsteady:
            moved = max(case.torch_error for case in self.cases if not case.steady)
            return Unsteady(", ".join(self.unsteady[:5]), f"{moved:.1e}")
        return None

    def require(self) -> None:
        """Raises NetspecError with the place in the spec, unless all is well."""
        problem = self.problem()
        if problem is None:
            return
        node = self.node
        calls = node.call.ancestors() if node is not None and node.call is not None else ()
        labels = tuple(Label(call.span, str(call)) for call in calls)
        diagnostic = Diagnostic(problem, node.span if node is not None else None, calls=labels)
        raise NetspecError((diagnostic,))

    def as_json(self) -> dict[str, Any]:
        """The report as plain data; `format_version` 1."""
        return {
            "format_version": 1,
            "net": self.net,
            "ok": self.ok,
            "device": self.device,
            "dtype": self.dtype,
            "provider": self.provider,
            "seed": self.seed,
            "weights": self.weights,
            "cases": [{**asdict(case), "ok": case.ok} for case in self.cases],
            "responses": [asdict(response) for response in self.responses],
            "vacuous": list(self.vacuous),
            "unsteady": list(self.unsteady),
            "reduced": self.reduced or None,
            "culprit": asdict(self.culprit) if self.culprit else None,
            "failure": self.failure,
            "versions": dict(self.versions),
            "seconds": round(self.seconds, 3),
        }

    def text(self) -> str:
        """The report as a few lines for a terminal."""
        verdict = "verified" if self.ok else ("proves nothing" if self.agrees else "WRONG")
        how = "half precision, " if self.dtype == "fp16" else ""
        about = f"{how}{self.provider}, {self.weights}, {self.seconds:.1f} s"
        lines = [f"{self.net}: {verdict} ({about})"]
        lines.append(
            f"  {'output':<16} {'batch':>5} {'seed':>4} {'error':>9} {'torch':>9} {'allowed':>9}"
        )
        for case in self.cases:
            mark = "" if case.ok and case.steady else "  <-"
            if case.by_layer:
                mark = f"  layer by layer{mark}"
            lines.append(
                f"  {case.output:<16} {case.batch:>5} {case.seed:>4} {case.error:>9.1e}"
                f" {case.torch_error:>9.1e} {case.allowed:>9.1e}{mark}"
            )
        if self.reduced:
            lines.append(f"  at a smaller input: {self.reduced}")
        if self.responses:
            least = min(self.responses, key=lambda response: response.response)
            lines.append(
                f"  least response to a changed layer: {least.response:.1e} ({least.layer})"
            )
        if self.vacuous:
            lines.append(f"  the outputs hardly respond to {', '.join(self.vacuous)}")
        if self.unsteady:
            lines.append(f"  rounding alone moves {', '.join(self.unsteady)} too far")
        if self.failure:
            lines.append(f"  ONNX Runtime: {self.failure}")
        if self.culprit:
            wrong = self.culprit
            lines.append(f"  first wrong layer: {wrong.layer} ({wrong.operator}) at {wrong.place}")
        said = ", ".join(f"{name} {version}" for name, version in self.versions)
        lines += broken(f"  {said}", _WIDEST, 4)
        return "\n".join(lines)

    def metadata(self) -> dict[str, str]:
        """What an ONNX file should say of its verification."""
        worst = self.worst
        return {
            "netspec.verified": "yes" if self.ok else "no",
            "netspec.verified_error": f"{worst.error:.2e}" if worst else "",
            "netspec.verified_allowed": f"{worst.allowed:.2e}" if worst else "",
            "netspec.verified_provider": self.provider,
            "netspec.verified_seed": str(self.seed),
            **({"netspec.verified_input": self.reduced} if self.reduced else {}),
            "netspec.verified_with": ", ".join(
                f"{name} {version}" for name, version in self.versions
            ),
        }


def _excess(case: Case) -> float:
    ratio = case.error / case.allowed if case.allowed > 0 else float("inf")
    return ratio if ratio == ratio else float("inf")


def culprit_of(node: Node, error: float) -> Culprit:
    """The record of a wrong layer."""
    spans = (
        [node.span, *(call.span for call in node.call.ancestors())] if node.call else [node.span]
    )
    return Culprit(node.path, node.op.spelling, str(spans[-1]), str(node.span), error)


def versions() -> tuple[tuple[str, str], ...]:
    """What took part, and in which version."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("netspec", "torch", "onnx", "onnxruntime", "onnxruntime-gpu", "numpy"):
        try:
            found.append((name, version("netspec-networks" if name == "netspec" else name)))
        except PackageNotFoundError:
            if name == "netspec":
                found.append((name, __version__))
    return tuple(found)
