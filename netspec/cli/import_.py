"""`netspec import`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from netspec.cli.shared.common import FILE, json_option, print_json, print_spec, quiet_option, say
from netspec.cli.shared.progress import Progress

# More are no size of a tensor, and Python refuses thousands.
_DIGITS = 19


@click.command(epilog="Example: netspec import resnet50.onnx -o resnet50.ns")
@click.argument("model", type=FILE, metavar="MODEL")
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="The spec to write; standard output by default.",
)
@click.option(
    "--weights-out",
    type=FILE,
    help="A safetensors file for the model's weights, by the spec's names.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Where nodes have no operator, write the rest: what they read are outputs, what they make inputs.",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="NAME=N",
    help="A size at which to read what the file leaves open, by the file's name for it; 224 by default.",
)
@json_option
@quiet_option
def command(
    model: Path,
    output: Path | None,
    weights_out: Path | None,
    partial: bool,
    sizes: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Read an ONNX file, or an archive of torch.export, as a spec, and prove that both are the same net.

    MODEL is a file of any exporter, from opset 9 on, in single or half precision or eight bits, or an
    archive that torch.export.save wrote (.pt2), nothing of which is evaluated. The spec is built, given the
    file's weights and run beside the file in ONNX Runtime, on two inputs and in two batch sizes where the
    file leaves the batch open. Outputs are bitwise the same, or differ by no more than rounding makes of the
    file itself; a spec that computes otherwise is not written. Of half precision and eight bits, what the
    file means in single precision is what is compared, and the report says how far the file itself is from
    that. Heights and widths that the file leaves open are symbols, proven at two sizes, where the steps are
    the same at both. Nodes without an operator are listed, and nothing is written unless --partial says so:
    that spec is proven on what those make in the file.
    """
    from netspec.backends.onnx.guard import ModelFiles
    from netspec.importing.opening import import_model
    from netspec.system.atomic import planned_apart, replacing
    from netspec.system.locks import alone

    at = _sizes(sizes)
    if str(weights_out) == "-":
        raise click.UsageError("weights are no text for standard output: name a file")
    keep = ModelFiles(model)
    named = [path for path in (output, weights_out) if path is not None and str(path) != "-"]
    planned_apart(named, keep)
    with Progress(model.name, quiet=quiet) as progress:
        progress.show("reading and proving")
        found = import_model(model, partial=partial, sizes=at)
        # A spec and the weights of another one would fit each other, and mean nothing.
        with alone(named[0].parent) if len(named) == 2 else nullcontext():
            if weights_out is not None:
                progress.show("writing weights")
                found.save_weights(weights_out, keep=keep)
            if output is not None and str(output) != "-":
                with replacing(output, keep=keep, text=True) as file:
                    file.write(found.text.encode())
    if (output is None or str(output) == "-") and not as_json:
        print_spec(found.text)
    proof = (
        str(found.proof)
        if found.proof is not None
        else "not proven: ONNX Runtime does not run the file"
    )
    if as_json:
        print_json(
            {
                "format_version": 1,
                "net": found.graph.name,
                "nodes": found.nodes,
                "steps": len(found.graph.nodes) - len(found.graph.inputs),
                "dtype": found.dtype,
                "quantized": found.quantized,
                "proof": None if found.proof is None else found.proof.as_json(),
                "held": list(found.held),
                "unread": [str(item) for item in found.unread],
                "text": found.text,
            }
        )
        return
    steps = len(found.graph.nodes) - len(found.graph.inputs)
    say(f"{found.graph.name}: {found.nodes} nodes read as {steps} steps", quiet)
    for item in found.unread:
        say(f"not read: {item}", quiet)
    if found.held:
        say(
            f"the file leaves {' and '.join(i.partition('=')[0] for i in found.held)} open, of which its "
            f"steps depend: the spec is for {', '.join(found.held)}",
            quiet,
        )
    say(proof, quiet)
    if found.dtype == "fp16":
        say("its weights are in half precision: compile the spec with --dtype fp16", quiet)
    if found.quantized:
        say("it computes in eight bits: compile the spec with --quantize int8 --samples", quiet)


def _sizes(texts: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if not name or not (number.isascii() and number.isdecimal()):
            raise click.BadParameter(f"{text!r} is not NAME=N", param_hint="--size")
        if name in found:
            raise click.BadParameter(f"{name} is set twice", param_hint="--size")
        found[name] = int(number[:_DIGITS])
    return found
