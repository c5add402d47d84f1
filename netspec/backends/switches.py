"""What ONNX Runtime is told of a session: known switches with known values, and what a file says of them.

A tuned file says in its metadata which switches were fastest, for a device each. That is what others
wrote: only what stands in the tables here is taken from it.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from netspec.foundation.records import record

# The key of a file's metadata that says what it was tuned to.
KEY = "netspec.session"
# Characters that its text may have, and threads that it may ask for.
_LONGEST, _THREADS = 4096, 1024
_FORMAT = 1


@record(kw_only=True)
class Switches:
    """How a session runs; None leaves a switch to the file and then to `DEFAULTS`.

    `threads` 0 is ONNX Runtime's own choice. `spinning` says when idle threads wait busily: `always`,
    also for some 40 ms after a run, which slows whatever else runs then; while a `run` lasts; `never`.
    `block_base` 4 deals work out in shrinking portions. `nhwc`, `conv_search`, `conv_bias` (one kernel
    for a convolution and its bias), `cuda_graph` and `tf32` are CUDA's; `cuda_graph` needs fixed sizes
    and works for bound inputs only. `tf32` alone changes what is computed.
    """

    threads: int | None = None
    spinning: str | None = None
    optimization: str | None = None
    execution: str | None = None
    arena: bool | None = None
    memory_pattern: bool | None = None
    block_base: int | None = None
    nhwc: bool | None = None
    conv_search: str | None = None
    conv_bias: bool | None = None
    cuda_graph: bool | None = None
    tf32: bool | None = None

    def over(self, others: Switches) -> Switches:
        """These, and the others' where these say nothing."""
        return replace(others, **dict(self.stated()))

    def stated(self) -> Iterator[tuple[str, Any]]:
        """The switches that say something, in order."""
        return ((name, value) for name, value in asdict(self).items() if value is not None)

    def differences(self, others: Switches) -> dict[str, Any]:
        """The switches that say something else than the others do."""
        theirs = dict(others.stated())
        return {name: value for name, value in self.stated() if theirs.get(name) != value}


DEFAULTS = Switches(
    threads=0,
    spinning="always",
    optimization="all",
    execution="sequential",
    arena=True,
    memory_pattern=True,
    block_base=0,
    nhwc=False,
    conv_search="exhaustive",
    conv_bias=False,
    cuda_graph=False,
    tf32=False,
)

# The values that each switch may have, the default first.
VALUES: Mapping[str, tuple[Any, ...] | range] = {
    "threads": range(_THREADS + 1),
    "spinning": ("always", "run", "never"),
    "optimization": ("all", "layout", "extended", "basic", "none"),
    "execution": ("sequential", "parallel"),
    "arena": (True, False),
    "memory_pattern": (True, False),
    "block_base": (0, 4),
    "nhwc": (False, True),
    "conv_search": ("exhaustive", "heuristic", "default"),
    "conv_bias": (False, True),
    "cuda_graph": (False, True),
    "tf32": (False, True),
}
_EVERYWHERE = ("threads", "spinning", "optimization", "execution", "memory_pattern", "block_base")
# The switches that mean something on a device.
ON_DEVICE: Mapping[str, tuple[str, ...]] = {
    "cpu": (*_EVERYWHERE, "arena"),
    "cuda": (*_EVERYWHERE, "nhwc", "conv_search", "conv_bias", "cuda_graph", "tf32"),
}


@record
class Tuned:
    """The switches that were fastest on a device, and the processor cores there were."""

    switches: Switches
    cores: int

    def here(self) -> Switches:
        """What of it holds on this machine: a number of threads is for as many cores."""
        if self.cores == cores():
            return self.switches
        return replace(self.switches, threads=None)


def cores() -> int:
    """The processor cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def has_vnni() -> bool:
    """Whether the processor is known to add products of eight bits in 32 bits; only Linux tells."""
    try:
        words = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(words)


def processor() -> str:
    """The processor's name, or its kind where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def tuned_text(tuned: Mapping[str, Tuned]) -> str:
    """What `read_tuned` reads: JSON, the devices and switches in one order."""
    devices = {
        device: {"cores": found.cores, "switches": dict(found.switches.stated())}
        for device, found in sorted(tuned.items())
    }
    return json.dumps({"format_version": _FORMAT, "devices": devices}, separators=(",", ":"))


def read_tuned(texts: Iterable[Any]) -> dict[str, Tuned]:
    """What the texts under `KEY` say by device; raises ValueError for all but one that is written here."""
    found = list(texts)
    if not found:
        return {}
    if len(found) > 1 or not isinstance(found[0], str) or len(found[0]) > _LONGEST:
        raise ValueError("it is there twice, no text, or too long")
    whole = _object(
        json.loads(found[0], object_pairs_hook=_once), {"format_version", "devices"}, "it"
    )
    if not _is(whole["format_version"], (_FORMAT,)):
        raise ValueError("its format is not 1")
    if not isinstance(whole["devices"], dict):
        raise ValueError("its devices are no object")
    return {device: _tuned(device, said) for device, said in whole["devices"].items()}


def _tuned(device: str, said: Any) -> Tuned:
    known = ON_DEVICE.get(device)
    if known is None:
        raise ValueError(f"it names a device `{device}`")
    said = _object(said, {"cores", "switches"}, device)
    if not _is(said["cores"], range(1, 2**20)):
        raise ValueError(f"{device} has no number of cores")
    if not isinstance(said["switches"], dict):
        raise ValueError(f"the switches of {device} are no object")
    for name, value in said["switches"].items():
        if name not in known:
            raise ValueError(f"it names a switch `{name}` of {device}")
        if not _is(value, VALUES[name]):
            raise ValueError(f"`{name}` has a value that it cannot have")
    if said["switches"].get("threads", 0) > said["cores"]:
        raise ValueError("it asks for more threads than cores")
    return Tuned(Switches(**said["switches"]), said["cores"])


def _object(said: Any, keys: set[str], what: str) -> dict[str, Any]:
    if not isinstance(said, dict) or said.keys() != keys:
        raise ValueError(f"{what} has other fields than {' and '.join(sorted(keys))}")
    return said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("it says a thing twice")
    return made


def _is(value: Any, allowed: tuple[Any, ...] | range) -> bool:
    """Whether a value is one of these, and of its type: JSON's true is no 1, and 1.0 is none."""
    kind = int if isinstance(allowed, range) else type(allowed[0])
    return type(value) is kind and value in allowed


assert VALUES.keys() == {item.name for item in fields(Switches)}
