"""Every place of the command line that takes a file, and what must hold whatever stands there."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from support.forked import Ended, Forks
from support.wrong_files import SPEC, put

# `@` stands for the file; the other words are good ones, made by `furnish`.
_READ = {
    "check": ("check @.ns", "check imports_@.ns", "check @"),
    "fmt": ("fmt @.ns", "fmt --check @"),
    "show": ("show @.ns", "show --flat @"),
    "summary": ("summary @.ns", "summary good.ns @"),
    "list": ("list --family @",),
    "explain": ("explain @",),
    "draw": ("draw @.ns -o out.svg", "draw good.ns @ --style columns -o out.svg"),
    "diff": (
        "diff @.ns good.ns",
        "diff good.ns @.onnx",
        "diff good.ns @.pt2",
        "diff --git -- good.ns @.ns 1 2 good.ns 3 4",
        "diff good.ns HEAD:@",
    ),
    "compile": (
        "compile @.ns -o out.onnx",
        *(f"compile good.ns -o out.onnx --weights @.{end}" for end in ("pt", "npz", "npy", "h5")),
        *(f"compile good.ns -o out.onnx --weights @.{end}" for end in ("safetensors", "onnx", "")),
        "compile good.ns -o out.onnx --weights good.safetensors --map @.json",
        *(f"compile good.ns -o out.onnx --quantize int8 --samples @{end}" for end in ("", ".npy")),
        "compile good.ns -o out.onnx --quantize int8 --samples @.png",
    ),
    "package": (
        "package @.ns -o out --no-verify",
        "package good.ns -o out --no-verify --weights @.safetensors",
        "package good.ns -o out --no-verify --labels @.txt",
        "package good.ns -o out --no-verify --key @.pem",
        "package good.ns -o out --no-verify --quantize int8 --samples @",
    ),
    "deploy": (
        "deploy @.ns --triton out",
        "deploy good.ns --triton out --labels @.txt",
        "deploy good.ns --triton out --weights @.pt",
    ),
    "import": ("import @.onnx", "import @.pt2 -o out.ns --weights-out out.safetensors"),
    "run": (
        "run @.onnx",
        "run @.ns",
        *(f"run good.onnx @.{end}" for end in ("npy", "png", "jpg")),
        "run good.onnx input=@",
        "run good.ns @.png --save out.npz",
        "run good.ns --weights @.npz",
    ),
    "verify": (
        "verify @.ns",
        "verify @",
        "verify pack --key @.pem",
    ),
    "bench": ("bench @.onnx --runs 1 --warmup 1", "bench @.ns --runs 1 --warmup 1"),
    "sweep": ("sweep @.ns --set n=1,2",),
}
_WRITTEN = {
    "compile": (
        "compile good.ns -o @.onnx",
        "compile good.ns --to torch -o @.pt",
        "compile good.ns --to pytorch -o @.py",
        "compile good.ns --to dot -o @.dot",
        "compile good.ns -o @.onnx --weights good.safetensors",
    ),
    "package": ("package good.ns -o @ --no-verify",),
    "deploy": ("deploy good.ns --triton @", "deploy good.ns --triton out --name @"),
    "import": (
        "import good.onnx -o @.ns",
        "import good.onnx -o out.ns --weights-out @.safetensors",
        "import good.onnx --weights-out @.safetensors",
    ),
    "draw": tuple(f"draw good.ns -o @.{end}" for end in ("svg", "png", "pdf", "tikz", "html")),
    "diff": ("diff good.ns other.ns -o @.svg", "diff good.ns other.ns -o @.png"),
    "run": ("run good.onnx --save @.npz", "run good.ns --save @.npz --weights good.safetensors"),
    "sweep": (
        *(f"sweep param.ns --set n=1,2 -o @.{end}" for end in ("csv", "jsonl", "parquet")),
        "sweep param.ns --set n=1,2 --plot @.svg",
        "sweep param.ns --set n=1,2 --plot @.png -o out.csv",
    ),
}
READ = [words for lines in _READ.values() for words in lines]
WRITTEN = [words for lines in _WRITTEN.values() for words in lines]

Listing = dict[str, tuple[int, int, bytes]]
_KEPT = {"good.ns", "good.onnx", "good.safetensors", "other.ns", "param.ns"}
# What netspec itself says begins a line so, in messages and in reports of what was done.
_OWN = re.compile(
    r"$|good\.\w+: "
    r"|(error|warning)\[NS\d+\]: |error: |\w+: |  (help|note|try|in|\.\.\.)\b|  try: | -->|would change "
    r"|\d+ variants: | \.\.\. |\s*\d* \| |\s+\||Usage: |Try |Error: |\.\.\. and|---|\+\+\+|@@|interrupted"
)
_FOREIGN = re.compile(
    r"Traceback|NS599|Warning\b|\x1b|\[[EWF]:onnxruntime|\bnumpy\.|^\w+Error: |<frozen|File \"",
    re.M,
)


def furnish(folder: Path, forks: Forks) -> None:
    """The good files that lines of commands name."""
    (folder / "good.ns").write_text(SPEC)
    (folder / "other.ns").write_text(SPEC.replace("conv3-4", "conv3-6"))
    (folder / "param.ns").write_text(
        "net p(n=4)\n" + SPEC.replace("net n\n", "").replace("conv3-4", "conv3-n")
    )
    for line in (
        "compile good.ns -o good.onnx",
        "import good.onnx -o unused.ns --weights-out good.safetensors",
        "package good.ns -o pack --no-verify",
    ):
        ended = forks.run(line.split(), folder)
        assert ended.status == 0, ended.err
    (folder / "unused.ns").unlink()


@dataclass(frozen=True)
class Case:
    """A line of words in which a file of a kind stands."""

    words: str
    kind: str
    name: str = "odd"

    def line(self) -> list[str]:
        return [word.replace("@", self.name) for word in self.words.split()]

    def place(self, folder: Path) -> Path:
        """Makes the file."""
        word = next(word for word in self.words.split() if "@" in word)
        name = re.sub(r"^(input=|HEAD:|imports_)", "", word).replace("@", self.name)
        if "imports_" in word:
            (folder / f"imports_{name}").write_text(f"import a from {self.name}\ninput 3\na\n")
        put(self.kind, folder / name)
        return folder / name


def listing(folder: Path) -> Listing:
    """What lies below a folder: kinds, permissions and bytes; no link is followed."""
    found = {}
    for around, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(around, name)
            seen = os.lstat(path)
            data = b""
            if stat.S_ISLNK(seen.st_mode):
                data = os.fsencode(os.readlink(path))
            elif stat.S_ISREG(seen.st_mode):
                data = path.read_bytes() if seen.st_size < 2**24 else b"%d" % seen.st_size
            found[str(path.relative_to(folder))] = (stat.S_IFMT(seen.st_mode), seen.st_mode, data)
    return found


def complaints(case: Case, forks: Forks, good: Path, folder: Path) -> Iterator[str]:
    """What is wrong with how a command met a file; `folder` is made of `good`, and removed."""
    shutil.copytree(good, folder, symlinks=True)
    try:
        place = case.place(folder)
        before = listing(folder)
        with drained(place) if case.words in WRITTEN and place.is_fifo() else nullcontext():
            ended = forks.run(case.line(), folder)
        yield from judged(ended)
        yield from lost(ended, before, listing(folder))
    finally:
        shutil.rmtree(folder)


@contextmanager
def drained(pipe: Path) -> Iterator[None]:
    """Reads a pipe until the block ends: who writes to one waits for a reader."""
    handle, done = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), Event()

    def read() -> None:
        while not done.wait(0.001):
            with suppress(BlockingIOError):
                os.read(handle, 2**16)

    reader = Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()
        os.close(handle)


def lost(ended: Ended, before: Listing, after: Listing) -> Iterator[str]:
    """What a command did to files that it had no business with, or left lying about."""
    changed = {name for name in before if after.get(name) != before[name]}
    if "ran" in after:
        yield "something was run"
    if ended.status:
        changed |= {name for name in after if name not in before}
    if strays := [name for name in after if ".ns-" in name]:
        yield f"left behind: {strays}"
    if ended.status and changed:
        yield f"failed, and changed {sorted(changed)}"
    if kept := changed & _KEPT:
        yield f"changed {sorted(kept)}"


def judged(ended: Ended) -> Iterator[str]:
    """What is wrong with how a command ended."""
    if ended.status is None:
        yield "did not end"
    elif ended.status not in (0, 1, 2, 3, 4):
        yield f"status {ended.status}"
    if ended.status and not ended.err and not ended.out:
        yield "failed without a word"
    if found := _FOREIGN.search(ended.err + ended.out):
        yield f"says {found.group()!r}"
    if ended.status:
        yield from (f"says {line!r}" for line in ended.err.splitlines() if not _OWN.match(line))
