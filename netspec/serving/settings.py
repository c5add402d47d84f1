"""How a model is served: what a configuration says beside the tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from netspec.diagnostics.suggest import closest
from netspec.foundation.records import record

# The rows that a server joins at most where nobody says.
MAX_BATCH = 8
DEVICES = ("cpu", "cuda")
# What Triton's backend for ONNX Runtime reads; it says nothing of others, also of those misspelt.
PARAMETERS = (
    "intra_op_thread_count",
    "inter_op_thread_count",
    "execution_mode",
    "enable_mem_arena",
    "enable_mem_pattern",
    "memory.enable_memory_arena_shrinkage",
    "session.use_device_allocator_for_initializers",
)
# Execution providers of ONNX Runtime by the device that they are for.
ACCELERATORS = {"cuda": ("cuda", "tensorrt"), "cpu": ("openvino",)}


@record(kw_only=True)
class Serving:
    """What is asked of a server; `check` raises ValueError of what has no meaning.

    `max_batch` are the rows that it joins at most, 8 where None and requests can be joined. It prefers
    batches of the sizes `preferred`, and holds a request up to `delay` microseconds for others to come.
    `device` is `cpu`, `cuda` or None, which leaves it to the server; there are so many `instances` on it,
    or on each of the `gpus`. `versions` says which are served: `latest`, `latest:2`, `all` or `1,3`.
    `warm_up` runs the model before it is ready. `tf32` lets a GPU round to 10 bits.

    `parameters` are those of Triton's backend for ONNX Runtime, `accelerators` the options of execution
    providers by their names.
    """

    max_batch: int | None = None
    preferred: Sequence[int] = ()
    delay: int = 0
    device: str | None = None
    gpus: Sequence[int] = ()
    instances: int = 1
    versions: str = "latest"
    warm_up: bool = True
    tf32: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    accelerators: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def check(self) -> Serving:
        """These settings; raises ValueError where one has no meaning."""
        if self.max_batch is not None and self.max_batch < 1:
            raise ValueError(f"max_batch is at least 1, not {self.max_batch}")
        largest = MAX_BATCH if self.max_batch is None else self.max_batch
        if list(self.preferred) != sorted(set(self.preferred)):
            raise ValueError("preferred batches are given once each, the smallest first")
        if self.preferred and not 1 <= self.preferred[0] <= self.preferred[-1] <= largest:
            raise ValueError(f"preferred batches have 1 to {largest} rows")
        if self.delay < 0 or self.instances < 1:
            raise ValueError("a delay is no less than 0, and there is at least 1 instance")
        if self.max_batch == 1 and (self.delay or self.preferred):
            raise ValueError(
                "where max_batch is 1 nothing is joined: no delay and no preferred sizes"
            )
        if self.device not in (None, *DEVICES):
            raise ValueError(f"device is cpu, cuda or None, not {self.device!r}")
        if (self.gpus or self.tf32) and self.device != "cuda":
            raise ValueError("gpus and tf32 need device='cuda'")
        if any(gpu < 0 for gpu in self.gpus) or len(set(self.gpus)) < len(self.gpus):
            raise ValueError("gpus are numbers from 0 on, each given once")
        self._check_providers()
        version_policy(self.versions)
        return self

    def _check_providers(self) -> None:
        for name in self.parameters:
            if name not in PARAMETERS:
                near = closest(name, PARAMETERS)
                meant = (
                    f"; did you mean {near}?" if near else f": known are {', '.join(PARAMETERS)}"
                )
                raise ValueError(f"the backend has no parameter `{name}`{meant}")
        for name in self.accelerators:
            known = ACCELERATORS.get(self.device or "", ())
            if name not in known:
                devices = [d for d, names in ACCELERATORS.items() if name in names]
                if devices:
                    raise ValueError(f"{name} needs device={devices[0]!r}")
                every = ", ".join(n for names in ACCELERATORS.values() for n in names)
                raise ValueError(f"no accelerator is called `{name}`: known are {every}")

    @property
    def providers(self) -> dict[str, Mapping[str, str]]:
        """The execution providers with their options; on a GPU TF32 is off unless it was asked for."""
        found = dict(self.accelerators)
        if self.device == "cuda" and not self.tf32:
            found["cuda"] = {"use_tf32": "0", **found.get("cuda", {})}
        return found


def version_policy(said: str) -> dict[str, int | tuple[int, ...]]:
    """Which versions are served: `latest` how many, `all`, or the numbers that are meant, `specific`.

    Raises ValueError where a text says none of these.
    """
    word, _, count = said.partition(":")
    if said == "all":
        return {"all": 0}
    if word == "latest" and ((count.isascii() and count.isdecimal()) or said == word):
        number = int(count) if count else 1
        if 1 <= number < 2**31:
            return {"latest": number}
    numbers = [part.strip() for part in said.split(",")]
    if all(part.isascii() and part.isdecimal() and 0 < int(part) < 2**31 for part in numbers):
        return {"specific": tuple(sorted({int(part) for part in numbers}))}
    raise ValueError(
        f"versions are `latest`, `latest:2`, `all` or numbers such as `1,3`, not `{said}`"
    )
