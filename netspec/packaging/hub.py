"""The front matter of a package's card: what the Hub lists, filters and checks a model by.

The Hub takes its own words for licences, data sets, tasks and metrics, and refuses a card that has others.
"""

from __future__ import annotations

import re
from typing import Any

from netspec.analysis.published import Published, published
from netspec.analysis.statements import ERRORS, MEASURES
from netspec.graph.checked import Graph
from netspec.packaging.facts import Facts

# The Hub's words for licences that code and weights are given under; any other is `other` with a name.
_LICENSES = frozenset(
    """apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigcode-openrail-m afl-3.0
    artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0
    cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0
    eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0
    odc-by odbl osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl unknown other""".split()
)
# Data sets of the Hub by what specs call them.
_DATASETS = {
    "ImageNet": "imagenet-1k",
    "ILSVRC": "imagenet-1k",
    "CIFAR-100": "cifar100",
    "CIFAR-10": "cifar10",
    "MNIST": "mnist",
    "USPS": "usps",
}
# The Hub's metrics; an error becomes the accuracy that it leaves.
_METRICS = {
    **dict.fromkeys((*ERRORS, "accuracy", "mean_accuracy", "pixel_accuracy"), "accuracy"),
    **dict.fromkeys(("iu", "mean_iu", "frequency_weighted_iu"), "mean_iou"),
    "mean_ap": "map",
    "points": "mean_reward",
}


def front_matter(
    graph: Graph, told: Facts, *, name: str, license: str, trained: bool
) -> dict[str, Any]:
    """The front matter of a card.

    Data sets and metrics are of the published weights: of a net whose weights are initial neither is said.
    """
    found: dict[str, Any] = {**_licensed(license), "library_name": "onnx"}
    if told.task:
        found["pipeline_tag"] = told.task
    found["tags"] = ["netspec", "onnx", "mlflow"]
    if not trained:
        return found
    results = [_result(item, told.task) for item in _own(graph)] if told.task else []
    sets = [str(value) for key, value in graph.metadata if key == "dataset"]
    sets = [
        word for text in [*sets, *(i.protocol.on for i in _own(graph))] if (word := _known(text))
    ]
    if sets:
        found["datasets"] = list(dict.fromkeys(sets))
    if results:
        found["model-index"] = [{"name": name, "results": results}]
    return found


def _licensed(license: str) -> dict[str, str]:
    word = license.strip().lower()
    if not word or word in _LICENSES:
        return {"license": word} if word else {}
    return {"license": "other", "license_name": _slug(license)}


def _own(graph: Graph) -> list[Published]:
    """What is published of the net by itself, on a data set: no other's, no mean of several nets."""
    return [
        item
        for item in published(graph.metadata)
        if item.line != "entry"
        and not item.method
        and item.protocol.models == 1
        and item.protocol.on
    ]


def _result(item: Published, task: str) -> dict[str, Any]:
    data = _known(item.protocol.on) or _slug(item.protocol.on)
    how = "; ".join(part for part in (", ".join(item.protocol.how()), item.note) if part)
    source = f"published: {item.source}" + (f"; {how}" if how else "")
    return {
        "task": {"type": task},
        "dataset": {"type": data, "name": item.protocol.on},
        "metrics": [
            {
                "type": _METRICS[measure],
                "name": f"{_named(measure)} ({source})",
                "value": _value(*pair),
            }
            for pair in item.values
            for measure in pair[:1]
        ],
    }


def _named(measure: str) -> str:
    return f"{MEASURES[measure]} accuracy" if measure in ERRORS else MEASURES[measure]


def _value(measure: str, value: float) -> float:
    return round(100 - value, 6) if measure in ERRORS else value


def _known(text: str) -> str:
    """The Hub's name of a data set; empty where it has none."""
    return next((word for name, word in _DATASETS.items() if text.startswith(name)), "")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "other"
