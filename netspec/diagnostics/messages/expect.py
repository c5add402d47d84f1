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
    expected: object
    found: object


class ExpectationOpen(Problem):
    code = "NS704"
    title = "the spec expects {key}={expected:,}, and the net's depends on its input: {found}"
    help = "write the formula, give the input fixed sizes, or leave {key} out"
    explain = (
        "An `expect` line states figures of the published network. Where the input has symbols for "
        "sizes, multiply-adds are a formula of those, which the line may state: `macs=27*H*W`."
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
    explain = "Figures in an `expect` line are exact whole numbers, or formulas of the input's open sizes."
    key: str
    value: str


class UnknownFigure(Problem):
    code = "NS705"
    title = "no `{line}` line has a key `{key}`"
    help = "{advice_text}"
    explain = (
        "`error`, `score` and `entry` lines state published figures: measures, how they were "
        "measured, and where they are printed; a `preprocess` line states how an image becomes an "
        "input. Their keys are fixed, so that a misspelt one is not lost. Of errors less is better, "
        "of scores more."
    )
    line: str
    key: str
    advice_text: str


class BadFigure(Problem):
    code = "NS706"
    title = "`{line}`: {key} must be {expected}, got {value}"
    explain = (
        "Errors and scores are in per cent, but for `points`; a top-5 error is no larger than the "
        "top-1 error of its line. Sizes of images are whole numbers; `mean` and `std` are in the "
        "units of `range`. Texts stand in quotes."
    )
    line: str
    key: str
    expected: str
    value: str


class IncompleteFigure(Problem):
    code = "NS707"
    title = "this `{line}` line lacks {missing}"
    explain = (
        "A published figure is a measure and the place where it is printed; a score also says what "
        "it was measured on, an entry its challenge, year and team."
    )
    line: str
    missing: str


class PreprocessMisfit(Problem):
    code = "NS708"
    title = "this `preprocess` line does not fit: {reason}"
    help = "{advice_text}"
    explain = (
        "A `preprocess` line says how an image becomes an input of C channels, height and width: the "
        "crop, with what is padded, is as large as the input, what is resized no smaller than the "
        "crop, and there are as many means and deviations as channels, or one. Of several inputs "
        "`image=` names the one that is meant."
    )
    reason: str
    advice_text: str
