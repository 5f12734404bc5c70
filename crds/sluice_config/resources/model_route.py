"""ModelRoute: which names clients may send, and which providers' models answer them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sluice_config.resources.base import Resource, Rule, Section, Unique
from sluice_config.resources.scalars import Label, ModelName, ModelPattern, ObjectName, TimeZone
from sluice_config.resources.zones import zone_exists

Strategy = Literal[
    "priority",
    "weighted",
    "round-robin",
    "cost",
    "latency",
    "performance",
    "capability",
    "quality",
    "balanced",
    "smart",
    "preference",
]


class GatewayRef(Section):
    """The gateway that serves the route: a Deployment labelled sluice.dev/gateway."""

    name: Label = "sluice-gateway"
    """The gateway's name, as its label has it."""
    namespace: Label | None = None
    """The gateway's namespace; the route's own when absent. Another one needs that gateway's grant."""


class RouteTarget(Section):
    """One provider's model that may answer."""

    provider: ObjectName
    """A ProviderPolicy of the route's namespace."""
    model: ModelName | None = None
    """The model to ask for; the requested name when absent."""
    weight: int = Field(default=1, ge=0, le=1_000_000)
    """Share of the requests under strategy weighted."""
    priority: int = Field(default=0, ge=0, le=1000)
    """Lower comes first; the list's order breaks ties."""


class Scoring(Section):
    """How much each quality weighs under the strategies balanced and smart."""

    rules = (
        Rule(
            cel="self.cost + self.latency + self.capability > 0",
            message="at least one weight must be above 0",
            holds=lambda self: self.cost + self.latency + self.capability > 0,
        ),
    )

    cost: int = Field(default=30, ge=0, le=100)
    """Weight of a low price."""
    latency: int = Field(default=40, ge=0, le=100)
    """Weight of a fast first byte."""
    capability: int = Field(default=30, ge=0, le=100)
    """Weight of fitting capabilities."""


class Fallback(Section):
    """Trying further targets when one fails before its first byte."""

    enabled: bool = True
    """Whether to try further targets."""
    max_targets: int = Field(default=5, ge=1, le=64)
    """Targets tried at most, the first included."""


class Hedging(Section):
    """Asking a second target when the first is slow, and taking the first answer. Streams are not hedged."""

    enabled: bool = False
    """Whether to hedge."""
    after_percentile: int = Field(default=95, ge=50, le=99)
    """Hedge when the answer takes longer than this percentile of the target's recent ones."""
    max_extra_percent: int = Field(default=5, ge=1, le=100)
    """Extra requests at most, as a share of all."""


class RouteTimeouts(Section):
    """Tighter timeouts than the providers'."""

    rules = (
        Rule(
            cel="!has(self.firstByteSeconds) || !has(self.totalSeconds) || self.firstByteSeconds <= self.totalSeconds",
            message="firstByteSeconds must not exceed totalSeconds",
            holds=lambda self: (
                self.first_byte_seconds is None
                or self.total_seconds is None
                or self.first_byte_seconds <= self.total_seconds
            ),
            field="firstByteSeconds",
        ),
    )

    first_byte_seconds: int | None = Field(default=None, ge=1, le=3600)
    """From the request to the answer's head, for each target."""
    total_seconds: int | None = Field(default=None, ge=1, le=86_400)
    """From the request to the answer's last byte, all targets together."""


def _one_quantity(self: "Limit") -> bool:
    return sum(quantity is not None for quantity in (self.requests, self.tokens, self.concurrent)) == 1


class Limit(Section):
    """One limit on the route's use."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(has(self.requests) ? 1 : 0) + (has(self.tokens) ? 1 : 0) + (has(self.concurrent) ? 1 : 0) == 1",
            message="set exactly one of requests, tokens and concurrent",
            holds=_one_quantity,
        ),
        Rule(
            cel="has(self.window) != has(self.concurrent)",
            message="requests and tokens need a window; concurrent has none",
            holds=lambda self: (self.window is None) != (self.concurrent is None),
            field="window",
        ),
        Rule(  # in the middle of a year it is the same year everywhere; a zone that does not exist is an error
            cel="timestamp('2000-07-01T00:00:00Z').getFullYear(self.timeZone) == 2000",
            message="there is no such time zone; write one as the IANA database has it, such as Europe/Berlin",
            holds=lambda self: zone_exists(self.time_zone),
            field="timeZone",
        ),
    )

    name: Label
    """The limit's name, for messages and metrics."""
    per: Literal["route", "consumer"]
    """Whether all callers share the limit or each has its own."""
    requests: int | None = Field(default=None, ge=1, le=1_000_000_000)
    """Requests within the window."""
    tokens: int | None = Field(default=None, ge=1, le=1_000_000_000_000_000)
    """Tokens within the window, input and output."""
    concurrent: int | None = Field(default=None, ge=1, le=100_000)
    """Requests at the same time."""
    window: Literal["minute", "hour", "day", "month"] | None = None
    """The calendar window in which requests or tokens are counted."""
    time_zone: TimeZone = "UTC"
    """The time zone in which days and months begin."""
    on_store_failure: Literal["open", "closed"] = "open"
    """Whether requests pass (open) or are refused (closed) while the counters cannot be read."""


class Autoscaling(Section):
    """What this route asks of its gateway's autoscaler.

    Of all routes of a gateway, the largest minimum, the largest maximum and the lowest targets hold.
    """

    rules = (
        Rule(
            cel="self.minReplicas <= self.maxReplicas",
            message="minReplicas must not exceed maxReplicas (unless set, they are 2 and 10)",
            holds=lambda self: self.min_replicas <= self.max_replicas,
            field="minReplicas",
        ),
    )

    min_replicas: int = Field(default=2, ge=1, le=1000)
    """Pods at least."""
    max_replicas: int = Field(default=10, ge=1, le=1000)
    """Pods at most."""
    cpu_percent: int = Field(default=70, ge=1, le=200)
    """Average CPU use to aim for, as a share of what the pods request."""
    in_flight_per_pod: int | None = Field(default=None, ge=1, le=100_000)
    """Requests at the same time per pod to aim for."""
    tokens_per_second_per_pod: int | None = Field(default=None, ge=1, le=10_000_000)
    """Tokens a second per pod to aim for."""


class ModelRouteSpec(Section):
    """Which names clients may send, and which providers' models answer them."""

    gateway_ref: GatewayRef = GatewayRef()
    """The gateway that serves the route."""
    models: Annotated[tuple[ModelPattern, ...], Field(strict=False, min_length=1, max_length=64), Unique()]
    """Names that clients send: exact, prefix*, or *. Exact beats the longest prefix beats *."""
    targets: Annotated[tuple[RouteTarget, ...], Field(strict=False, max_length=64)] = ()
    """Who may answer. Without targets: any ProviderPolicy of the namespace that offers the requested name."""
    strategy: Strategy = "priority"
    """How targets are ordered for a request."""
    allowed_strategies: Annotated[tuple[Strategy, ...], Field(strict=False, max_length=11), Unique()] | None = None
    """What the header x-routing-strategy may choose; all when absent, none when empty."""
    scoring: Scoring = Scoring()
    """How much each quality weighs under the strategies balanced and smart."""
    stickiness: Literal["none", "conversation"] = "none"
    """Whether a conversation stays with the target that answered it first."""
    fallback: Fallback = Fallback()
    """Trying further targets when one fails before its first byte."""
    hedging: Hedging = Hedging()
    """Asking a second target when the first is slow."""
    timeouts: RouteTimeouts = RouteTimeouts()
    """Tighter timeouts than the providers'."""
    limits: Annotated[tuple[Limit, ...], Field(strict=False, max_length=16), Unique("name")] = ()
    """Limits on the route's use; all of them hold."""
    cache_policy: ObjectName | None = None
    """A CachePolicy of the route's namespace; nothing is cached when absent."""
    autoscaling: Autoscaling = Autoscaling()
    """What this route asks of its gateway's autoscaler."""


class ModelRoute(Resource):
    """The names that clients send as model, and which providers' models answer them."""

    kind: Literal["ModelRoute"] = "ModelRoute"
    spec: ModelRouteSpec
