"""What strategies measure targets by, as scores from 0 to 1 where higher is better, with words for people.

Where one thing is measured against the best, such as seconds, the score is (best + grain) / (own + grain): 1 for the
best, a half for twice as much. The grain is what makes no difference, and lets something be free.
"""

from sluice_gateway.providers.provider import Traits
from sluice_gateway.routing.needs import Needs
from sluice_gateway.telemetry.target_figures import Expected

DOLLAR_GRAIN = 0.00001
"""US dollars a request: a thousandth of a cent."""
SECOND_GRAIN = 0.01
UNRATED = 50
"""What an unknown quality counts as, of 100."""
UNKNOWN_COVERAGE = 0.5
"""What a capability counts as that nobody has spoken of."""
UNKNOWN_HEADROOM = 0.5
"""The room that is left in a context window of unknown size."""
UNKNOWN_BREADTH = 0.25
"""The breadth of a model of which no capabilities are known: about two of seven."""
COVERAGE, HEADROOM, BREADTH = 0.6, 0.25, 0.15
"""What makes up a capability score."""

_CAPABILITIES = 7  # of ProviderPolicy.spec.models[].capabilities
_LEAST_SUCCESS = 0.01  # that is told apart: a target that always fails takes a hundred times as long


def dollars(traits: Traits, needs: Needs) -> float | None:
    """What a request is expected to cost; None when a price is unknown that it needs."""
    cost = 0.0
    if needs.prompt_tokens:
        if traits.input_price is None:
            return None
        cost = needs.prompt_tokens * traits.input_price
    if needs.likely_output:
        if traits.output_price is None:
            return None
        cost += needs.likely_output * traits.output_price
    return cost


def cheapness(cost: float | None, cheapest: float) -> float:
    """The score of a cost; an unknown one is never taken for small."""
    return 0.0 if cost is None else (cheapest + DOLLAR_GRAIN) / (cost + DOLLAR_GRAIN)


def speed(seconds: float, fastest: float) -> float:
    """The score of a time."""
    return (fastest + SECOND_GRAIN) / (seconds + SECOND_GRAIN)


def wait(expected: Expected, needs: Needs) -> float:
    """Seconds until the caller has something: the first byte of what streams, else the whole answer."""
    return expected.first_byte if needs.stream else expected.total


def until_done(expected: Expected, needs: Needs) -> float:
    """Seconds until the whole of the expected answer has come, over the share of attempts that succeed: a failed one is
    taken to cost as much time as a good one, and another is needed.
    """
    return (expected.first_byte + needs.likely_output * expected.per_token) / max(expected.success, _LEAST_SUCCESS)


def coverage(traits: Traits, asked: tuple[str, ...]) -> float:
    """How much of what is asked a model can do."""
    if not asked:
        return 1.0
    otherwise = 0.0 if traits.complete else UNKNOWN_COVERAGE
    return sum([1.0 if name in traits.capabilities else otherwise for name in asked]) / len(asked)


def headroom(traits: Traits, window: int) -> float:
    """How much of a model's context window is left by so many tokens."""
    size = traits.context_window
    return max(0.0, 1 - window / size) if size else UNKNOWN_HEADROOM


def breadth(traits: Traits) -> float:
    """How much a model can do, of all that there is."""
    known = traits.capabilities
    return len(known) / _CAPABILITIES if known else UNKNOWN_BREADTH


def capability(traits: Traits, asked: tuple[str, ...], window: int) -> float:
    """How well a model fits: what it covers, the room that is left, and how much it can do beside."""
    return COVERAGE * coverage(traits, asked) + HEADROOM * headroom(traits, window) + BREADTH * breadth(traits)


def rating(traits: Traits) -> int:
    """The quality, of 100."""
    return UNRATED if traits.quality is None else traits.quality
