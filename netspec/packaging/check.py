"""A package held to what it was when it was written, and to what its report says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from netspec.diagnostics.messages.packages import NotAPackage
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.foundation.records import record
from netspec.packaging import layout
from netspec.packaging.signature import check_signature
from netspec.packaging.spec import built
from netspec.packaging.sums import check_sums
from netspec.system.reading import open_regular, reading

if TYPE_CHECKING:
    from netspec.verify import Report

T = TypeVar("T")
# A package's JSON is a few KiB, with the names of many classes some MiB.
_LONGEST = 2**26


@record(slots=False)
class PackageCheck:
    """A package that is as it was written.

    `signed` says whether there is a signature, `signer` by which key it was verified, if it was. `said` is
    what the package says of its ONNX files by name, `reports` what was found of those that were run again.
    """

    path: Path
    files: tuple[str, ...]
    signed: bool
    signer: str
    said: dict[str, str]
    reports: dict[str, Report]

    @property
    def ok(self) -> bool:
        """Whether what was run again agrees; all else raised an error where it did not."""
        return all(report.ok for report in self.reports.values())

    def text(self) -> str:
        """The outcome as a few lines for a terminal."""
        lines = [f"{self.path}: {len(self.files)} files, every byte as it was packaged"]
        if self.signer:
            lines.append(f"  signed by the owner of {self.signer}")
        elif self.signed:
            lines.append("  signed, by whom was not verified: --key takes their public key")
        else:
            lines.append("  not signed: digests tell accidents, and nothing of who changed what")
        for name, said in self.said.items():
            if name not in self.reports:
                lines.append(f"  {name}: {said}")
        for name, report in self.reports.items():
            lines += [f"  {name}:", *(f"  {line}" for line in report.text().splitlines())]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The outcome as plain data; `format_version` 1."""
        return {
            "format_version": 1,
            "package": str(self.path),
            "ok": self.ok,
            "files": list(self.files),
            "signed": self.signed,
            "signer": self.signer or None,
            "reports": {name: report.as_json() for name, report in self.reports.items()},
        }


def check_package(
    folder: Path, *, key: Path | None = None, prove: bool = False, device: str = "cpu"
) -> PackageCheck:
    """Holds a package to its digests, with a public `key` to its signature, and if asked to its numbers.

    To `prove` it, the net is built from its spec and takes its weights, and each file in single and half
    precision is run beside PyTorch. Raises NetspecError of a folder that is no package, was changed, or
    is signed by nobody or by another.
    """
    files = check_sums(folder)
    if key is not None:
        check_signature(folder, key)
    return PackageCheck(
        folder,
        files,
        layout.SIGNATURE in files,
        "" if key is None else str(key),
        _read(folder, layout.REPORT, _said),
        _proven(folder, files, device) if prove else {},
    )


def _said(report: Any) -> dict[str, str]:
    """What a package's report says of each file, in words."""
    return {printable(str(name)): _words(found) for name, found in report["files"].items()}


def _words(found: Any) -> str:
    if "decibels" in found:
        return f"said to keep {float(found['decibels']):g} dB of the output"
    if "error" in found:
        return f"said to differ from PyTorch by {float(found['error']):.1e}"
    return "not verified"


@record
class _Told:
    """How a package says that its net is built, and which files are of it by precision."""

    spec: dict[str, Any]
    logits: bool
    models: dict[str, str]

    @classmethod
    def of(cls, config: Any) -> _Told:
        """What config.json says; raises ValueError or another where it does not say that."""
        told = config["netspec"]
        spec = {
            "spec": str(told["spec"]),
            "set": {str(name): str(value) for name, value in told["set"].items()},
            "input": [str(size) for size in told["input"]],
        }
        models = {str(dtype): str(name) for dtype, name in told["models"].items()}
        if not models.keys() <= layout.MODELS.keys():
            raise ValueError("it names a precision that there is not")
        return cls(spec, bool(told["logits"]), models)

    @property
    def names(self) -> list[str]:
        """The files that it names, which have to be the package's own."""
        return [self.spec["spec"].partition(":")[0], *self.models.values()]


def _proven(folder: Path, files: tuple[str, ...], device: str) -> dict[str, Report]:
    from netspec.backends.onnx.options import FileOptions
    from netspec.checkpoints import load
    from netspec.verify import require_file

    told = _read(folder, layout.CONFIG, _Told.of)
    for name in told.names:
        if name not in files:
            raise _unreadable(
                folder, layout.CONFIG, f"it names `{name}`, which is none of its files"
            )
    graph = built(folder, told.spec)
    source = load(folder / layout.WEIGHTS, graph).source
    found = {}
    for dtype, name in told.models.items():
        if dtype != "int8":  # held to its own fp32 when it was written, by how much it keeps
            options = FileOptions(logits=told.logits, dtype=dtype)
            found[name] = require_file(
                graph, folder / name, weights=source, options=options, device=device
            )
    return found


def _read(folder: Path, name: str, reader: Callable[[Any], T]) -> T:
    """What a file of JSON says. It is as it was packaged, by whoever did that."""

    def wrong(reason: str) -> NetspecError:
        return _unreadable(folder, name, reason)

    with reading(wrong), open_regular(folder / name) as file:
        text = file.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            raise ValueError("it is too long")
        return reader(json.loads(text))


def _unreadable(folder: Path, name: str, reason: str) -> NetspecError:
    return NetspecError(NotAPackage(str(folder), f"its {name} cannot be read: {reason}"))
