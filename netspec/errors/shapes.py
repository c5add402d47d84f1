"""NS3xx: a step that cannot take what flows into it."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Problem


@dataclass(frozen=True)
class WrongRank(Problem):
    code = "NS301"
    title = "`{op}` takes {expected}, got {found}"
    help = "{advice_text}"
    op: str
    expected: str
    found: str
    advice_text: str = ""


@dataclass(frozen=True)
class KernelTooLarge(Problem):
    code = "NS302"
    title = "`{op}`'s kernel {kernel} does not fit the padded input {size} along axis {axis} of {found}"
    help = "use a smaller kernel, or pad=same"
    about = ("kernel", "pad", "dilation")
    op: str
    kernel: int
    size: object
    axis: int
    found: str


@dataclass(frozen=True)
class NotDivisible(Problem):
    code = "NS303"
    title = "`{op}` needs {what} divisible by {divisor}, got {value}"
    about = ("groups", "parts", "width")
    op: str
    what: str
    divisor: int
    value: object


@dataclass(frozen=True)
class PadTooLarge(Problem):
    code = "NS304"
    title = "`{op}` pads {pad} with a kernel of {kernel}: a window would hold padding only"
    about = ("pad", "kernel")
    op: str
    pad: int
    kernel: int


@dataclass(frozen=True)
class ShapesDiffer(Problem):
    code = "NS310"
    title = "`{op}` joins tensors of different shapes: {shapes}"
    help = "{advice_text}"
    explain = (
        "An element-wise merge needs equal shapes, except that a vector of C values multiplies or adds "
        "to the C channels of a map. Concatenation needs equal sizes along every axis but the joined one."
    )
    op: str
    shapes: str
    advice_text: str = ""


@dataclass(frozen=True)
class WrongCount(Problem):
    code = "NS311"
    title = "`{op}` takes {expected}, the wire carries {found}"
    help = "{advice_text}"
    op: str
    expected: str
    found: str
    advice_text: str = ""


@dataclass(frozen=True)
class BranchCount(Problem):
    code = "NS312"
    title = "{branches} branches cannot share a wire of {tensors} tensors"
    help = "one tensor goes to every branch; n tensors go to n branches, one each"
    branches: int
    tensors: int


@dataclass(frozen=True)
class UnknownSize(Problem):
    code = "NS313"
    title = "`{op}` needs a fixed size, but the input is {found}"
    help = "{advice_text}"
    op: str
    found: str
    advice_text: str


@dataclass(frozen=True)
class NoLegalSize(Problem):
    code = "NS314"
    title = "no size of {symbol} up to 2048 satisfies {conditions}"
    symbol: str
    conditions: str


@dataclass(frozen=True)
class NotIds(Problem):
    code = "NS315"
    title = "`{op}` takes {expected}, got {found}"
    op: str
    expected: str
    found: str


@dataclass(frozen=True)
class WrongPartner(Problem):
    code = "NS316"
    title = "`{op}` needs {expected}"
    op: str
    expected: str


@dataclass(frozen=True)
class OutOfRange(Problem):
    code = "NS317"
    title = "`{op}`: {what} must be {allowed}, got {value}"
    op: str
    what: str
    allowed: str
    value: object


@dataclass(frozen=True)
class EmptyOutput(Problem):
    code = "NS318"
    title = "`{op}` would leave nothing of {found}: its output is {output}"
    op: str
    found: str
    output: str


@dataclass(frozen=True)
class SharedShapesDiffer(Problem):
    code = "NS319"
    title = "weights of `{owner}` have shapes {theirs}, this step needs {ours}"
    owner: str
    theirs: str
    ours: str


@dataclass(frozen=True)
class ElementsDiffer(Problem):
    code = "NS320"
    title = "`{op}` keeps the elements: {found} cannot become {wanted}"
    op: str
    found: str
    wanted: str
