"""What the pods of a gateway report of its targets: open breakers, failing providers, models that nobody offers."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, TypeGuard

from sluice_operator.targets import BREAKER_OPEN, NOT_OFFERED, REJECTED, UNHEALTHY, Trouble

REPORT_SECONDS: Final = 9.0
"""Between reports, at least: with each look at pods that agree."""
CALM_SECONDS: Final = 60.0
"""A breaker that a pod had open is told for so long after it was seen closed: that of a target which fails half of the
time opens again each minute, and is one trouble, not many."""
SILENCE_SECONDS: Final = 60.0
"""What a pod reported last stands for so long while it does not answer."""
MOST_ENTRIES: Final = 1000
"""Of each list, and of all that the pods of a gateway say together: what stands behind them fits no message."""
MOST_ROUTES: Final = 10_000
"""Of each entry."""
_LONGEST_NAME: Final = 1000
_LONGEST_NOTE: Final = 200
_NUMBER: Final = re.compile(r"\d+")


class Complaint(NamedTuple):
    """One entry of a pod's report; see Trouble. ``faint`` is that of a breaker which is half open."""

    reason: str
    provider: str
    model: str = ""
    by_hand: bool = False
    faint: bool = False
    note: str = ""
    routes: tuple[str, ...] = ()

    @property
    def subject(self) -> tuple[str, str, str]:
        """What it is about: a pod says one thing of it."""
        return self.reason, self.provider, self.model


Report = Sequence[Complaint]


@dataclass(frozen=True, slots=True)
class _Heard:
    """What one pod complains of, each with the time at which it did so last, and when it has reported."""

    complaints: Mapping[tuple[str, str, str], tuple[Complaint, float]]
    at: float


class Reports:
    """The reports of one gateway's pods. Times are seconds that only grow.

    ``troubles`` is what any of the pods says, the worst first: one that has just begun has not asked its providers yet.
    ``pods`` is how many have reported.
    """

    def __init__(self) -> None:
        self.troubles: tuple[Trouble, ...] = ()
        self.pods = 0
        self._heard: dict[str, _Heard] = {}
        self._asked: float | None = None

    def due(self, now: float) -> bool:
        """Whether the pods should be asked."""
        return self._asked is None or now - self._asked >= REPORT_SECONDS

    def take(self, said: Mapping[str, Report | None], now: float) -> None:
        """What each Ready pod has said, by its uid; None when it did not answer."""
        self._asked = now
        kept = {uid: was for uid, was in self._heard.items() if uid in said and now - was.at < SILENCE_SECONDS}
        heard = {uid: _heard(report, kept.get(uid), now) for uid, report in said.items() if report is not None}
        self._heard = kept | heard
        complaints = [one for pod in self._heard.values() for one, _ in pod.complaints.values()]
        notes = {one.rank: one.note for one in self.troubles}
        self.troubles = tuple(sorted(_together(complaints, notes), key=lambda one: one.rank)[:MOST_ENTRIES])
        self.pods = len(self._heard)


def _heard(report: Report, before: _Heard | None, now: float) -> _Heard:
    """What a pod complains of now, and the breakers that it had open a short time ago.

    A half-open breaker is as open as it was: its probe may fail. One that was not open is only being looked at, because
    another pod has opened its own. Of a pod that was never heard before, this can't be known.
    """
    earlier = before.complaints if before else {}
    found = {}
    for one in report:
        was = earlier.get(one.subject)
        if not one.faint or before is None:
            found[one.subject] = one, now
        elif was:
            found[one.subject] = was[0]._replace(routes=one.routes), now
    for subject, (one, then) in earlier.items():
        if one.reason == BREAKER_OPEN and now - then < CALM_SECONDS:
            found.setdefault(subject, (one, then))
    return _Heard(found, now)


def _together(complaints: Iterable[Complaint], notes: Mapping[tuple[int, str, str, bool], str]) -> Iterator[Trouble]:
    """One trouble for each thing, with the routes that any pod names: pods may run configurations of different age.

    ``notes`` is what was told of the causes so far.
    """
    found: dict[tuple[str, str, str, bool], list[Complaint]] = {}
    for one in complaints:
        found.setdefault((*one.subject, one.by_hand), []).append(one)
    for (reason, provider, model, by_hand), alike in found.items():
        routes = tuple(sorted({route for one in alike for route in one.routes}))
        trouble = Trouble(reason, provider, model, by_hand, "", routes, len(alike))
        yield trouble._replace(note=_note(notes.get(trouble.rank, ""), {one.note for one in alike}))


def _note(before: str, said: set[str]) -> str:
    """Of several causes the one that was told already. A number in it that changes makes it no other: it may count."""
    shapes = {_NUMBER.sub("", note) for note in said}
    return before if before and _NUMBER.sub("", before) in shapes else min(said - {""}, default="")


def read_report(answer: Any) -> Report:
    """The answer of /internal/report. Whatever is not as it should be counts as not said."""
    if not isinstance(answer, dict):
        return ()
    found = (complaint(entry) for name, complaint in _LISTS.items() for entry in _entries(answer.get(name)))
    return tuple(dict.fromkeys(one for one in found if one))


def _entries(listed: object) -> Iterator[dict[str, Any]]:
    if isinstance(listed, list):
        yield from (entry for entry in islice(listed, MOST_ENTRIES) if isinstance(entry, dict))


def _not_offered(entry: dict[str, Any]) -> Complaint | None:
    return _complaint(NOT_OFFERED, entry, entry.get("model"))


def _breaker(entry: dict[str, Any]) -> Complaint | None:
    state = entry.get("state")
    if state != "open" and state != "half_open":
        return None
    found = _complaint(BREAKER_OPEN, entry, entry.get("model"))
    return found and found._replace(by_hand=entry.get("byHand") is True, faint=state == "half_open")


def _unhealthy(entry: dict[str, Any]) -> Complaint | None:
    found, reason = _complaint(UNHEALTHY, entry, ""), entry.get("reason")
    return found and found._replace(note=_printable(reason, _LONGEST_NOTE) if isinstance(reason, str) else "")


def _rejected(entry: dict[str, Any]) -> Complaint | None:
    return _complaint(REJECTED, entry, "")


_LISTS: Final[Mapping[str, Callable[[dict[str, Any]], Complaint | None]]] = {
    "modelsNotOffered": _not_offered,
    "breakers": _breaker,
    "unhealthy": _unhealthy,
    "rejected": _rejected,
}


def _complaint(reason: str, entry: dict[str, Any], model: object) -> Complaint | None:
    provider, routes = entry.get("provider"), entry.get("routes")
    if not _is_reference(provider) or not isinstance(model, str) or not isinstance(routes, list):
        return None
    named = tuple(sorted({route for route in islice(routes, MOST_ROUTES) if _is_reference(route)}))
    return Complaint(reason, provider, _printable(model, _LONGEST_NAME), routes=named)


def _is_reference(value: object) -> TypeGuard[str]:
    """Whether it may be a namespace and a name."""
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and value.count("/") == 1


def _printable(text: str, most: int) -> str:
    """On one line: who calls may choose what a model is called."""
    return "".join(character if character.isprintable() else "?" for character in text[:most])
