"""One model of a repository while it is made: what all its versions share, held to those that are there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netspec.diagnostics.messages.serving import BadLabels, OtherTensors
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.serving.interface import Interface, interface_of
from netspec.serving.pbtxt import Message, text
from netspec.serving.repository import CONFIG, Place, Shared


@record
class Model:
    """A model that stands in the repository: the version that came, or None where none did.

    `batch` are the rows that a server joins at most, 0 where it joins none.
    """

    name: str
    version: int | None
    batch: int
    interface: Interface

    def as_json(self) -> dict[str, Any]:
        """What `netspec deploy --json` says of a model; open sizes by their symbols."""
        return {
            "name": self.name,
            "version": self.version,
            "max_batch_size": self.batch,
            "inputs": {tensor.name: list(tensor.sizes) for tensor in self.interface.inputs},
            "outputs": {tensor.name: list(tensor.sizes) for tensor in self.interface.outputs},
        }

    def __str__(self) -> str:
        version = "as it was" if self.version is None else f"version {self.version}"
        how = f"batches of up to {self.batch}" if self.batch else "each request by itself"
        return f"model {self.name}: {version}, {how}"


@record
class Pending:
    """A model, its configuration and its labels by output, which are written when all else is."""

    model: Model
    shared: Shared
    config: Message
    labels: Mapping[str, str]

    def write(self, *, keep_config: bool) -> None:
        """Writes what all versions share; a configuration that was edited stays if it is to be kept."""
        for output, content in self.labels.items():
            self.shared.write(labels_file(output), content)
        self.shared.write_sealed(CONFIG, text(self.config), keep_edited=keep_config)


def labels_file(output: str) -> str:
    """The name of the file that has the labels of an output."""
    return f"{output}_labels.txt"


def label_texts(
    shared: Shared, interface: Interface, labels: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """The texts of files of labels by output: those that are given, and those that stand there.

    Raises NetspecError where both are there and differ: earlier versions are served with them too.
    """
    found = {}
    for output in interface.outputs:
        stands = None if shared.fresh else shared.text(labels_file(output.name))
        given = labels.get(output.name)
        said = None if given is None else "\n".join(given) + "\n"
        if said is not None and stands is not None and said != stands:
            path = str(shared.folder / labels_file(output.name))
            reason = "the versions that are there have other labels"
            raise NetspecError(BadLabels(path, reason), status=2)
        if (chosen := said or stands) is not None:
            found[output.name] = chosen
    return found


def check_same_tensors(place: Place, made: Path, other: str) -> Interface:
    """The interface of a file; raises NetspecError where the version before has another."""
    interface = interface_of(made)
    if place.held:
        difference = interface_of(place.last).difference(interface)
        if difference:
            raise NetspecError(OtherTensors(str(place.folder), difference, other))
    return interface
