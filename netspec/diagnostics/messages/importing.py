"""NS8xx: what a model of another program holds that no spec can say."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class Unreadable(Problem):
    code = "NS801"
    title = "{path} cannot be read: {reason}"
    explain = (
        "A model to be imported is a plain ONNX file whose data, if it is not in the file, is in plain "
        "files beside it. What a file claims of sizes, functions and numbers is checked before anything "
        "is computed."
    )
    path: str
    reason: str


class NoOperator(Problem):
    code = "NS802"
    title = "{count} of {total} nodes of {path} have no operator: {nodes}"
    help = "--partial writes the rest: what they read are outputs of it, what they make inputs"
    explain = (
        "Each node of a file becomes a step of the spec, alone or with its neighbours. These do not: the "
        "language has no operator for them, or none for the sizes and attributes that they have here. "
        "Nothing is written, since a spec without them would be another net."
    )
    count: int
    total: int
    path: str
    nodes: str


class NoSuchSize(Problem):
    code = "NS815"
    title = "{path} cannot be read at {size}: the sizes that it leaves open are {names}"
    explain = (
        "A file may leave sizes of its inputs open, under names of its own. Where steps depend on them, it "
        "is read at one size: 224, or what is asked for. Only sizes of places, such as heights and widths, "
        "can be set, to whole numbers from 1 on; the batch stays open."
    )
    path: str
    size: str
    names: str


class NotProven(Problem):
    code = "NS803"
    title = "the spec of {path} computes otherwise: {reason}"
    explain = (
        "What was read is built, given the file's weights, and run beside the file. Outputs that "
        "differ by more than rounding does mean that a node was misread, so nothing is written."
    )
    path: str
    reason: str


class NothingShown(Problem):
    code = "NS828"
    title = "nothing shows that the spec of {path} computes the same: {output} is no finite number anywhere"
    explain = (
        "The spec and the file are run beside each other, on inputs that are drawn. Where all that an "
        "output holds is infinite or not a number, as with weights that are, any two nets would agree."
    )
    path: str
    output: str


class NoSpec(Problem):
    code = "NS804"
    title = "what {path} holds makes no spec: {reason}"
    explain = (
        "The nodes of the file were read, but the text made of them is refused as a spec of one's own "
        "would be. The reason names the step."
    )
    path: str
    reason: str
