"""Writes netspec/checkpoints/twins/index.json from the shipped specs: `python docs/make_twins.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from netspec.checkpoints.twins.find import INDEX, built, settings_of
from netspec.checkpoints.twins.outline import Outline
from netspec.ops.declare.values import show
from netspec.syntax.files import read_shipped, shipped_names

# Blocks are parts, which any small net may hold by chance.
NAMES = (*shipped_names("lectures"), *shipped_names("today"))


def index(names: Sequence[str] = NAMES) -> str:
    """The text of the index: the shipped nets by the digests of their tensors.

    A net is listed again under each setting that changes its function and none of its tensors.
    """
    found: dict[str, list[list[str]]] = {}
    for name in names:
        source = read_shipped(name)
        graph = built(source, {})
        assert graph is not None, name
        net = Outline(graph)
        rows = found.setdefault(net.tensors, [])
        rows.append([net.function, name])
        # On its own input: there a classifier applied to every window is the classifier.
        seen = {Outline(graph, sized=True).function}
        for setting, value in settings_of(graph):
            graph = built(source, {setting: value})
            other, sized = (Outline(graph or net.graph, sized=s) for s in (False, True))
            if other.shapes == net.shapes and sized.function not in seen:
                seen.add(sized.function)
                rows.append([other.function, name, f"{setting}={show(value)}"])
    lines = (f"{json.dumps(key)}: {json.dumps(rows)}" for key, rows in sorted(found.items()))
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    INDEX.write_text(index(), encoding="utf-8")
