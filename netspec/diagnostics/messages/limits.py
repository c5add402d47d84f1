"""NS4xx: the budget that bounds every spec's cost before work starts."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class SourceTooLarge(Problem):
    code = "NS401"
    title = "the spec is larger than {limit:,} bytes"
    help = "raise the limit with --max-source"
    explain = (
        "Reading stops after the limit, whatever the file is; a spec of 4 MiB has about 400,000 "
        "steps."
    )
    limit: int


class NestingTooDeep(Problem):
    code = "NS402"
    title = "brackets nest deeper than {limit}"
    help = "raise the limit with --max-nesting"
    explain = "Brackets of any kind nest at most this deep, so that reading takes bounded memory."
    limit: int


class TooManyStatements(Problem):
    code = "NS403"
    title = "the spec has more than {limit:,} statements"
    help = "raise the limit with --max-statements"
    explain = (
        "Statements are counted over one file, as written; use repeats and blocks for long nets."
    )
    limit: int


class TooManyNodes(Problem):
    code = "NS404"
    title = "the net expands to at least {count:,} steps, the limit is {limit:,}"
    help = "raise the limit with --max-nodes"
    explain = (
        "The count multiplies through repeats, blocks and recursion before anything is built. It is "
        "a lower bound: what depends on shapes counts as its smaller choice."
    )
    count: int
    limit: int


class RecursionTooDeep(Problem):
    code = "NS405"
    title = "blocks call each other more than {limit} deep: {cycle}"
    help = "a block that calls itself needs an `if` that ends the recursion; raise the limit with --max-depth"
    explain = "Calls of blocks and nets nest at most this deep."
    limit: int
    cycle: str


class TooManyFiles(Problem):
    code = "NS406"
    title = "the spec imports more than {limit} files"
    help = "raise the limit with --max-files"
    explain = "All files that a spec imports, directly or through others, count; shipped ones too."
    limit: int


class ImportsTooDeep(Problem):
    code = "NS407"
    title = "imports nest deeper than {limit}"
    help = "raise the limit with --max-imports"
    explain = "An import inside an imported file counts one deeper."
    limit: int


class TensorTooLarge(Problem):
    code = "NS408"
    title = "one tensor would have {count:,} elements, the limit is {limit:,}"
    help = "raise the limit with --max-tensor"
    explain = (
        "One tensor, of activations for one sample or of weights, has at most this many elements."
    )
    count: int
    limit: int


class TooManyParameters(Problem):
    code = "NS409"
    title = "the net has {count:,} parameters by here, the limit is {limit:,}"
    help = "raise the limit with --max-params"
    explain = "Parameters are counted as the net is built; shared weights count once."
    count: int
    limit: int


class ActivationsTooLarge(Problem):
    code = "NS410"
    title = "activations of one sample take {count:,} bytes by here, the limit is {limit:,}"
    help = "raise the limit with --max-bytes"
    explain = (
        "The bytes of every step's output for one sample in float32, added up as the net is built."
    )
    count: int
    limit: int


class TooManyRuns(Problem):
    code = "NS411"
    title = "the spec runs more than {limit:,} statements"
    help = "raise the limit with --max-nodes"
    explain = (
        "Steps that add no node cost time too: repeats of nothing, empty blocks, loops. The limit "
        "is five times that on nodes."
    )
    limit: int


class ExpressionTooLong(Problem):
    code = "NS412"
    title = "one statement has more than {limit} operators"
    help = "split it: parameters of a block can hold parts of the value"
    explain = (
        "Expressions are computed recursively, so their length in one statement is bounded; a step "
        "of a published network needs about five."
    )
    limit: int


class SizeTooLong(Problem):
    code = "NS413"
    title = "the formula for a size gets too long: {size}"
    help = "give the input fixed sizes, for example with --input 3x224x224"
    explain = (
        "Symbolic sizes are kept as formulas of the input's symbols. Striding down and up again many "
        "times makes them longer with every step; beyond a bound they mean nothing to a reader. So "
        "do numbers in them above 2^32."
    )
    size: object
