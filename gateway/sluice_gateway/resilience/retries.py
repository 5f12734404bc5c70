"""How often, and after what wait, a target is asked once more."""

from collections.abc import Collection

from sluice_config.resources.provider_policy import Retry
from sluice_gateway.resilience.tally import Tally

WINDOW_SECONDS = 60.0
LEAST_RETRIES = 3
"""Retries in any window, however few requests there are: a share of almost nothing would be none at all."""


class RetryBudget:
    """One provider's retries: at most ``percent`` of its requests of the last minute, so that they can't become a storm
    which keeps it down. 0 allows none.
    """

    __slots__ = ("_requests", "percent")

    def __init__(self, percent: int) -> None:
        self.percent = percent
        self._requests = Tally(WINDOW_SECONDS)  # retries are marked

    def asked(self, now: float) -> None:
        """The provider is asked, for the first time in a request."""
        self._requests.count(now)

    def may_retry(self, now: float) -> bool:
        """Whether one more retry is within the budget."""
        retries = self._requests.marked(now) + 1
        requests = self._requests.all(now) + 1 - retries
        if retries <= LEAST_RETRIES:
            return self.percent > 0
        return retries * 100 <= requests * self.percent

    def retried(self, now: float) -> None:
        """The provider is asked once more."""
        self._requests.count(now, marked=True)


class RetryBudgets:
    """The budgets of all providers, by ``namespace/name``."""

    def __init__(self) -> None:
        self._budgets: dict[str, RetryBudget] = {}

    def of(self, provider: str, policy: Retry) -> RetryBudget:
        """A provider's budget, which goes by ``policy`` from now on."""
        found = self._budgets.get(provider)
        if found is None:
            found = self._budgets[provider] = RetryBudget(policy.budget_percent)
        found.percent = policy.budget_percent
        return found

    def keep(self, providers: Collection[str]) -> None:
        """Forget the budgets of all other providers: they are gone."""
        self._budgets = {name: budget for name, budget in self._budgets.items() if name in providers}


def back_off(policy: Retry, tries: int, chance: float, retry_after: float | None) -> float:
    """Seconds to wait before a retry; ``tries`` have been made before it, ``chance`` is 0 to 1.

    Full jitter: evenly between nothing and a delay that doubles up to its cap, which keeps those who failed together
    from coming back together (AWS Architecture Blog, "Exponential Backoff And Jitter"). What the provider asks for is
    waited before that, for it tells all of them the same.
    """
    delay = min(policy.max_delay_milliseconds, policy.base_delay_milliseconds << tries) / 1000
    return (retry_after or 0.0) + delay * chance
