"""NS6xx: what a back-end cannot do, and what it got wrong."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Problem


@dataclass(frozen=True)
class OpsetUnsupported(Problem):
    code = "NS601"
    title = "opset {opset} is not supported: netspec writes {low} to {high}"
    explain = (
        "Below the lowest opset, pooling with rounding up and group normalisation mean something "
        "else; above the highest, ONNX Runtime does not read the file."
    )
    opset: int
    low: int
    high: int


@dataclass(frozen=True)
class DeviceMissing(Problem):
    code = "NS602"
    title = "{device} was asked for and is not there: {reason}"
    help = "{advice_text}"
    explain = "A device that was asked for is never replaced by another in silence."
    device: str
    reason: str
    advice_text: str


@dataclass(frozen=True)
class RuntimeFailed(Problem):
    code = "NS603"
    title = "ONNX Runtime failed: {reason}"
    explain = "ONNX Runtime refused the file or failed while running it; the message is its own."
    reason: str


@dataclass(frozen=True)
class BadInput(Problem):
    code = "NS604"
    title = "input `{name}`: {reason}"
    explain = (
        "The input given to the net has the wrong name, type, rank or size, or is not plain data."
    )
    name: str
    reason: str


@dataclass(frozen=True)
class BadModel(Problem):
    code = "NS605"
    title = "`{path}` is not a model netspec runs: {reason}"
    explain = (
        "Only ONNX files are run whose operators netspec itself writes, so that a file cannot take "
        "unbounded time or memory."
    )
    path: str
    reason: str


@dataclass(frozen=True)
class NotInstalled(Problem):
    code = "NS606"
    title = "{what} needs {package}, which is not installed"
    help = "{advice_text}"
    explain = (
        "netspec checks, draws and summarises without further packages; this command needs one."
    )
    what: str
    package: str
    advice_text: str
