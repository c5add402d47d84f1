"""NS65x: what a model repository cannot be given."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class CannotBatch(Problem):
    code = "NS650"
    title = "{net} cannot be batched by a server: {reason}"
    help = "leave out {flag}"
    explain = (
        "A server joins requests along the first dimension, so every input and output must have one row "
        "for each sample. Where some have none, or rows of another kind such as regions, each request is "
        "run by itself, with all its dimensions."
    )
    net: str
    reason: str
    flag: str


class OtherTensors(Problem):
    code = "NS651"
    title = "the model in `{path}` has other tensors: {difference}"
    help = "give the new one another name, --name {other}, or another folder"
    explain = (
        "A new version of a model is called by the same clients as the one before, and has the same "
        "configuration: its inputs and outputs must have the same names, types and sizes."
    )
    path: str
    difference: str
    other: str


class EditedByHand(Problem):
    code = "NS652"
    title = "`{path}` was edited since netspec wrote it"
    help = "--keep-config leaves it as it is and adds the version; removed, it is written anew"
    explain = (
        "The first line of a configuration that netspec writes has the hash of what follows. Where it "
        "does not agree, or is not there, somebody's settings would be lost."
    )
    path: str


class BadLabels(Problem):
    code = "NS653"
    title = "labels of `{path}`: {reason}"
    help = "a file of labels has a line of text for each class, in the order of the output"
    explain = (
        "A server that is asked for the best classes names them by the lines of a file: one for each "
        "element of an output, in order."
    )
    path: str
    reason: str


class NoRepository(Problem):
    code = "NS654"
    title = "`{path}` cannot take a model: {reason}"
    explain = (
        "A model of a repository is a folder with a configuration and a folder for each version, called "
        "by its number. A version that is there is never written again."
    )
    path: str
    reason: str
