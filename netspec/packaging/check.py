"""A package held to what it was when it was written, and to what its report says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.messages.packages import NotAPackage
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.packaging import layout
from netspec.packaging.signature import check_signature
from netspec.packaging.spec import built
from netspec.packaging.sums import check_sums
from netspec.system.reading import open_regular, reading

if TYPE_CHECKING:
    from netspec.verify import Report


@record(slots=False)
class PackageCheck:
    """A package that is as it was written.

    `signed` says whether there is a signature, `signer` by which key it was verified, if it was. `reports`
    are those of the files that were run again, by name.
    """

    path: Path
    files: tuple[str, ...]
    signed: bool
    signer: str
    told: dict[str, Any]
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
        for name, found in self.told["files"].items():
            if name not in self.reports:
                lines.append(f"  {name}: {_said(found)}")
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


def _said(found: dict[str, Any]) -> str:
    if "decibels" in found:
        return f"said to keep {found['decibels']} dB of the output"
    return f"said to differ from PyTorch by {found['error']:.1e}" if found else "not verified"


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
    told = _read(folder, layout.REPORT)
    return PackageCheck(
        folder,
        files,
        layout.SIGNATURE in files,
        "" if key is None else str(key),
        told,
        _proven(folder, device) if prove else {},
    )


def _proven(folder: Path, device: str) -> dict[str, Report]:
    from netspec.backends.onnx.options import FileOptions
    from netspec.checkpoints import load
    from netspec.verify import require_file

    told = _read(folder, layout.CONFIG)["netspec"]
    graph = built(folder, told)
    source = load(folder / layout.WEIGHTS, graph).source
    found = {}
    for dtype, name in told["models"].items():
        if dtype != "int8":  # held to its own fp32 when it was written, by how much it keeps
            options = FileOptions(logits=told["logits"], dtype=dtype)
            found[name] = require_file(
                graph, folder / name, weights=source, options=options, device=device
            )
    return found


def _read(folder: Path, name: str) -> dict[str, Any]:
    """A file of JSON, whose digest has been verified."""

    def wrong(reason: str) -> NetspecError:
        return NetspecError(NotAPackage(str(folder), f"its {name} cannot be read: {reason}"))

    with reading(wrong), open_regular(folder / name) as file:
        found: dict[str, Any] = json.load(file)
        return found
