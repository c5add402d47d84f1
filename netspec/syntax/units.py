"""One spec file ready for use: its declarations by name, and what it imports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.messages.limits import ImportsTooDeep, TooManyFiles
from netspec.diagnostics.messages.names import ImportCycle, NotInFile, UnknownImport
from netspec.diagnostics.messages.syntax import DuplicateDeclaration, StepOfVariation
from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.records import Diagnostic, Problem
from netspec.diagnostics.source import Source, Span
from netspec.diagnostics.suggest import closest
from netspec.foundation.records import record
from netspec.syntax import ast
from netspec.syntax.files import (
    LIBRARY,
    read_at,
    read_file,
    shipped_file,
    shipped_folder,
    shipped_names,
)
from netspec.syntax.parse import parse
from netspec.system import git

Declaration = TypeVar("Declaration")
_DEFAULT_LINES = re.compile(r"\bdefault\s+([A-Za-z_]\w*)")
_Section = tuple[ast.Net, list[ast.Item]]


@record(frozen=False, eq=False, slots=False)
class Unit:
    """A file's declarations. `imports` maps a name to the unit it comes from.

    `variations` are the further nets of the file by name, each a unit of its own with the lines up to
    the next. `lost` are the words of what could not be read or found: that they mean nothing is said already.
    """

    source: Source
    net: ast.Net | None = None
    blocks: dict[str, ast.Block] = field(default_factory=dict)
    imports: dict[str, Unit] = field(default_factory=dict)
    inputs: list[ast.Input] = field(default_factory=list)
    output: ast.Output | None = None
    defaults: list[ast.Default] = field(default_factory=list)
    metadata: list[ast.Metadata | ast.Pairs] = field(default_factory=list)
    chain: ast.Chain = ast.Chain((), (0, 0))
    lost: set[str] = field(default_factory=set)
    variations: dict[str, Unit] = field(default_factory=dict)

    def span(self, extent: ast.Extent) -> Span:
        """A place in the unit's text."""
        return Span(self.source, *extent)

    @property
    def name(self) -> str:
        """The name of its `net` line, or of its file; `net` where that is no name."""
        if self.net:
            return self.net.name
        stem = Path(self.source.name).stem
        return stem if stem.isidentifier() else "net"

    @cached_property
    def defaulted(self) -> frozenset[str]:
        """What `default` lines of the file are for, wherever they stand; those in comments too."""
        return frozenset(_DEFAULT_LINES.findall(self.source.text))

    @property
    def words(self) -> dict[str, Unit]:
        """The blocks and nets that its steps may name, by the unit each comes from."""
        return dict.fromkeys(self.blocks, self) | self.imports

    def advice(self, word: str) -> str:
        """What to do where a block means a parameter of the net; empty where it has none of the name."""
        parameters = self.net.parameters if self.net else ()
        if all(parameter.name != word for parameter in parameters):
            return ""
        own = f"a block has its own, `block unit({word})`, given at its calls"
        return f"`{word}` is a parameter of the net: {own}"

    @property
    def has_net(self) -> bool:
        """Whether the file says what a net is: by a `net` line or by steps."""
        return self.net is not None or any(not isinstance(x, ast.Default) for x in self.chain.links)


@record(frozen=False, eq=False)
class Shelf:
    """Files that loaders have read without finding fault, for those after them.

    `units` are by the key of their source. Who keeps a shelf keeps to the files as they were when they were
    read.
    """

    units: dict[str, Unit] = field(default_factory=dict)


@lru_cache(maxsize=8)
def _library(source: int, nesting: int, statements: int) -> dict[str, Unit | None]:
    """The shipped blocks that were read under these limits, by name, None where there is none.

    They are netspec's own files: like its modules, a process reads each once.
    """
    return {}


class Loader:
    """Reads files into units, each once; holds the budget on files and the cycle check.

    What stands on the `shelf` is taken from there. `used` are the units that blocks were taken from, each
    time.
    """

    def __init__(self, collector: Collector, limits: Limits, shelf: Shelf | None = None) -> None:
        self.collector = collector
        self.limits = limits
        self.used: list[Unit] = []
        self._shelf = shelf or Shelf()
        self._units: dict[str, Unit] = {}
        self._open: list[str] = []
        self._library: dict[str, Unit | None] = {}
        self._read_before = _library(limits.source, limits.nesting, limits.statements)

    def load(self, source: Source) -> Unit:
        """The unit of a source, with its imports loaded: its own net, or the variation it names."""
        unit = self._read(source)
        if not source.net or source.net == unit.name:
            return unit
        if source.net not in unit.variations:
            self.report(
                NotInFile(source.name, f"net `{source.net}`", source.net), Span(source, 0, 0)
            )
            self.collector.raise_errors()
        return unit.variations[source.net]

    def _read(self, source: Source) -> Unit:
        key = source.key
        held = self._shelf.units.get(key)
        if held is not None and held.source == source:
            found = self._needed(held, {})
            if len(self._units) + len(found) <= self.limits.files:
                self._units.update(found)
                return held
        unit = Unit(source)
        self._units[key] = unit
        self._open.append(key)
        try:
            file = parse(source, self.collector, self.limits)
            unit.lost.update(file.lost)
            self._fill(unit, file)
        finally:
            self._open.pop()
        if not self.collector.added:
            self._shelf.units[key] = unit
        return unit

    def _needed(self, unit: Unit, found: dict[str, Unit]) -> dict[str, Unit]:
        """What is not read yet of a file and those that it imports, in the order of reading."""
        found[unit.source.key] = unit
        for part in (unit, *unit.variations.values()):
            for origin in part.imports.values():
                key = origin.source.key
                if key not in found and key not in self._units:
                    self._needed(self._shelf.units.get(key, origin), found)
        return found

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were read; what git gave is in none."""
        sources = (unit.source for unit in self._units.values() if not unit.source.tree)
        return tuple({source.path: None for source in sources if source.path})

    def defaulted(self, word: str) -> bool:
        """Whether a file that was read may have a `default` line for a block of this name."""
        return any(word in unit.defaulted for unit in self._units.values())

    @property
    def sources(self) -> tuple[Source, ...]:
        """What was read, imports included, the spec itself first; no blocks of the library."""
        library = {unit.source.key for unit in self._library.values() if unit}
        return tuple(u.source for key, u in self._units.items() if key not in library)

    def library_block(self, name: str) -> tuple[Unit, ast.Block] | None:
        """A block of the shipped library; its file has the block's name."""
        unit = self._shipped(name)
        if unit is None or name not in unit.blocks:
            return None
        self.use(unit)
        return unit, unit.blocks[name]

    def _shipped(self, name: str) -> Unit | None:
        """The unit of a file of the library, None where there is no such file."""
        if name in self._library:
            return self._library[name]
        held, path = self._read_before, LIBRARY / f"{name}.ns"
        if name in held:
            unit = held[name]
        else:
            found, before = path.is_file(), self.collector.added
            unit = self.load(read_file(path, self.limits, shipped=True)) if found else None
            if self.collector.added == before:
                held[name] = unit
        self._library[name] = unit
        return unit

    def use(self, unit: Unit) -> None:
        """Takes note that a block of a file is needed: those of the library are read for that alone."""
        self.used.append(unit)
        if unit.source.key not in self._units:
            self._units.update(self._needed(unit, {}))

    def library_names(self) -> Iterator[str]:
        """The names of the shipped blocks."""
        return (path.stem for path in LIBRARY.glob("*.ns"))

    def report(self, problem: Problem, span: Span) -> None:
        """Adds a problem at a place."""
        self.collector.add(Diagnostic(problem, span))

    def _fill(self, unit: Unit, file: ast.File) -> None:
        own, sections = _sections(file.items)
        self._fill_own(unit, own)
        for net, items in sections:
            self._fill_variation(unit, net, items)

    def _fill_variation(self, file: Unit, net: ast.Net, items: list[ast.Item]) -> None:
        """A variation that stands in a file after the file's own net, with what is said of it."""
        unit = Unit(file.source, net, imports=dict(file.words))
        if net.name in (file.name, *file.variations):
            self.report(DuplicateDeclaration(f"net {net.name}"), file.span(net.extent))
            return
        file.variations[net.name] = unit
        assert net.base is not None
        nets = {file.name: file, **file.variations}
        if net.base.name in nets and net.base.name != net.name:
            _vary(unit, net.base.name, nets[net.base.name])
        else:
            self._import_base(unit, net.base)
        for item in items:
            if isinstance(item, ast.Metadata | ast.Pairs):
                unit.metadata.append(item)
            elif not isinstance(item, ast.Broken):
                self.report(StepOfVariation(net.name), file.span(item.extent))
                return

    def _fill_own(self, unit: Unit, items: Iterable[ast.Item]) -> None:
        links: list[ast.Link] = []
        for item in items:
            match item:
                case ast.Net():
                    unit.net = self._once(unit, "net", unit.net, item)
                    if item.base is not None:
                        self._import_base(unit, item.base)
                case ast.Block():
                    if item.name in unit.blocks:
                        self.report(
                            DuplicateDeclaration(f"block {item.name}"), unit.span(item.extent)
                        )
                    unit.blocks[item.name] = item
                case ast.Import():
                    self._import(unit, item)
                case ast.Input():
                    unit.inputs.append(item)
                case ast.Output():
                    unit.output = self._once(unit, "output", unit.output, item)
                case ast.Default():
                    unit.defaults.append(item)
                    links.append(item)
                case ast.Metadata() | ast.Pairs():
                    unit.metadata.append(item)
                case ast.Step() | ast.Broken():
                    links.append(item)
        if links and unit.net and unit.net.base:
            self.report(StepOfVariation(unit.net.name), unit.span(links[0].extent))
        if links:
            unit.chain = ast.Chain(tuple(links), (links[0].extent[0], links[-1].extent[1]))

    def _once(
        self, unit: Unit, what: str, held: Declaration | None, item: Declaration
    ) -> Declaration:
        if held is not None:
            extent: ast.Extent = item.extent  # type: ignore[attr-defined]
            self.report(DuplicateDeclaration(what), unit.span(extent))
            return held
        return item

    def _import(self, unit: Unit, item: ast.Import) -> None:
        for name, extent in item.names:
            origin = self._find(unit, item.origin or name, unit.span(extent))
            if origin is None:
                unit.lost.add(name)
                continue
            if item.origin and name in origin.variations:
                unit.imports[name] = origin.variations[name]
                continue
            if item.origin and name not in origin.blocks:
                near = closest(name, (*origin.blocks, *origin.variations))
                advice = f"did you mean {near}?" if near else ""
                if name == item.origin and origin.has_net:
                    advice = f"`import {name}` makes its net a layer"
                problem = NotInFile(item.origin, f"block or variation `{name}`", name, advice)
                self.report(problem, unit.span(extent))
                unit.lost.add(name)
                continue
            if not item.origin and not origin.has_net:
                self.report(NotInFile(name, "net", name), unit.span(extent))
                unit.lost.add(name)
                continue
            unit.imports[name] = origin

    def _import_base(self, unit: Unit, base: ast.Call) -> None:
        origin = self._find(unit, base.name, unit.span(base.extent))
        if origin is not None:
            _vary(unit, base.name, origin)

    def _find(self, unit: Unit, name: str, span: Span) -> Unit | None:
        """The unit called `name` beside `unit`, or else among the shipped specs."""
        place = self._place(unit, name)
        if place is None:
            near = closest(name, shipped_names())
            advice = f"did you mean {near}?" if near else ""
            if name in self.library_names():
                advice = "it is a shipped block: used without being imported"
            self.report(UnknownImport(name, advice), span)
            return None
        key, net, read = place
        if key in self._open:
            circle = [Path(k).stem for k in self._open[self._open.index(key) :]] + [name]
            self.report(ImportCycle(" -> ".join(circle)), span)
            return None
        if key in self._units:
            return self._units[key].variations.get(net, self._units[key])
        if len(self._units) > self.limits.files:
            self.report(TooManyFiles(self.limits.files), span)
            self.collector.raise_errors()
        if len(self._open) > self.limits.imports:
            self.report(ImportsTooDeep(self.limits.imports), span)
            self.collector.raise_errors()
        try:
            source = read()
        except NetspecError as error:
            self.report(error.diagnostics[0].problem, span)
            return None
        return self.load(replace(source, net=net))

    def _place(self, unit: Unit, name: str) -> tuple[str, str, Callable[[], Source]] | None:
        """Where a file is: its key, the net of it that is meant, and what reads it."""
        tree, beside = unit.source.tree, unit.source.path
        if tree and beside:
            inside = git.beside(tree, beside, f"{name}.ns")
            if inside is not None:
                source = Source(name, "", inside, tree=tree)
                return source.key, "", lambda: read_at(tree, inside, self.limits)
        elif beside:
            folder = Path(beside).parent
            path = folder / f"{name}.ns"
            # A name has no separators, so only a link could lead out of the folder.
            if path.is_file() and path.resolve().parent == folder.resolve():
                return self._on_disk(path, "")
        shipped = shipped_file(name)
        return self._on_disk(*shipped) if shipped else None

    def _on_disk(self, path: Path, net: str) -> tuple[str, str, Callable[[], Source]]:
        shipped = path.is_relative_to(shipped_folder())
        return str(path), net, lambda: read_file(path, self.limits, shipped=shipped)


def _sections(items: Iterable[ast.Item]) -> tuple[list[ast.Item], list[_Section]]:
    """What is said of a file's own net, and each variation that follows it with its lines."""
    own: list[ast.Item] = []
    sections: list[_Section] = []
    lines = own
    for item in items:
        if isinstance(item, ast.Net) and item.base and any(isinstance(i, ast.Net) for i in own):
            lines = []
            sections.append((item, lines))
        else:
            lines.append(item)
    return own, sections


def variations_of(source: Source, limits: Limits = DEFAULT) -> tuple[Source, ...]:
    """The sources of the further nets that stand in a file; none of one that is such a net itself."""
    if source.net:
        return ()
    unit = Loader(Collector(), limits).load(source)
    return tuple(replace(source, net=name) for name in unit.variations)


def variation_text(source: Source) -> str:
    """The lines of a variation that stands in a file; a spec of its own beside that file."""
    items = parse(source, Collector()).items
    starts = [item.extent[0] for item in items if isinstance(item, ast.Net)]
    names = [item.name for item in items if isinstance(item, ast.Net)]
    at = names.index(source.net) if source.net in names else 0
    ends = [*starts[1:], len(source.text)]
    return source.text[starts[at] : ends[at]].rstrip() + "\n"


def _vary(unit: Unit, name: str, base: Unit) -> None:
    """Makes a unit a variation of the net `name`: it may be given blocks of that net's file."""
    unit.imports = base.words | unit.imports | {name: base}
