"""NS1xx: the text cannot be read as a spec."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class IllegalCharacter(Problem):
    code = "NS101"
    title = "{name} is not allowed in a spec"
    help = "{advice_text}"
    explain = (
        "Specs are UTF-8 text. Control characters, byte-order marks inside the text, characters that "
        "change the direction of text, and letters that look like ASCII but are not, are refused "
        "because what a reader sees would differ from what netspec reads."
    )
    name: str
    advice_text: str


class NotUtf8(Problem):
    code = "NS102"
    title = "the file is not UTF-8: byte 0x{byte:02x} at offset {offset}"
    help = "save the file as UTF-8"
    explain = (
        "Specs are UTF-8 text. The message names the first byte that is not and where it is; text "
        "saved as Latin-1 or UTF-16 by an editor is the usual cause."
    )
    byte: int
    offset: int


class UnterminatedText(Problem):
    code = "NS103"
    title = "this text has no closing quote on its line"
    help = 'end it with "'
    explain = (
        "A text in quotes begins and ends on one line. There are no escapes: a text cannot hold a "
        "quote or a newline."
    )


class BadNumber(Problem):
    code = "NS104"
    title = "{text} is not a number netspec can hold"
    help = "integers have at most 18 digits, fractions must be finite"
    explain = (
        "Integers have at most 18 digits, and a fraction must be a finite double. Digits are 0 to "
        "9; digits of other scripts are refused."
    )
    text: str


class NameTooLong(Problem):
    code = "NS105"
    title = "this name has {length} characters, names have at most 64"
    explain = (
        "Names of steps, blocks and parameters appear in checkpoints, ONNX files and drawings, so "
        "they are bounded at 64 ASCII characters."
    )
    length: int


class Unbalanced(Problem):
    code = "NS106"
    title = "`{bracket}` has no matching `{partner}`"
    explain = (
        "Every bracket needs its partner. A bracket left open is reported where it opens: at the "
        "end of the file, at the next statement that cannot stand inside it, or at the next "
        "declaration that starts a line."
    )
    bracket: str
    partner: str


class DottedWord(Problem):
    code = "NS107"
    title = "`{name}` is not a word of a spec"
    help = "{advice_text}"
    explain = (
        "Words have no dots. What a step is named by `as` is read with `@`, and so are its sizes and "
        "the names inside it: `@name`, `@name.C`, `@name.inner`. As a width or a stride a reference "
        "stands in parentheses, `conv1-(@name.C)`."
    )
    name: str
    advice_text: str


class UnexpectedText(Problem):
    code = "NS110"
    title = "did not expect {found} here; expected {expected}"
    help = "{advice_text}"
    explain = (
        "The text does not follow the grammar. Reading goes on at the next `;`, newline or `}`, so "
        "later mistakes are reported in the same run; names that were lost with the statement are "
        "not reported again."
    )
    found: str
    expected: str
    advice_text: str = ""


class MisplacedDeclaration(Problem):
    code = "NS111"
    title = "`{what}` must stand at the top of a file, outside every brace"
    explain = (
        "`net`, `block`, `import`, `input` and `output` describe a file and stand outside all "
        "braces. A missing `}` further up is the usual cause."
    )
    what: str


class DuplicateDeclaration(Problem):
    code = "NS112"
    title = "`{what}` is declared twice"
    explain = (
        "A file declares its own `net` and its `output` at most once, and each block and each variation "
        "of a net once."
    )
    what: str


class StepOfVariation(Problem):
    code = "NS114"
    title = "`{net}` is a variation of another net and takes its steps from there"
    explain = (
        "A variation, `net name = other(...)`, sets the other net's parameters. What follows it, up to the "
        "next `net` line, says something of it: `expect`, `error`, `note` and such. Steps, blocks and "
        "inputs stand before the first variation, or in a file without one."
    )
    net: str


class NoNet(Problem):
    code = "NS113"
    title = "the file holds no net: {missing}"
    help = "{advice_text}"
    explain = (
        "A file that is checked, drawn or compiled needs at least one input and one step. A file "
        "that holds only blocks can be imported from, not compiled."
    )
    missing: str
    advice_text: str


class OtherLanguage(Problem):
    code = "NS851"
    title = "this text is {language}, not a spec"
    help = "{advice_text}"
    explain = (
        "A text that cannot be read and has what texts of another language have, such as a module of Python, "
        "a net of Caffe, a configuration of Darknet, YAML or JSON, is one mistake: what is wrong with each "
        "of its lines is not said."
    )
    language: str
    advice_text: str
