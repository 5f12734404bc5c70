"""What the pods of a gateway report of its targets: which models their providers do not list."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sluice_operator.status import Lacking

REPORT_SECONDS: Final = 9.0
"""Between reports, at least: with each look at pods that agree."""
CHANGE_SECONDS: Final = 30.0
"""Between two changes of what is taken from reports: it is in statuses, which must not be written more often for it."""
SILENCE_SECONDS: Final = 60.0
"""What a pod reported last stands for so long while it does not answer."""
MOST_ENTRIES: Final = 1000
_LONGEST_TEXT: Final = 1000


class Reports:
    """The reports of one gateway's pods. Times are seconds that only grow.

    ``lacking`` is what any of them says: one that has just begun has not asked its providers yet.
    """

    def __init__(self) -> None:
        self.lacking: tuple[Lacking, ...] = ()
        self._heard: dict[str, tuple[frozenset[Lacking], float]] = {}
        self._asked: float | None = None
        self._changed: float | None = None

    def due(self, now: float) -> bool:
        """Whether the pods should be asked."""
        return self._asked is None or now - self._asked >= REPORT_SECONDS

    def take(self, said: Mapping[str, frozenset[Lacking] | None], now: float) -> None:
        """What each Ready pod has said, by its uid; None when it did not answer."""
        self._asked = now
        kept = {uid: was for uid, was in self._heard.items() if uid in said and now - was[1] < SILENCE_SECONDS}
        self._heard = kept | {uid: (report, now) for uid, report in said.items() if report is not None}
        found = tuple(sorted(_union(report for report, _ in self._heard.values())))
        if found != self.lacking and (self._changed is None or now - self._changed >= CHANGE_SECONDS):
            self.lacking, self._changed = found, now


def _union(reports: Iterable[frozenset[Lacking]]) -> frozenset[Lacking]:
    """One entry for each model, with the routes that any pod names: pods may run configurations of different age."""
    routes: dict[tuple[str, str], set[str]] = {}
    for report in reports:
        for one in report:
            routes.setdefault((one.provider, one.model), set()).update(one.routes)
    return frozenset(Lacking(*key, tuple(sorted(named))) for key, named in routes.items())


def read_report(answer: Any) -> frozenset[Lacking]:
    """The answer of /internal/report. Whatever is not as it should be counts as not said."""
    listed = answer.get("modelsNotOffered") if isinstance(answer, dict) else None
    entries = listed[:MOST_ENTRIES] if isinstance(listed, list) else []
    return frozenset(found for entry in entries if isinstance(entry, dict) and (found := _lacking(entry)))


def _lacking(entry: dict[str, Any]) -> Lacking | None:
    provider, model, routes = entry.get("provider"), entry.get("model"), entry.get("routes")
    if not isinstance(provider, str) or not isinstance(model, str) or not isinstance(routes, list):
        return None
    named = sorted({route for route in routes[:MOST_ENTRIES] if isinstance(route, str) and route.count("/") == 1})
    return Lacking(provider[:_LONGEST_TEXT], model[:_LONGEST_TEXT], tuple(named))
