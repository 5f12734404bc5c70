"""Why answers end: each provider's words, and what callers of each shape read."""

from collections.abc import Iterator, Mapping

from sluice_gateway.dialects.chat.answers import REASONS
from sluice_gateway.dialects.messages.answers import REASONS as MESSAGES
from sluice_gateway.dialects.responses.output import CUT
from sluice_gateway.normal.answers import Finish
from sluice_gateway.providers.anthropic import answers as anthropic_answers
from sluice_gateway.providers.cohere import answers as cohere_answers
from sluice_gateway.providers.google import answers as google_answers
from sluice_gateway.providers.openai import bodies as openai_bodies
from sluice_gateway.reference.tables import code, section, table

_READ = """An unknown reason is a plain stop. An answer that calls tools ends in `tool_calls`, also where its provider
says no more than that it has stopped; one that was cut off stays so."""
_FAILED = "These are no ends but failures, after which the next target is asked: "
_WRITTEN = (
    "The reason in the normal form, and what callers read of it. Responses have a status in the place of a reason."
)

FINISHES: Mapping[str, Mapping[str, Finish]] = {
    "openai": openai_bodies.FINISHES,
    "anthropic": anthropic_answers.FINISHES,
    "google": google_answers.FINISHES,
    "cohere": cohere_answers.FINISHES,
}
"""By the wire shape; its variants have the same."""
_FAILURES = {"google": google_answers.FAILURES, "cohere": cohere_answers.FAILURES}


def sections() -> Iterator[str]:
    """Both directions."""
    rows = [
        (code(finish), *(code(*_words(table, finish)) for table in FINISHES.values()))
        for finish in Finish
        if any(finish in table.values() for table in FINISHES.values())
    ]
    failed = "; ".join(f"{code(shape)} {code(*sorted(words))}" for shape, words in _FAILURES.items())
    read = table(("normal form", *map(code, FINISHES)), rows)
    yield section("Finish reasons, as providers send them", _READ, read, f"{_FAILED}{failed}.")
    written = [
        (code(finish), code(REASONS[finish]), code(MESSAGES[finish]), code(*_status(finish))) for finish in Finish
    ]
    titles = ("normal form", "chat, completions", "messages", "responses")
    yield section("Finish reasons, as callers read them", _WRITTEN, table(titles, written))


def _words(known: Mapping[str, Finish], finish: Finish) -> list[str]:
    return [word for word, meaning in known.items() if meaning is finish]


def _status(finish: Finish) -> tuple[str, ...]:
    return ("incomplete", CUT[finish]) if finish in CUT else ("completed",)
