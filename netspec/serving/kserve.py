"""KServe's manifest: the repository as a service in a cluster of Kubernetes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from netspec.foundation.records import record
from netspec.serving.settings import Serving

# What KServe's storage initialiser downloads from.
STORES = tuple("s3 gs hf pvc oci http https hdfs webhdfs file".split())
_LONGEST = 63  # letters of a label of a domain's name


@record
class Service:
    """A service of KServe: where the repository will lie, and what it is called.

    A name of other letters than a domain's becomes one that has only those.
    """

    storage: str
    name: str

    def check(self) -> Service:
        """This service; raises ValueError where KServe would not find it or not take its name."""
        scheme, mark, rest = self.storage.partition("://")
        if not mark or not rest or scheme not in STORES:
            known = ", ".join(STORES)
            raise ValueError(f"a place of KServe is a URI of {known}, not `{self.storage}`")
        if not self.domain_name:
            raise ValueError(f"a service's name has letters and digits: `{self.name}` has none")
        return self

    @property
    def domain_name(self) -> str:
        """The name as Kubernetes takes it: small letters, digits and `-`, a letter first."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
        if plain and not plain[0].isalpha():
            plain = f"net-{plain}"
        return plain[:_LONGEST].rstrip("-")


def manifest(service: Service, serving: Serving) -> str:
    """The InferenceService of a repository, YAML; KServe runs its Triton on it."""
    model: dict[str, Any] = {
        "modelFormat": {"name": "triton", "version": "2"},
        "runtime": "kserve-tritonserver",
        "protocolVersion": "v2",
        "storageUri": service.storage,
    }
    if serving.device == "cuda":
        count = str(max(serving.gpus, default=0) + 1)
        model["resources"] = {"limits": {"nvidia.com/gpu": count}}
    document = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": service.domain_name},
        "spec": {"predictor": {"model": model}},
    }
    return "".join(f"{line}\n" for line in _lines(document))


def _lines(document: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """YAML of maps and texts; texts are quoted as in JSON, which YAML reads."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{key}: {json.dumps(value)}"
