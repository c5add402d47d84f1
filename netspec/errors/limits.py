"""NS4xx: the budget that bounds every spec's cost before work starts."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Problem


@dataclass(frozen=True)
class SourceTooLarge(Problem):
    code = "NS401"
    title = "the spec is larger than {limit:,} bytes"
    help = "raise the limit with --max-source"
    limit: int


@dataclass(frozen=True)
class NestingTooDeep(Problem):
    code = "NS402"
    title = "brackets nest deeper than {limit}"
    help = "raise the limit with --max-nesting"
    limit: int


@dataclass(frozen=True)
class TooManyStatements(Problem):
    code = "NS403"
    title = "the spec has more than {limit:,} statements"
    help = "raise the limit with --max-statements"
    limit: int


@dataclass(frozen=True)
class TooManyNodes(Problem):
    code = "NS404"
    title = "the net expands to at least {count:,} steps, the limit is {limit:,}"
    help = "raise the limit with --max-nodes"
    count: int
    limit: int


@dataclass(frozen=True)
class RecursionTooDeep(Problem):
    code = "NS405"
    title = "blocks call each other more than {limit} deep: {cycle}"
    help = "a block that calls itself needs an `if` that ends the recursion; raise the limit with --max-depth"
    limit: int
    cycle: str


@dataclass(frozen=True)
class TooManyFiles(Problem):
    code = "NS406"
    title = "the spec imports more than {limit} files"
    limit: int


@dataclass(frozen=True)
class ImportsTooDeep(Problem):
    code = "NS407"
    title = "imports nest deeper than {limit}"
    limit: int


@dataclass(frozen=True)
class TensorTooLarge(Problem):
    code = "NS408"
    title = "one tensor would have {count:,} elements, the limit is {limit:,}"
    help = "raise the limit with --max-tensor"
    count: int
    limit: int


@dataclass(frozen=True)
class TooManyParameters(Problem):
    code = "NS409"
    title = "the net has {count:,} parameters by here, the limit is {limit:,}"
    help = "raise the limit with --max-params"
    count: int
    limit: int


@dataclass(frozen=True)
class ActivationsTooLarge(Problem):
    code = "NS410"
    title = "activations of one sample take {count:,} bytes by here, the limit is {limit:,}"
    help = "raise the limit with --max-bytes"
    count: int
    limit: int


@dataclass(frozen=True)
class TooManyRuns(Problem):
    code = "NS411"
    title = "the spec runs more than {limit:,} statements"
    help = "raise the limit with --max-nodes"
    limit: int
