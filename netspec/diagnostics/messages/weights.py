"""NS55x: weights that do not fit a net, and files that do not hold weights."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class TensorsDiffer(Problem):
    code = "NS550"
    longest = 6000
    title = "the tensors do not fit the net: missing {missing}; surplus {surplus}; misshaped {misshaped}"
    help = "{advice_text}"
    explain = (
        "Every tensor of the net must be found in the file by name and shape, and nothing may be "
        "left over."
    )
    missing: str
    surplus: str
    misshaped: str
    advice_text: str = ""


class BadCheckpoint(Problem):
    code = "NS551"
    title = "`{path}` is not a file of weights netspec reads: {reason}"
    help = "{advice_text}"
    explain = (
        "Weights are read from safetensors, PyTorch checkpoints and npz files as data: nothing in "
        "them is run, and sizes are checked before memory is taken."
    )
    path: str
    reason: str
    advice_text: str = ""


class BadTensor(Problem):
    code = "NS552"
    title = "`{path}`: tensor `{tensor}` {reason}"
    explain = "The tensor is not one that can be loaded as a plain, dense array of numbers."
    path: str
    tensor: str
    reason: str


class AmbiguousTensors(Problem):
    code = "NS553"
    longest = 6000
    title = "the file does not say which tensors are which: {choices}"
    help = "{advice_text}"
    explain = (
        "More than one way of matching the file's tensors to the net's fits, they compute different "
        "functions, and neither order nor names nor shapes decide. A map of a few names does."
    )
    choices: str
    advice_text: str = "name them in a file of `ours: theirs` pairs and pass it with --map"


class BadMapping(Problem):
    code = "NS554"
    title = "the map of names is wrong: {reason}"
    explain = "The map from the file's names to the net's names cannot be used as it is."
    reason: str


class NotFinite(Problem):
    code = "NS555"
    longest = 6000
    title = "{count} weights are NaN or infinite: {tensors}"
    explain = "Weights that are NaN or infinite make every answer NaN."
    count: int
    tensors: str


class UnknownLayout(Problem):
    code = "NS556"
    title = "`{tensor}` is {shape}: the file does not say whether its outputs come first or last"
    help = "`--layout keras` takes them as the last axis, `--layout torch` as the first"
    explain = (
        "Keras, TensorFlow and Flax store a matrix as (inputs, outputs), PyTorch as (outputs, "
        "inputs). Where every matrix of a file fits the net both ways, or some matrices fit only one "
        "way and others only the other, shapes do not tell which."
    )
    tensor: str
    shape: str


class LayoutUndetermined(Problem):
    code = "NS557"
    title = "the file has outputs last, as Keras stores them, which does not determine `{layer}`: {reason}"
    help = "convert the file to PyTorch's order of axes"
    explain = (
        "With outputs and channels last, most tensors can be turned to the net's order of axes. "
        "This layer's cannot, or not in one way."
    )
    layer: str
    reason: str


class SeveralCopies(Problem):
    code = "NS558"
    title = "the file holds the net more than once, under {prefixes}{taken_text}"
    help = "`--prefix NAME` takes what is under one of these names"
    explain = (
        "A training script may save averaged weights, or a teacher's, beside the trained ones. "
        "Averages give way to the weights they average, with this warning; where that does not "
        "leave one copy, none is taken."
    )
    prefixes: str
    taken_text: str = ""


class JoinedOrder(Problem):
    code = "NS559"
    title = "the file does not say how queries, keys and values are joined in `{tensor}`"
    help = "`--qkv heads` takes those of each head in turn, `--qkv rows` all queries first"
    explain = (
        "GPT-NeoX, BLOOM and Falcon list the rows of a joined projection head by head, others all "
        "queries, then all keys, then all values. Shapes are the same, and so is the name "
        "`query_key_value`. GPT-BigCode has `c_attn` by heads, nanoGPT by rows. timm has kernels of "
        "convolutions in both orders."
    )
    tensor: str


class NoRowToDrop(Problem):
    code = "NS560"
    title = "the file has no layer with one output more than the net's, of which to drop row {row}"
    explain = (
        "`--drop-row` is for classifiers with a class that the net does not have, such as the 1,001 "
        "of TensorFlow's ImageNet, whose first is the background. A row is dropped where that makes "
        "a tensor fit."
    )
    row: int


class HasTwin(Problem):
    code = "NS561"
    longest = 1000
    title = "{twin} has the same tensors and computes another function: {difference}"
    explain = (
        "A file's tensors do not say where a net has its strides, how it pads or what its "
        "activations are. Where a shipped spec, or another setting of the net, has the same tensors "
        "and differs in such a step, a checkpoint of the one loads into the other and gives wrong "
        "answers; make sure which of them it was trained as."
    )
    twin: str
    difference: str


class TiedTensorsDiffer(Problem):
    code = "NS562"
    title = "`{first}` and `{second}` differ, but the net has one tensor for both: `{user}` shares `{owner}`"
    help = "without `weights=`, the step has weights of its own"
    explain = (
        "The net uses one weight in several steps. A file may list it once for each, if the numbers "
        "are the same; where they are not, taking either would change what the file's net computes."
    )
    first: str
    second: str
    user: str
    owner: str


class NotReal(Problem):
    code = "NS563"
    title = "tensor `{tensor}` holds {dtype}, not real numbers"
    explain = (
        "Integers and truths are never weights: they are what a quantised net, a mask or a counter "
        "has, and taken as real numbers they would give wrong answers without a word."
    )
    tensor: str
    dtype: str


class MeansOtherwise(Problem):
    code = "NS805"
    longest = 1000
    title = "{evidence}; {ours}"
    help = "{advice_text}"
    explain = (
        "Libraries keep the same tensors for layers that compute otherwise: how far a norm's scale is from "
        "one in the place of the scale, rotary pairs of neighbours or of halves, the logarithm of a number. "
        "The tensors fit either way. Where the names of a file or its numbers are those of one way, and "
        "the net goes the other, that is said: the file is loaded as the spec says, and may be right."
    )
    evidence: str
    ours: str
    advice_text: str


class TurnsDiffer(Problem):
    code = "NS340"
    title = "`{tensor}` has {theirs} of rotary positions, and the net turns by {ours}"
    help = "`rotary=` of `attention`, or the base of `rotary`, says it"
    explain = (
        "Older files keep the frequencies of rotary positions, which a net computes from their base. "
        "Weights that were trained under one base are of no use under another, so a file whose "
        "frequencies are not those of one of the net's layers is refused."
    )
    tensor: str
    theirs: str
    ours: str


class KnownDiffers(Problem):
    code = "NS570"
    title = "`{tensor}` is fixed by the net, and what is given holds other numbers"
    help = "`init=` in place of `fixed=` makes it a weight, which is loaded"
    explain = (
        "A fixed tensor has the numbers that the spec says: no file need hold it, and one that does "
        "must agree, to half precision. Other numbers are those of another net."
    )
    tensor: str
