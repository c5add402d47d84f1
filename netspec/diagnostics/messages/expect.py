"""NS7xx: a spec that is not what it says of itself."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class NotAsExpected(Problem):
    code = "NS701"
    title = "the spec expects {key}={expected:,}, the net has {found}"
    explain = (
        "An `expect` line states figures of the published network. They are compared with the net "
        "whenever it is checked without `--set` and `--input`. Where a size is a symbol, "
        "multiply-adds are a formula, and no number is equal to it."
    )
    key: str
    expected: int
    found: str


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
