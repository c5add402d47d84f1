"""NS3xx: a step that cannot take what flows into it."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class WrongRank(Problem):
    code = "NS301"
    title = "`{op}` takes {expected}, got {found}"
    help = "{advice_text}"
    explain = (
        "The step needs another number of axes. `conv`, pooling and `gap` take channels and 1 to 3 "
        "spatial axes; `fc` takes anything and flattens it."
    )
    op: str
    expected: str
    found: str
    advice_text: str = ""


class KernelTooLarge(Problem):
    code = "NS302"
    title = (
        "`{op}`'s kernel {kernel} does not fit the padded input {size} along axis {axis} of {found}"
    )
    help = "use a smaller kernel, or pad=same"
    explain = (
        "A window must fit the input with its padding at least once. Further down a net the maps "
        "get smaller with every stride, so a net drawn for 224x224 may not fit 32x32."
    )
    about = ("kernel", "over", "pad", "dilation")
    op: str
    kernel: int
    size: object
    axis: int
    found: str


class NotDivisible(Problem):
    code = "NS303"
    title = "`{op}` needs {what} divisible by {divisor}, got {value}"
    explain = "Groups, pieces of a split and the like divide channels evenly."
    about = ("groups", "parts", "width")
    op: str
    what: str
    divisor: int
    value: object


class PartsDoNotFit(Problem):
    code = "NS341"
    title = "`{op}` cuts sizes into whole parts, and {value} is no multiple of {divisor}"
    help = "`fill=yes` puts zeros after the last places, as Swin does, and cuts them off again"
    explain = (
        "Windows, grids and patches cover a map without rest. Swin's authors put zeros after the last "
        "places where a map is no multiple of the window; attention sees them."
    )
    about = ("size", "by")
    op: str
    value: object
    divisor: int


class PadTooLarge(Problem):
    code = "NS304"
    title = "`{op}` pads {pad} with a kernel of {kernel}: a window would hold padding only"
    explain = (
        "A pooling window that holds padding only has no value: the maximum of nothing, or the mean "
        "of nothing. Padding must be smaller than the kernel."
    )
    about = ("pad", "kernel")
    op: str
    pad: int
    kernel: int


class ShapesDiffer(Problem):
    code = "NS310"
    title = "`{op}` joins tensors of different shapes: {shapes}"
    help = "{advice_text}"
    explain = (
        "An element-wise merge needs equal shapes, except that a vector of C values multiplies or adds "
        "to the C channels of a map. Concatenation needs equal sizes along every axis but the joined one. "
        "Tensors are joined row by row, so all have a row for each sample, or all one for each of the same "
        "regions or parts."
    )
    op: str
    shapes: str
    advice_text: str = ""


class RowsDiffer(ShapesDiffer):
    """Tensors whose shapes may be the same, and whose rows stand for other things."""

    title = "`{op}` joins tensors whose rows are not of the same things: {shapes}"
    help = "a region or a part of a map is not a sample: tensors of the same rows are joined"
    op: str
    shapes: str


class WrongCount(Problem):
    code = "NS311"
    title = "`{op}` takes {expected}, the wire carries {found}"
    help = "{advice_text}"
    explain = (
        "The wire carries one tensor or a bundle of several, after a fork such as `{ | a | b }`, "
        "`split`, or with several inputs. Join a bundle with a merge word before a step that takes "
        "one."
    )
    op: str
    expected: str
    found: str
    advice_text: str = ""


class NothingFlows(Problem):
    code = "NS353"
    title = "nothing flows on here: a loop went over no values, and made no branch"
    help = "put the loop beside other branches, or leave it out by an `if`"
    explain = (
        "`for r in rates { | ... }` makes branches for each value. Over an empty list it makes none: "
        "beside other branches that adds nothing to them, alone it leaves nothing for the next step."
    )


class BranchCount(Problem):
    code = "NS312"
    title = "{branches} branches cannot share a wire of {tensors} tensors"
    help = "one tensor goes to every branch; n tensors go to n branches, one each"
    explain = "One tensor goes to every branch; a bundle of n tensors feeds n branches, one each."
    branches: int
    tensors: int


class UnknownSize(Problem):
    code = "NS313"
    title = "`{op}` needs a fixed size, but the input is {found}"
    help = "{advice_text}"
    explain = (
        "The step's weights or output depend on a size that is a symbol. Give the input that size, "
        "for example with `--input 3x224x224`."
    )
    op: str
    found: str
    advice_text: str


class SizesDoubted(Problem):
    code = "NS331"
    title = "the input {sizes} has {order}"
    help = "sizes stand channels first and without a batch: `input {meant}`"
    explain = (
        "The sizes of an input are those of one sample: channels, then height and width. TensorFlow puts "
        "channels last, and tensors of both libraries have a batch before them; what is built from such "
        "sizes is another net. This is a warning."
    )
    sizes: str
    order: str
    meant: str


class SizeOfBracesDoubted(Problem):
    code = "NS370"
    title = "{letter} is {size} here, and {inner} flows into the braces of this `{word}`"
    help = (
        "the braces of `for` and `if` are none of its own: {letter} is that of what flows into those "
        "around; write `@name.{letter}` for the size of a step, or put this into a block or branch"
    )
    explain = (
        "C, H, W, D, T and L are the sizes of what flows into the braces around: the body of a block, a "
        "branch, those of `residual`, or the file. A pass of a loop has no sizes of its own, so "
        "`for i in 1..3 { conv3-(2*C) }` gives the same width three times. A block that is called, or "
        "braces put around the steps, have theirs. This is a warning, where the two sizes differ."
    )
    letter: str
    size: str
    word: str
    inner: str


class NoLegalSize(Problem):
    code = "NS314"
    title = "no size of {symbol} satisfies {conditions}"
    explain = (
        "The steps of the net put conditions on symbolic sizes, and no sizes at all satisfy the ones "
        "that the message names: it is proven, not tried. Skips that join maps of H and "
        "2*floor(H/2) + 2 and ever smaller maps are the usual causes."
    )
    symbol: str
    conditions: str


class NotIds(Problem):
    code = "NS315"
    title = "`{op}` takes {expected}, got {found}"
    help = "{advice_text}"
    explain = (
        "An input declared with `ids(COUNT)` carries integers that only `embedding` takes; other "
        "steps take numbers, and `embedding` takes nothing else."
    )
    op: str
    expected: str
    found: str
    advice_text: str


class WrongPartner(Problem):
    code = "NS316"
    title = "`{op}` needs {expected}"
    explain = (
        "The step works with another step, given by `@name`, that is of the wrong kind or shape."
    )
    op: str
    expected: str


class OutOfRange(Problem):
    code = "NS317"
    title = "`{op}`: {what} must be {allowed}, got {value}"
    explain = "The value is a legal number, but not with this input."
    op: str
    what: str
    allowed: str
    value: object


class EmptyOutput(Problem):
    code = "NS318"
    title = "`{op}` would leave nothing of {found}: its output is {output}"
    explain = "The step would leave a tensor without elements."
    op: str
    found: str
    output: str


class SharedShapesDiffer(Problem):
    code = "NS319"
    title = "weights of `{owner}` have shapes {theirs}, this step needs {ours}"
    help = "{advice_text}"
    explain = (
        "`weights=@name` uses the weights of another step, so both must have weights of equal "
        "shapes."
    )
    owner: str
    theirs: str
    ours: str
    advice_text: str = ""


class NothingToShare(Problem):
    code = "NS364"
    title = "`{op}` cannot have the weights of {owner}: there are none"
    help = "name the step that has them, or call a block twice: `b as first; b(weights=@first)`"
    explain = (
        "`weights=@name` needs the name of a step that has weights, or of a call of the same block. An "
        "input, a step without weights and what braces give have none: steps in braces have names of "
        "their own, and what is to be shared as a whole is a block."
    )
    op: str
    owner: str


class ElementsDiffer(Problem):
    code = "NS320"
    title = "`{op}` keeps the elements: {found} cannot become {wanted}"
    explain = "A step that only rearranges a tensor needs as many elements after it as before."
    op: str
    found: str
    wanted: str


class SchemeMisfit(Problem):
    code = "NS321"
    title = "`{scheme}` cannot fill a weight of {shape}: {reason}"
    explain = (
        "Most initialisations fill weights of any shape. `bilinear` and `identity` put a filter on "
        "the channels that correspond, so the weight must be a kernel between channels that do; "
        "`gaussian_window` and `binomial` are windows, so the weight must be a kernel."
    )
    about = ("init", "bias_init", "fixed")
    scheme: str
    shape: str
    reason: str


class ValuesMisfit(Problem):
    code = "NS325"
    title = "a list of {given} does not fill a weight of {shape}: {fits} would"
    explain = (
        "A list gives the last axes of a weight, whole, and is repeated along those before. A kernel "
        "is (outputs, inputs of a group, *window), so a list that is a window holds for every pair "
        "of channels; one with two axes more says every number."
    )
    about = ("init", "bias_init", "fixed", "kernel", "width")
    given: str
    shape: str
    fits: str


class StateDiffers(Problem):
    code = "NS330"
    title = "a step of the recurrence takes {taken} and gives {given}"
    help = "{advice_text}"
    explain = (
        "`for x_t in @x { ... }` runs its braces at each step of a sequence. What flows out of one "
        "step flows into the next, so it must be as many tensors, of the same shapes."
    )
    taken: str
    given: str
    advice_text: str


class SharedKnownDiffer(Problem):
    code = "NS326"
    title = "weights of `{owner}` are {theirs}, those of this step {ours}"
    explain = (
        "`weights=@name` uses the weights of another step. What is fixed there must be fixed here, "
        "at the same numbers, since nothing says which of the two would hold."
    )
    owner: str
    theirs: str
    ours: str
