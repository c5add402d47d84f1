"""What is wrong with a command rather than with a spec: its words, or what the machine gave it."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class BadUsage(Problem):
    code = "NS520"
    title = "{reason}"
    explain = (
        "The command's words are wrong: a command, option or value that does not exist, or two "
        "that exclude each other. `netspec COMMAND --help` lists them. The exit status is 2."
    )
    reason: str


class SystemRefused(Problem):
    code = "NS521"
    title = "the system refused: {reason}"
    explain = (
        "Reading or writing failed for a reason outside netspec, such as a full disk or a missing "
        "permission. The exit status is 1."
    )
    reason: str


class OutOfMemory(Problem):
    code = "NS522"
    title = "there is not enough memory: {reason}"
    help = "a smaller --batch or --input needs less"
    explain = (
        "The arrays that were asked for do not fit this machine's memory. Compiling needs little: "
        "weights are written as they are made. Running holds them all. The exit status is 4."
    )
    reason: str


class UnknownArgumentOfCall(Problem):
    code = "NS523"
    title = "wrong arguments for `{call}`{name}"
    help = "{advice_text}"
    explain = (
        "A function of the Python library was called with an argument that it does not have, with a value of "
        "another kind than it takes, or without one that it needs. The message says what it takes; options "
        "of the command line have the same names. The exception is a TypeError too."
    )
    call: str
    name: str
    advice_text: str


class Defect(Problem):
    code = "NS599"
    title = "netspec has a defect: {reason}"
    help = "please report it with the spec and the command; NETSPEC_TRACEBACK=1 shows where"
    explain = (
        "Something failed that netspec does not expect to fail, whatever the spec. The mistake is "
        "netspec's, not the spec's. The exit status is 70."
    )
    reason: str
