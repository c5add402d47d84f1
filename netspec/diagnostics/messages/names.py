"""NS2xx: names that mean nothing here, and arguments a step cannot take."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class UnknownLayer(Problem):
    code = "NS201"
    title = "no layer or block is called `{name}`"
    help = "{advice_text}"
    explain = (
        "The first word of a step is looked up as a block of the file, an import, an operator, and "
        "a block of the shipped library, in that order; a kernel such as the 3 of `conv3` is split "
        "off last."
    )
    name: str
    advice_text: str = ""


class UnknownName(Problem):
    code = "NS202"
    title = "`{name}` is not a parameter or index here"
    help = "{advice_text}"
    explain = (
        "A word in an expression must be a parameter of the block or net, the index of a `for`, or "
        "a size of what flows into the braces, or of the reference that they start with: C, H, W, D, "
        "T or L. What a step is named by `as` is read with `@`: `@name`, `@name.C`."
    )
    name: str
    advice_text: str = ""
    # The file that the word stands in: it is said once for each.
    file: str = ""


class UnknownReference(Problem):
    code = "NS203"
    title = "no step above is named `{name}`"
    help = "{advice_text}"
    explain = (
        "`@name` means a step above in the same braces, or in braces around them, that was named "
        "with `as name`. Names inside a block are reached through the name of its call, "
        "`@call.name`; a block sees no names of its caller unless they are passed as arguments."
    )
    name: str
    advice_text: str = ""


class NameTaken(Problem):
    code = "NS204"
    title = "the name `{name}` is already given here"
    explain = (
        "A name means one step. The steps of a repeat may give the same name again: the name then "
        "means the last one."
    )
    name: str


class OutputNameTaken(Problem):
    code = "NS205"
    title = "an output cannot be called `{name}`: that is {what}"
    help = "`@{name}; identity as copy` gives what it holds another name"
    explain = (
        "Inputs, outputs and training-only heads are the tensors by which a compiled net is used: "
        "each has a name of its own. A net without an `output` line calls its output `output`; an "
        "output that is several tensors has a number behind its name."
    )
    name: str
    what: str


class UnknownArgument(Problem):
    code = "NS210"
    title = "`{op}` has no parameter `{name}`"
    help = "{usage}"
    explain = (
        "The step has no parameter of that name. The usage line lists those it has; every step also "
        "takes `frozen=` and `weights=`."
    )
    op: str
    name: str
    usage: str


class MissingArgument(Problem):
    code = "NS211"
    title = "`{op}` needs {name}"
    help = "{usage}"
    explain = (
        "The parameter has no default, neither of its own nor from a `default` line. Widths are "
        "written `conv3-64`, kernels `conv3`, strides `/2`."
    )
    op: str
    name: str
    usage: str


class RepeatedArgument(Problem):
    code = "NS212"
    title = "`{op}` gets {name} twice"
    explain = "The shorthand fills parameters too: `conv3-64(width=32)` would give the width twice."
    op: str
    name: str


class TooManyArguments(Problem):
    code = "NS213"
    title = "too many values in order for `{op}`: {count}, it takes {limit}"
    help = "{usage}"
    explain = (
        "Values without a name fill the step's parameters in the order of the usage line; there are "
        "more values than parameters left."
    )
    op: str
    limit: int
    count: int
    usage: str


class BadArgument(Problem):
    code = "NS214"
    title = "`{op}`: {name} must be {expected}, got {value}"
    help = "{advice_text}"
    explain = "The value is not of the kind, or not in the range, that the parameter takes."
    op: str
    name: str
    expected: str
    value: str
    advice_text: str = ""


class BadValue(Problem):
    """A value of the wrong kind, before the step and parameter are known."""

    code = "NS215"
    title = "expected {expected}, got {value}"
    explain = "The value is not of the kind that is needed here."
    expected: str
    value: str


class BadArithmetic(Problem):
    code = "NS216"
    title = "cannot compute {text}: {reason}"
    explain = (
        "Expressions are computed while the spec is read: + - * / // % ** on numbers and sizes, "
        "comparisons, `and`, `or`, `not`, `a if c else b`, and the listed functions. Division by "
        "zero, results that are not finite or have more than 18 digits, and formulas over symbolic "
        "sizes that grow too long are refused."
    )
    text: str
    reason: str


class NoItem(Problem):
    code = "NS371"
    title = "`[{index}]`: {value} {has}"
    help = "items are counted from 0, with -1 from the end: `depths[0]`, `depths[-1]`"
    explain = (
        "An index behind a name takes one item of a list, which is a parameter or the variable of a "
        "loop. The list has none at this place, or the name stands for something else."
    )
    value: str
    has: str
    index: str


class BadCondition(Problem):
    code = "NS217"
    title = "a condition must be yes or no, got {value}"
    explain = (
        "The condition of an `if` is `yes` or `no`: a comparison, a parameter that holds one, or "
        "such joined by `and`, `or`, `not`."
    )
    value: str


class BadRepeat(Problem):
    code = "NS218"
    title = "a repeat must be a whole number of at least 0, got {value}"
    explain = (
        "`x3`, `x(k-1)` and the bounds of `for i in 1..n` are whole numbers of at least 0. A repeat "
        "of 0 leaves the step out."
    )
    value: str


class NoList(Problem):
    code = "NS350"
    title = "`for` goes over numbers or over a list, got {value}"
    help = (
        "`for i in 1..3`, `for r in [6, 12, 18]`; `for x_t in @x` goes over the steps of a sequence"
    )
    explain = (
        "`for i in 1..n` counts, `for r in [6, 12, 18]` takes the values of a list in turn, which may be "
        "a parameter. `for x_t in @x` goes over the steps of a sequence."
    )
    value: str


class UnevenItem(Problem):
    code = "NS351"
    title = "`for` takes {names} values at a time, the list holds {item}"
    help = "each item is a list of its own: `for k, s in [(16, 8), (4, 2)]`"
    explain = (
        "With several names in front of `in`, each item of the list is a list of as many values, one "
        "for each name."
    )
    names: int
    item: str


class NameCount(Problem):
    code = "NS352"
    title = "{names} names for {tensors} tensors"
    help = "one name stands for all that the step gives, several for one tensor each"
    explain = (
        "`split(2) as a, b` names the tensors that a step gives, in their order: one name for each. A "
        "single name stands for all of them, however many."
    )
    names: int
    tensors: int


class NoBraces(Problem):
    code = "NS219"
    title = "`{op}` takes no braces"
    help = "{advice_text}"
    explain = (
        "Only merges (`concat`, `add`, `mul`, `mean`, `maximum`) take branches, and only blocks "
        "with a parameter called `body` take braces."
    )
    op: str
    advice_text: str = ""


class NeedsBraces(Problem):
    code = "NS220"
    title = "`{op}` needs a body in braces: `{op} {{ ... }}`"
    explain = (
        "The block has a parameter called `body` without a default; what stands in the braces at "
        "the call is run in its place."
    )
    op: str


class NoSuchSetting(Problem):
    code = "NS221"
    title = "`{net}` has no parameter `{name}` to set"
    help = "{advice_text}"
    explain = (
        "`--set name=value`, and the arguments of `net x = y(name=value)`, set parameters that the "
        "net declares in parentheses after its name."
    )
    net: str
    name: str
    advice_text: str


class NotASymbol(Problem):
    code = "NS222"
    title = "{text} is not a shape: {reason}"
    explain = (
        "A shape is written `3x224x224`: whole numbers of at least 1, or symbols such as H that "
        "stay open, channels first."
    )
    text: str
    reason: str


class UnlikeInput(Problem):
    code = "NS852"
    title = "`{given}` is no shape for the input `{name}`, which is {declared}: {count} in place of {wanted}"
    help = "give all sizes of one sample, channels first, as `{declared}` has them"
    explain = (
        "`--input`, and the `input` of `load`, replace all sizes of an input. The net as it is declared is "
        "right, and its steps do not take as few or as many axes as were given."
    )
    given: str
    name: str
    declared: str
    count: str
    wanted: int


class UnknownMetadata(Problem):
    code = "NS223"
    title = "`{key}` {what}"
    help = "{advice_text}"
    explain = (
        "A name followed by a text, a number or `name=value` pairs describes the net: the kinds are "
        "fixed, so that a misspelt step is not taken for a description. `paper`, `year` and others take a "
        "text or a number, `expect`, `preprocess` and others `name=value` pairs."
    )
    key: str
    advice_text: str = ""
    what: str = "is not a kind of metadata"


class UnknownImport(Problem):
    code = "NS224"
    title = "no spec called `{name}` beside this one or among the shipped specs"
    help = "{advice_text}"
    explain = (
        "`import name` reads `name.ns` beside the file that says so, or else the shipped spec of "
        "that name. Paths are not allowed, so a spec reads nothing outside its folder."
    )
    name: str
    advice_text: str = ""


class NotInFile(Problem):
    code = "NS225"
    title = "`{origin}` holds no {what}"
    help = "{advice_text}"
    explain = (
        "`import name` needs a net in that file, `import block unit from name` needs a block `unit` in "
        "it, or a variation of its net; the word `block` may be left out there. `file.ns:name` is a "
        "variation that stands in the file."
    )
    origin: str
    what: str
    name: str
    advice_text: str = ""


class UnknownScheme(Problem):
    code = "NS226"
    title = "no initialisation is called `{name}`"
    help = "{advice_text}"
    explain = (
        "`init=` takes one of the listed initialisations, with arguments where it has some, such as "
        "`gaussian(0.01)`."
    )
    name: str
    advice_text: str


class BadSchemeArguments(Problem):
    code = "NS229"
    title = "`{scheme}` is not an initialisation: `{word}` takes {takes}"
    explain = (
        "An initialisation takes numbers that float32 can hold, by name or in order, and powers of the "
        "fans by name."
    )
    scheme: str
    word: str
    takes: str


class BothGiven(Problem):
    code = "NS240"
    title = "`{op}` takes {first} or {second}, not both"
    explain = (
        "One of the two parameters takes the other's place: a kernel starts at `init=` and is "
        "trained, or stays what `fixed=` says. What a step says takes the place of a `default` of "
        "either."
    )
    op: str
    first: str
    second: str


class UnknownInput(Problem):
    code = "NS227"
    title = "`{name}` is not an input of this net"
    help = "inputs: {inputs}"
    explain = (
        "`--input name:3x320x320` replaces the shape of an input the net declares; without a name "
        "it replaces the first."
    )
    name: str
    inputs: str


class ImportCycle(Problem):
    code = "NS228"
    title = "imports go in a circle: {path}"
    explain = (
        "A file cannot import itself, directly or through others. Move what both need into a third "
        "file."
    )
    path: str


class Unread(Problem):
    code = "NS230"
    title = "nothing reads the {what} `{path}`"
    help = (
        "read it with `@`, list it behind `output`, put it into `head NAME {{ ... }}`, or delete it"
    )
    explain = (
        "No output and no training-only head depends on this step, so that it is left out of what is "
        "compiled. Steps before an `@reference` that goes on elsewhere are the usual cause; a net "
        "imported for what is inside it may leave its last layers unread. This is a warning."
    )
    what: str
    path: str


class OrderDoubted(Problem):
    code = "NS233"
    title = "`{text}` has a kernel of {kernel} and {width} channels"
    help = (
        "in order stand kernel, width and stride: write `{meant}` if that is meant, `{plain}` if it "
        "is as it should be"
    )
    explain = (
        "Arguments without names stand in the operator's order, which for a convolution is kernel, width "
        "and stride. PyTorch's order is channels in, channels out and kernel, that of Keras channels out "
        "and kernel. The shorthand, `conv3-16`, cannot be misread. This is a warning."
    )
    text: str
    kernel: int
    width: int
    meant: str
    plain: str


class HeadInRecurrence(Problem):
    code = "NS232"
    title = "the head `{name}` stands in a recurrence"
    help = "put it behind the braces, on a name that they give: it means what every step gave"
    explain = (
        "`head name { ... }` is a branch with a loss of its own, and the braces of a recurrence run at "
        "every step: there would be a head for each. A net used as a block inside a recurrence leaves "
        "its own heads out."
    )
    name: str


class HeadInHead(Problem):
    code = "NS231"
    title = "the head `{name}` stands in the head `{outer}`"
    help = "end the outer head before it, or make it a step"
    explain = (
        "`head name { ... }` is a branch with a loss of its own, beside the net. What is inside flows "
        "to that one loss. A net used as a block inside a head leaves its own heads out."
    )
    name: str
    outer: str


class UnnamedDefault(Problem):
    code = "NS234"
    title = "a `default` line gives values by name, and `{value}` has none"
    help = "{usage}"
    explain = (
        "The steps a `default` line holds for give values in order themselves, so what it gives stands "
        "behind its name: `default conv(norm=bn, act=relu)`."
    )
    op: str
    value: str
    usage: str
