"""NS7xx: a spec that is not what it says of itself."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class NotAsExpected(Problem):
    code = "NS701"
    title = "the spec expects {key}={expected:,}, the net has {found:,}"
    explain = (
        "An `expect` line states figures of the published network. They are compared with the net "
        "whenever it is checked without `--set` and `--input`."
    )
    key: str
    expected: int
    found: int


class ExpectationOpen(Problem):
    code = "NS704"
    title = "the spec expects {key}={expected:,}, and the net's depends on its input: {found}"
    help = "give the input fixed sizes, or leave {key} out"
    explain = (
        "An `expect` line states figures of the published network. Where the input has symbols for "
        "sizes, multiply-adds are a formula of those; parameters are not."
    )
    key: str
    expected: int
    found: object


class UnknownExpectation(Problem):
    code = "NS702"
    title = "nothing called `{key}` can be expected"
    help = "known: {known}"
    explain = "An `expect` line takes the listed figures."
    key: str
    known: str


class ExpectationNotANumber(Problem):
    code = "NS703"
    title = "`expect {key}` needs a whole number, got {value}"
    explain = "Figures in an `expect` line are exact whole numbers."
    key: str
    value: str
