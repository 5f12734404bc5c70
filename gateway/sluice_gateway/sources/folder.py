"""What the files of some paths say, read again only where they changed."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sluice_config.findings import Finding, Level
from sluice_config.resources import ResourceKey
from sluice_gateway.sources.documents import InvalidYAML, cut, decode
from sluice_gateway.sources.files import FoundFile, Signature, Unreadable, list_files, read_file, shown
from sluice_gateway.sources.objects import INVALID, Object, Piece, read_piece
from sluice_gateway.sources.source import LocatedFinding

EMPTY = "Empty"
"""The reason of a finding that there is nothing to serve."""

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class PlacedPiece:
    """A piece of a file, and how many lines stand before it."""

    digest: bytes
    offset: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as it was read. ``problem`` is why it could not be, and its line."""

    shown: str
    signature: Signature | None
    digest: bytes
    pieces: tuple[PlacedPiece, ...] = ()
    problem: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is."""

    file: str
    offset: int
    found: Object

    def located(self, finding: Finding) -> LocatedFinding:
        """A finding about this object, at its line."""
        return LocatedFinding(finding, self.file, self.offset + self.found.line(finding.field))


@dataclass(slots=True)
class Contents:
    """Everything that the files declare. ``findings`` are about the files and single objects, not yet sorted."""

    places: dict[ResourceKey, Place] = field(default_factory=dict)
    findings: list[LocatedFinding] = field(default_factory=list)

    def of(self, kind: type[C]) -> Iterator[tuple[ResourceKey, C]]:
        """The objects whose content is of a type."""
        for key, place in self.places.items():
            if isinstance(content := place.found.content, kind):
                yield key, content

    def locate(self, finding: Finding) -> LocatedFinding:
        """Where a finding about one of the objects belongs."""
        place = self.places.get(finding.resource) if finding.resource else None
        return place.located(finding) if place else LocatedFinding(finding, "", 0)

    def add(self, place: Place) -> None:
        """Take an object, unless there is one of its name already."""
        first = self.places.setdefault(place.found.key, place)
        if first is not place:
            where = f"{first.file}:{first.offset + first.found.line('')}"
            self.findings.append(place.located(_error(place.found.key, f"is already defined in {where}")))


def _error(key: ResourceKey | None, message: str) -> Finding:
    return Finding(key, "", Level.ERROR, INVALID, message)


class Folder:
    """Files and folders that are read over and over.

    A file is read again when its signature changed, a document is parsed again when its text changed. ``parsed`` counts
    the pieces of text that were parsed so far.
    """

    def __init__(self, paths: Sequence[Path], clock: Callable[[], int] = time.time_ns) -> None:
        self.paths = tuple(paths)
        self.parsed = 0
        self._clock = clock
        self._files: dict[Path, ReadFile] = {}
        self._pieces: dict[bytes, Piece] = {}
        self._state: object = None

    @property
    def origin(self) -> str:
        """The paths as the user gave them."""
        return ", ".join(shown(path) for path in self.paths)

    def read(self) -> Contents | None:
        """What is there now; None when nothing changed since the last call. Does I/O: keep it off the event loop."""
        listing = list_files(self.paths)
        files = {found.path: file for found in listing.files if (file := self._file(found))}
        state = tuple((file.shown, file.digest) for file in files.values()), tuple(listing.problems)
        self._files = files
        self._pieces = {placed.digest: placed.piece for file in files.values() for placed in file.pieces}
        if state == self._state:
            return None
        self._state = state
        return _contents(files.values(), listing.problems, self.origin)

    def forget(self) -> None:
        """Let the next ``read`` give what is there, changed or not."""
        self._state = None

    def _file(self, found: FoundFile) -> ReadFile | None:
        known = self._files.get(found.path)
        if known and known.signature == found.signature:
            return known
        try:
            data, signature = read_file(found.path, self._clock())
        except FileNotFoundError:
            return None
        except Unreadable as error:
            reason = str(error)
            return ReadFile(found.shown, None, reason.encode(), problem=(0, reason))
        digest = hashlib.sha256(data).digest()
        if known and known.digest == digest:
            return ReadFile(found.shown, signature, digest, known.pieces, known.problem)
        try:
            text = decode(data, is_json=found.path.suffix.lower() == ".json")
        except InvalidYAML as error:
            return ReadFile(found.shown, signature, digest, problem=(error.line, error.reason))
        pieces = tuple(self._piece(offset, piece) for offset, piece in cut(text))
        return ReadFile(found.shown, signature, digest, pieces)

    def _piece(self, offset: int, text: str) -> PlacedPiece:
        digest = hashlib.sha256(text.encode()).digest()
        piece = self._pieces.get(digest)
        if piece is None:
            self.parsed += 1
            piece = self._pieces[digest] = read_piece(text)
        return PlacedPiece(digest, offset, piece)


def _contents(files: Iterable[ReadFile], problems: Iterable[tuple[str, str]], origin: str) -> Contents:
    contents = Contents()
    for name, reason in problems:
        contents.findings.append(LocatedFinding(_error(None, reason), name, 0))
    for file in files:
        if file.problem:
            line, reason = file.problem
            contents.findings.append(LocatedFinding(_error(None, reason), file.shown, line))
        for placed in file.pieces:
            for remark in placed.piece.remarks:
                contents.findings.append(LocatedFinding(remark.finding, file.shown, placed.offset + remark.line))
            for found in placed.piece.objects:
                contents.add(Place(file.shown, placed.offset, found))
    if not contents.places and all(one.finding.level is Level.INFO for one in contents.findings):
        nothing = Finding(None, "", Level.WARNING, EMPTY, "there are no resources of Sluice here")
        contents.findings.append(LocatedFinding(nothing, origin, 0))
    return contents
