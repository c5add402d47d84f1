"""NS6xx: what a back-end cannot do, and what it got wrong."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class OpsetUnsupported(Problem):
    code = "NS601"
    title = "opset {opset} is not supported: {who} {low} to {high}"
    help = "{advice_text}"
    explain = (
        "Below opset 13 the axes of squeezing and splitting are no inputs, and softmax means "
        "something else; above the highest, ONNX Runtime does not read the file. A reader that is "
        "named with --for may read fewer."
    )
    opset: int
    who: str
    low: int
    high: int
    advice_text: str


class StepNeedsOpset(Problem):
    code = "NS613"
    title = "{feature} came with opset {needed}, and opset {opset} is written"
    help = "leave --opset out, or ask for {needed}"
    explain = (
        "Operators that came late are written out in older opsets wherever that is exact. What this "
        "step needs has no older spelling: of symbolic sizes, windows that round up and weights that "
        "depend on the size are not known when the file is written."
    )
    feature: str
    needed: int
    opset: int


class TargetLacks(Problem):
    code = "NS614"
    title = "{target} does not take {feature}: {reason}"
    explain = (
        "The file is for a reader that was named with --for, which refuses or misreads what this "
        "step needs, and there is no other spelling of it that is exact. docs/deploy.md lists what "
        "each reader lacks."
    )
    target: str
    feature: str
    reason: str


class UnknownTarget(Problem):
    code = "NS615"
    title = "no reader is called `{name}`"
    help = "known are {known}"
    explain = "Files are written for a reader of ONNX by its name; docs/deploy.md lists them."
    name: str
    known: str


class DeviceMissing(Problem):
    code = "NS602"
    title = "{device} was asked for and is not there: {reason}"
    help = "{advice_text}"
    explain = "A device that was asked for is never replaced by another in silence."
    device: str
    reason: str
    advice_text: str


class RuntimeFailed(Problem):
    code = "NS603"
    title = "ONNX Runtime failed: {reason}"
    explain = "ONNX Runtime refused the file or failed while running it; the message is its own."
    reason: str


class BadInput(Problem):
    code = "NS604"
    title = "input `{name}`: {reason}"
    explain = (
        "The input given to the net has the wrong name, type, rank or size, or is not plain data."
    )
    name: str
    reason: str


class BadModel(Problem):
    code = "NS605"
    title = "`{path}` is not a model netspec runs: {reason}"
    explain = (
        "Only ONNX files are run whose operators netspec itself writes, so that a file cannot take "
        "unbounded time or memory."
    )
    path: str
    reason: str


class TooCoarse(Problem):
    code = "NS608"
    title = "in eight bits the output keeps {kept} dB of signal to noise, not {wanted}"
    help = "give samples of what it will see, or leave out --strict to write the file all the same"
    explain = (
        "With a tenth of the multiply-adds left in fp32 the output is still further from that in fp32 "
        "than was asked for. Some nets multiply small errors from layer to layer, untrained ones first."
    )
    kept: str
    wanted: str


class NotInstalled(Problem):
    code = "NS606"
    title = "{what} needs {package}, which is not installed: the extra `{extra}` brings it"
    help = "pip install 'netspec-networks[{extra}]'{otherwise}"
    explain = (
        "netspec checks, draws, summarises and compiles without further packages; this command "
        "needs one. The extras are torch, run, charts, pdf and png, or all of these; sign, for signatures of "
        "packages, and tables and ray, for sweeps, are apart."
    )
    what: str
    package: str
    extra: str
    otherwise: str


class CannotLoad(Problem):
    code = "NS607"
    title = "{what} needs {package}, which is installed and cannot be loaded: {reason}"
    help = "the package is broken, or a library it needs is missing: install it again"
    explain = (
        "What is optional is imported when a command needs it; the reason is the import's own."
    )
    what: str
    package: str
    reason: str


class NoPreprocessing(Problem):
    code = "NS640"
    title = "{net} does not say how an image becomes its input"
    help = (
        "write a line such as `preprocess resize=256, crop=224, mean=(0.485, 0.456, 0.406), "
        "std=(0.229, 0.224, 0.225)` into the spec"
    )
    explain = (
        "A file that takes the pixels of images prepares them as the spec's `preprocess` line says. "
        "Numbers that nobody stated are not guessed: the wrong ones cost accuracy in silence."
    )
    net: str


class UnknownTap(Problem):
    code = "NS641"
    title = "there is no step `{path}` to make an output of"
    help = "{advice_text}"
    explain = (
        "`--tap` takes the path of a step or of a block, as summaries print it, or a name given "
        "with `as`; `*` stands for any part of one component, as in `stage*.bottleneck1`."
    )
    path: str
    advice_text: str


class BadTap(Problem):
    code = "NS642"
    title = "`{path}` cannot be made an output: {reason}"
    explain = (
        "The output of a tap is called after its path. Inputs are given, and each output has a name "
        "of its own."
    )
    path: str
    reason: str


class ResultsDiffer(Problem):
    code = "NS610"
    title = "ONNX Runtime and PyTorch differ: {error} of the largest value, {allowed} is allowed"
    help = "{advice_text}"
    explain = (
        "Verification runs the ONNX file and a double-precision PyTorch module on the same inputs. "
        "The error may be 32 times that of PyTorch in single precision, plus 1e-5. The first layer "
        "that exceeds it is named by its place in the spec: either its operator is translated "
        "wrongly, or the file was changed after it was written."
    )
    error: str
    allowed: str
    advice_text: str


class NothingVerified(Problem):
    code = "NS611"
    title = "the outputs hardly respond to {layers}: agreement proves nothing about them"
    help = "verify with the seeded weights, which keep every layer's values at size 1"
    explain = (
        "A verification that cannot fail proves nothing. Here a layer's weights were changed by a "
        "tenth and the outputs moved by less than a mistake in the layer would have to."
    )
    layers: str


class Unsteady(Problem):
    code = "NS612"
    title = (
        "rounding alone moves {outputs} by {moved} of the largest value: agreement proves nothing"
    )
    help = "verify with another --seed, a smaller --input, or weights that are trained"
    explain = (
        "A layer can be so sensitive that two correct computations of it differ, as a recurrent one "
        "whose weights make differences grow. A mistake would not be told from rounding. Nets that "
        "are sensitive as a whole are compared layer by layer, which did not help here."
    )
    outputs: str
    moved: str


class NoSuchStep(Problem):
    code = "NS643"
    title = "no step or block has the path `{glob}`"
    help = "{advice_text}"
    explain = (
        "Steps that stay in single precision are named by path, as summaries and messages print it: "
        "`stage4.bottleneck1.conv2`. In a name `*` is any text, and `**` is any number of names; what "
        "names a block names all in it. `netspec summary --flat` prints every path."
    )
    glob: str
    advice_text: str


class BeyondHalf(Problem):
    code = "NS644"
    title = "output `{name}` reaches {largest}, and half precision ends at 65,504"
    help = "leave outputs in single precision: without `--io fp16`"
    explain = (
        "Inside a net in half precision what exceeds it is computed in single. An output that was asked "
        "for in half would be infinite."
    )
    name: str
    largest: str


class NoSuchBlock(Problem):
    code = "NS645"
    title = "no block is called `{glob}`"
    help = "{advice_text}"
    explain = (
        "Blocks that become functions of a file are named by path, `stage4.bottleneck1`, or by what "
        "they are, `bottleneck`. In a name `*` is any text, and `**` is any number of names. Blocks that "
        "compute nothing, and those written without a name of their own in paths, are none."
    )
    glob: str
    advice_text: str


class NoSource(Problem):
    code = "NS646"
    title = "`{op}` has no PyTorch source here: {reason}"
    help = "`to_torch` makes a module of every net; `netspec show --flat` writes it as text"
    explain = (
        "A file of PyTorch source holds what can be said in plain torch: not steps that are called as "
        "something in `nn.Module` is, nor weights that are shared across blocks which are not the same, "
        "nor what goes another way at another size of the input."
    )
    op: str
    reason: str
