"""NS53x: what is asked of a sweep over a net's parameters, or of its table, and cannot be had."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class BadAxis(Problem):
    code = "NS540"
    title = "`{text}` is no list of values for {name}: {reason}"
    help = "write values with commas between, `64,128` or `relu,gelu`, or a range, `16..64:8`"
    explain = (
        "A sweep takes every value that is listed for a parameter. `16..64:8` is a range from 16 to 64 by 8, "
        "both ends included; other values are written as in a spec, `yes,no`, `relu,leaky(0.1)`, "
        "`[3,4,6,3],[3,4,23,3]`. In Python a range, a list or such a text is given. The exit status is 2."
    )
    name: str
    text: str
    reason: str


class OpenTotals(Problem):
    code = "NS541"
    title = "{totals} of {net} depend on the size of its input"
    help = "give the input sizes, as with --input 3x224x224"
    explain = (
        "A sweep's table holds whole numbers. Where an input leaves sizes open its costs are formulas: "
        "give the sizes with --input, several for several rows."
    )
    net: str
    totals: str


class LostVariant(Problem):
    code = "NS542"
    title = "the process that built this variant died {times} times"
    help = "it may want more memory than there is: lower --max-nodes refuses such nets"
    explain = (
        "A process that dies is started again and its variants are built again, those of a chunk one by "
        "one. This one killed its process each time, most often for want of memory."
    )
    times: int


class TooManyVariants(Problem):
    code = "NS543"
    title = "{count} variants are more than {most}, {reason}"
    help = "{advice_text}"
    explain = (
        "What is printed on a terminal or as one JSON document is held in memory and read by a person or "
        "at once: name a file with -o, which rows are written to as they come, or take a --sample."
    )
    count: str
    most: str
    reason: str
    advice_text: str


class NoSuchColumn(Problem):
    code = "NS544"
    title = "a sweep's table has no column `{name}` of numbers"
    help = "{advice_text}"
    explain = (
        "A picture shows two columns of the table, each a total such as params or macs, a parameter whose "
        "values are numbers, set_NAME, or a latency."
    )
    name: str
    advice_text: str


class NoSuchTable(Problem):
    code = "NS545"
    title = "no table is written to `{path}`{form}"
    help = "a table's name ends in .csv, .jsonl or .parquet; --format says it for other names"
    explain = (
        "The ending of a file says which table it is: .csv, .jsonl (JSON lines) or .parquet. A name without "
        "one of these needs --format, and one with another than --format says is refused."
    )
    path: str
    form: str = ""


class ClusterFailed(Problem):
    code = "NS546"
    title = "no sweep on the Ray cluster {address}: {reason}"
    explain = (
        "A sweep with --ray needs a cluster that answers and has the same version of netspec on every "
        "machine. `ray start --head` starts one; its address, or `auto` on a machine of it, is what --ray "
        "takes, `local` starts one for this sweep alone. The exit status is 4."
    )
    address: str
    reason: str
