"""What the light core makes of every shipped spec, as digests: the same wherever it runs.

    python tests/light/digests.py             # summaries and pictures
    python tests/light/digests.py --compile   # ONNX files too
    python tests/light/digests.py lenet5 vae  # of these

Needs netspec's base installation and nothing else; prints JSON by spec. Two environments whose
outputs are equal give the same bytes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import netspec
from netspec.analysis.doubts.unread import unread
from netspec.diagnostics.raised import NetspecError
from netspec.syntax.fmt import format_text

PICTURES = (
    ("fold", "svg"),
    ("fold", "html"),
    ("fold", "tikz"),
    ("fold", "dot"),
    ("flow", "svg"),
    ("flow", "dot"),
    ("columns", "svg"),
)
# Each spec has so many of these, the next one other ones.
_OF_EACH = 2
# Files of more parameters are many bytes of the same kind.
_MOST_COMPILED = 12_000_000


def digest(data: str | bytes) -> str:
    """The first half of a SHA-256."""
    return sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:32]


def picture(net: netspec.Net, style: str, form: str) -> str:
    """One picture's digest, or why the style refuses the net."""
    try:
        return digest(net.draw(style=style, format=form).content)
    except NetspecError as error:
        return str(error)


def digests(name: str, number: int, *, compiled: bool) -> dict[str, object]:
    """What is made of one spec, the numbered one."""
    net = netspec.load(name)
    summary = net.summary()
    found: dict[str, object] = {
        "check": [item.code for item in unread(net.graph)],
        "fmt": digest(format_text(net.graph.source.text)),
        "summary": digest(summary.to_text()),
        "flat": digest(net.summary(flat=True).to_text()),
        "json": digest(json.dumps(summary.as_json(), sort_keys=True)),
    }
    chosen = (PICTURES[(number + 2 * i) % len(PICTURES)] for i in range(_OF_EACH))
    found |= {f"{style}.{form}": picture(net, style, form) for style, form in chosen}
    if compiled and summary.params <= _MOST_COMPILED:
        with tempfile.TemporaryDirectory() as folder:
            path = net.to_onnx(Path(folder) / "model.onnx")
            whole = sha256()
            for file in sorted(path.parent.iterdir()):
                with file.open("rb") as opened:
                    while piece := opened.read(1 << 22):
                        whole.update(piece)
            found["onnx"] = whole.hexdigest()[:32]
    return found


def main() -> None:
    """Prints the digests of every shipped spec, or of those that are named."""
    # Where `dot` is installed, flow is laid out by it; here all environments are to agree.
    os.environ["PATH"] = ""
    compiled = "--compile" in sys.argv
    named = [word for word in sys.argv[1:] if word != "--compile"]
    names = named or netspec.shipped_names("lectures") + netspec.shipped_names("blocks")
    found = {name: digests(name, i, compiled=compiled) for i, name in enumerate(names)}
    json.dump(found, sys.stdout, indent=0)
    print()


if __name__ == "__main__":
    main()
