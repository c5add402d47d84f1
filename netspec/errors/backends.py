"""NS6xx: what a back-end cannot do, and what it got wrong."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Problem


@dataclass(frozen=True)
class OpsetUnsupported(Problem):
    code = "NS601"
    title = "opset {opset} is not supported: netspec writes {low} to {high}"
    opset: int
    low: int
    high: int


@dataclass(frozen=True)
class DeviceMissing(Problem):
    code = "NS602"
    title = "{device} was asked for and is not there: {reason}"
    help = "{advice_text}"
    device: str
    reason: str
    advice_text: str


@dataclass(frozen=True)
class RuntimeFailed(Problem):
    code = "NS603"
    title = "ONNX Runtime failed: {reason}"
    reason: str


@dataclass(frozen=True)
class BadInput(Problem):
    code = "NS604"
    title = "input `{name}`: {reason}"
    name: str
    reason: str


@dataclass(frozen=True)
class BadModel(Problem):
    code = "NS605"
    title = "`{path}` is not a model netspec runs: {reason}"
    path: str
    reason: str


@dataclass(frozen=True)
class NotInstalled(Problem):
    code = "NS606"
    title = "{what} needs {package}, which is not installed"
    help = "{advice_text}"
    what: str
    package: str
    advice_text: str
