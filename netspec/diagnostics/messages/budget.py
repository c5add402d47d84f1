"""NS7xx: what is asked of a summary and cannot be answered."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class NotABudget(Problem):
    code = "NS710"
    title = "`{text}` is not a bound on a total"
    help = "{advice_text}"
    explain = (
        "A bound is a total, one of < <= > >= == and a number: `params<5M`, `weights <= 20MiB`. "
        "K, M, G and T are powers of 1000; Ki, Mi, Gi and Ti of 1024. Several are joined by commas."
    )
    text: str
    advice_text: str


class UnknownLayerPath(Problem):
    code = "NS711"
    title = "{net} has no layer `{path}`"
    help = "{advice_text}"
    explain = "Layers are named by their path, as the summary with `--flat` prints it."
    net: str
    path: str
    advice_text: str


class OpenSizes(Problem):
    code = "NS712"
    title = "what training {net} takes depends on {symbols}"
    help = "give its input sizes with --input"
    explain = (
        "Which tensors are kept for backward, and which of them are copies, follows from sizes that are "
        "numbers: `--input 3x224x224`."
    )
    net: str
    symbols: str


class UnknownKept(Problem):
    code = "NS713"
    title = "it is not known what `{function}` keeps for backward, which {net} computes by"
    help = "say so in `netspec/analysis/training`, as docs/adding-an-operator.md shows"
    explain = (
        "The memory of training is added up from what each function of torch's keeps. An operator that "
        "computes by another one has no estimate until it is said of that function too."
    )
    net: str
    function: str


class TooManySteps(Problem):
    code = "NS714"
    title = "what training {net} takes is not told: its recurrence has {steps} steps"
    help = "give the sequence fewer steps, with --input"
    explain = (
        "Each step of a recurrence keeps what it makes, and is looked at by itself. That is done for as "
        "many steps as a net may have layers, and at most 4,096 of one recurrence."
    )
    net: str
    steps: str
