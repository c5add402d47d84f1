"""The model that stands before a net and makes its inputs of the pixels of images."""

from __future__ import annotations

from netspec.analysis.preprocessing import preprocessings
from netspec.diagnostics.messages.backends import NoPreprocessing
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph, Output


def pixels_graph(graph: Graph, name: str) -> Graph:
    """The inputs of a net that are images, and nothing of what the net does with them.

    Compiled to take pixels it prepares them as the net's `preprocess` lines say. Its outputs have the
    names that `prepared` gives. Raises NetspecError where no line says how an image becomes an input.
    """
    images = preprocessings(graph)
    if not images:
        raise NetspecError(NoPreprocessing(graph.name), status=2)
    kept = tuple(node for node in graph.inputs if node.path in images)
    names = prepared(graph)
    return graph.replace(
        name=name,
        nodes=kept,
        inputs=kept,
        outputs=tuple(Output(names[node.path], node.output) for node in kept),
        heads=(),
        conditions=(),
        names={},
        results={},
    )


def prepared(graph: Graph) -> dict[str, str]:
    """What each image is called once it is prepared: a name that no other tensor of the net has."""
    taken = {node.path for node in graph.nodes} | {output.name for output in graph.outputs}
    found = {}
    for image in preprocessings(graph):
        name = f"{image}_prepared"
        while name in taken:
            name += "_"
        found[image] = name
    return found
