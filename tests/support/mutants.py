"""Broken files: mutants of whole ones, from a seed.

`mutants(data, seed)` yields changed copies of a file for as long as it is asked: bits flipped, ranges
cut, doubled and moved, numbers made large, digits and fields of headers replaced. Zip archives are
also mutated inside, with sums that fit again: else the sum is all that is ever tested.
"""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from itertools import count

Mutation = Callable[[random.Random, bytearray], None]

# Headers are most of what there is to get wrong: half of all changes are made in the first bytes.
_HEAD = 400
_NUMBERS = (0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63)
_TEXTS = (
    b"-1", b"0", b"9" * 20, b"9" * 5000, b"1e999", b"NaN", b"null", b"{}", b"[]", b'""', b"true",
    b"[" * 2000, b"(" * 200, b"'<f8'", b"'|O'", b"'<U4'", b"'<M8'", b"'>i2'", b"F64", b"I8", b"BOOL",
    b"BF16", b"\xff\xfe", b"\\ud800", b"\0", b"None", b"L", b"\\", b"\n",
)  # fmt: skip
_RUNS = re.compile(rb"\d+|'[^']*'|\"[^\"]*\"|[A-Za-z_]+")


def mutants(data: bytes, seed: int) -> Iterator[bytes]:
    """Changed copies of a file, always the same ones for a seed."""
    for number in count():
        chance = random.Random(f"{seed}:{number}")
        if data[:2] == b"PK" and chance.random() < 0.6:
            yield _repacked(chance, data)
        else:
            yield _mutated(chance, data)


def mutant(data: bytes, seed: int) -> bytes:
    """A changed copy of what may be no whole file itself."""
    chance = random.Random(seed)
    if data[:2] == b"PK" and chance.random() < 0.6:
        try:
            return _repacked(chance, data)
        except Exception:  # whatever zipfile says of an archive that was broken before
            return _mutated(chance, data)
    return _mutated(chance, data)


def altered(data: bytes, chance: random.Random) -> bytes:
    """The data with one to four places changed, lost or said twice; what is in it may still be readable."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found))
        match chance.randrange(3):
            case 0:
                found[at] = chance.randrange(256)
            case 1:
                del found[at : at + chance.randint(1, 8)]
            case _:
                found[at:at] = found[at : at + chance.randint(1, 8)]
    return bytes(found)


def _mutated(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if changed:
            chance.choice(MUTATIONS)(chance, changed)
    return bytes(changed)


def _place(chance: random.Random, data: bytearray) -> int:
    """A place in the file: anywhere, or among its first or last bytes."""
    size = len(data)
    low, high = chance.choice(((0, size), (0, min(size, _HEAD)), (max(0, size - _HEAD), size)))
    return chance.randrange(low, high)


def _flip(chance: random.Random, data: bytearray) -> None:
    data[_place(chance, data)] ^= 1 << chance.randrange(8)


def _overwrite(chance: random.Random, data: bytearray) -> None:
    data[_place(chance, data)] = chance.randrange(256)


def _cut_short(chance: random.Random, data: bytearray) -> None:
    del data[_place(chance, data) :]


def _cut_out(chance: random.Random, data: bytearray) -> None:
    place = _place(chance, data)
    del data[place : place + chance.choice((1, 4, 64, 1000))]


def _double(chance: random.Random, data: bytearray) -> None:
    place = _place(chance, data)
    length = chance.choice((1, 4, 64, 1000))
    data[place:place] = data[place : place + length] * chance.choice((1, 1, 30))


def _move(chance: random.Random, data: bytearray) -> None:
    place, other = _place(chance, data), _place(chance, data)
    length = chance.choice((4, 16, 64))
    data[other : other + length] = data[place : place + length]


def _inflate(chance: random.Random, data: bytearray) -> None:
    """A number in the file's binary parts, made another."""
    form = chance.choice(("<H", "<I", "<Q", ">H", ">I", ">Q"))
    size = struct.calcsize(form)
    place = _place(chance, data)
    value = min(chance.choice(_NUMBERS), 256**size - 1)
    data[place : place + size] = struct.pack(form, value)


def _retell(chance: random.Random, data: bytearray) -> None:
    """A number or word in the file's text, made another, or exchanged with one that is there."""
    found = list(_RUNS.finditer(data, 0, 20_000))
    if not found:
        return
    run, other = chance.choice(found), chance.choice(found)
    text = chance.choice((other[0], *chance.sample(_TEXTS, 2)))
    data[run.start() : run.end()] = text


MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _overwrite,
    _cut_short,
    _cut_out,
    _double,
    _move,
    _inflate,
    _inflate,
    _retell,
    _retell,
)


def _repacked(chance: random.Random, data: bytes) -> bytes:
    """A zip archive with members that are mutated, renamed, doubled, gone, or packed otherwise."""
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(into, "w") as new:
        members = old.infolist()
        victim = chance.choice(members)
        if chance.random() < 0.5:
            # What is small says what the rest is.
            victim = min(members, key=lambda member: member.file_size)
        if pickles := [member for member in members if member.filename.endswith(".pkl")]:
            victim = chance.choice((victim, *pickles * 3))
        how = chance.choice(("mutate",) * 8 + ("rename", "drop", "twice", "pack"))
        for member in members:
            content, name, packed = old.read(member), member.filename, member.compress_type
            if member is victim:
                if how == "drop":
                    continue
                if how == "mutate":
                    content = _mutated(chance, content)
                if how == "rename":
                    name = chance.choice(members).filename + chance.choice(("", "x", "/", "é"))
                if how == "pack":
                    packed = chance.choice(
                        (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
                    )
                if how == "twice":
                    _add(new, member.filename, content, packed)
            _add(new, name, content, packed)
    return into.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes, packed: int) -> None:
    info = zipfile.ZipInfo(name)
    info.compress_type = packed
    # As `writestr` does it, without its warning of a name that is there.
    archive.NameToInfo.pop(name, None)
    archive.writestr(info, content)
