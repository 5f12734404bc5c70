"""The operator's one error tree. Texts go to logs, status and Events: no secret, no document's content."""


class OperatorError(Exception):
    """Something kept a gateway from being reconciled. It is tried again, with back-off.

    ``reason`` is one CamelCase word: a label of metrics, and the reason of Events.
    """

    reason = "Failed"


class LeaseLost(OperatorError):
    """Another replica may be the leader now: this process must end before it writes anything else."""

    reason = "LeaseLost"


class InvalidSetting(Exception):
    """A flag or variable has a value that it can't have. The text names it."""


class CannotListen(Exception):
    """The address is taken, or not ours."""
