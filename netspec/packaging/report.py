"""What a verification found, as a package holds it: nothing that differs from one call to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.backends.onnx.rounding import Quantized
    from netspec.verify import Report

# Of errors the size counts, and further digits are those of this machine's sums.
_DIGITS = 2


def verified(report: Report) -> dict[str, Any]:
    """A report without its times, with the error and the limit of the case that came nearest to it."""
    worst = report.worst
    assert worst is not None
    plain = {key: value for key, value in report.as_json().items() if key not in _LEFT_OUT}
    found: dict[str, Any] = _rounded({"error": worst.error, "allowed": worst.allowed, **plain})
    return found


def kept(quantized: Quantized) -> dict[str, Any]:
    """What a file in eight bits keeps of the output, and which of its steps are in single precision."""
    found: dict[str, Any] = _rounded(quantized.as_json())
    return found


_LEFT_OUT = {"format_version", "net", "seconds", "versions"}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
