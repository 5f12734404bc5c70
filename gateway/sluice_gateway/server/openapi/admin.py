"""What is looked at and overridden at run time: /admin/*, on the internal listener."""

from sluice_gateway.calls import Shape
from sluice_gateway.server.admin.questions import LONGEST_SECONDS
from sluice_gateway.server.openapi.operations import Chapter, Operation, answering
from sluice_gateway.server.openapi.schemas import (
    Schema,
    array,
    asked,
    flag,
    number,
    optional,
    record,
    ref,
    text,
    whole,
)

_PROVIDER = text("namespace/name of its ProviderPolicy.", example="default/openai")
_MORE = whole("How many more there are than are shown.")
_BREAKER = record(
    {
        "provider": _PROVIDER,
        "model": text("The provider's name of it."),
        "state": text(values=("closed", "open", "half_open")),
        "secondsLeft": whole("Until the state ends of itself; 0 where no time is set."),
        "byHand": flag("Whether somebody has set it."),
        "failures": whole("In the policy's window."),
        "opened": whole("How often it has opened by itself."),
    },
    ("provider", "model", "state", "secondsLeft", "byHand", "failures", "opened"),
)
_PERCENTILES = record({"p50": whole(), "p95": whole()}, ("p50", "p95"))
_TARGET = record(
    {
        "model": text("The provider's name of it."),
        "routes": array(text(), "namespace/name of those that lead to it."),
        "moreRoutes": _MORE,
        "health": optional(text(values=("healthy", "degraded", "unhealthy"))),
        "successRate": optional(number("From 0 to 1.")),
        "averageLatencyMilliseconds": optional(whole("To the first byte.")),
        "firstByteMilliseconds": optional(_PERCENTILES),
        "totalMilliseconds": optional(_PERCENTILES),
        "attempts": whole(),
    },
    ("model", "routes", "health", "successRate", "attempts"),
    "One model of a provider, and how it has fared lately in this pod; null where nothing was seen.",
)
_LEVEL = record(
    {
        "holder": text("The resource that has the limit."),
        "name": text("Its name there."),
        "consumer": text('"" where all share it.'),
        "unit": text(values=("requests", "tokens", "concurrent")),
        "window": optional(text("minute, hour, day or month; null where a limit fills up steadily.")),
        "most": whole(),
        "remaining": optional(whole("Null where it can't be told: of what runs at the same time.")),
        "resetSeconds": optional(number("Until it is whole again.")),
    },
    ("holder", "name", "consumer", "unit", "window", "most", "remaining", "resetSeconds"),
)
_PROVIDER_FACTS = record(
    {
        "provider": _PROVIDER,
        "vendor": text(),
        "routes": array(text(), "namespace/name of those that may ask it."),
        "moreRoutes": _MORE,
        "health": optional(record(description="How its checks went, the last ones included.")),
        "targets": array(ref("AdminTarget")),
        "breakers": array(ref("Breaker")),
        "limits": array(ref("Level"), "Of its policy."),
        "requests": optional(record({"inside": whole("Under way."), "waiting": whole("In line.")})),
        "discovery": optional(record(description="How asking for its models went.")),
    },
    ("provider", "vendor", "routes", "health", "targets", "breakers", "limits", "requests", "discovery"),
)


def _named(name: str, why: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": why, "schema": {"type": "string"}}


def _override_body(*, timed: bool) -> Schema:
    members: dict[str, Schema] = {
        "provider": _PROVIDER,
        "model": text("The provider's name of it; absent: all of the provider's."),
    }
    if timed:
        members["seconds"] = whole("For how long.", least=1, most=LONGEST_SECONDS)
    return asked(members, [name for name in members if name != "model"])


def _override(name: str, summary: str, description: str = "", *, timed: bool = True) -> Operation:
    example = {"provider": "default/openai", "model": "gpt-4o-mini"} | ({"seconds": 600} if timed else {})
    return Operation(
        name=name,
        summary=summary,
        description=description,
        body=ref("BreakerOverride" if timed else "BreakerReset"),
        answers=answering("Overridden"),
        groups=("admin", "body", "object"),
        internal=True,
        example=example,
    )


CHAPTER = Chapter(
    operations={
        "/admin/providers": Operation(
            name="adminProviders",
            summary="Each provider: health, targets, breakers, limits and what it lists.",
            method="get",
            answers=answering("AdminProviders"),
            groups=("admin", "named"),
            parameters=(_named("provider", "namespace/name of the one that is wanted."),),
            internal=True,
        ),
        "/admin/limits": Operation(
            name="adminLimits",
            summary="How full the limits of routes are; those of a consumer too when it is named.",
            method="get",
            answers=answering("AdminLimits"),
            groups=("admin", "named"),
            parameters=(
                _named("route", "namespace/name of the one that is wanted."),
                _named("consumer", "The name of a caller's key."),
            ),
            internal=True,
        ),
        "/admin/breakers": Operation(
            name="adminBreakers",
            summary="Each circuit breaker; those that are not closed first.",
            method="get",
            answers=answering("AdminBreakers"),
            groups=("admin",),
            internal=True,
        ),
        "/admin/breakers/open": _override(
            "openBreakers",
            "Send nothing to a target for a while.",
            "An override for a stated time; resources stay as they are.",
        ),
        "/admin/breakers/close": _override(
            "closeBreakers",
            "Send requests to a target for a while, whatever becomes of them.",
            "An override for a stated time; resources stay as they are.",
        ),
        "/admin/breakers/reset": _override(
            "resetBreakers",
            "Forget a target's failures, and overrides of it.",
            timed=False,
        ),
        "/admin/explain": Operation(
            name="explain",
            summary="What would happen to a request now, and why.",
            description="Nothing is sent to a provider, and nothing is counted.",
            body=ref("Question"),
            answers=answering("Explanation"),
            groups=("admin", "body"),
            internal=True,
            example={"request": {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}},
        ),
    },
    schemas={
        "AdminProviders": record({"providers": array(ref("AdminProvider")), "more": _MORE}, ("providers", "more")),
        "AdminProvider": _PROVIDER_FACTS,
        "AdminTarget": _TARGET,
        "AdminLimits": record({"limits": array(ref("Level")), "more": _MORE}, ("limits", "more")),
        "Level": _LEVEL,
        "AdminBreakers": record({"breakers": array(ref("Breaker")), "more": _MORE}, ("breakers", "more")),
        "Breaker": _BREAKER,
        "BreakerOverride": _override_body(timed=True),
        "BreakerReset": _override_body(timed=False),
        "Overridden": record(
            {
                "action": text(values=("open", "close", "reset")),
                "provider": _PROVIDER,
                "models": array(text(), "Those that this pod knows of."),
                "moreModels": _MORE,
                "until": optional(text("When the override ends, in UTC.")),
                "scope": text("Which pods it holds for.", values=("gateway", "pod")),
                "note": text("The same in words."),
            },
            ("action", "provider", "models", "until", "scope", "note"),
        ),
        "Question": asked(
            {
                "request": record(description="What a caller would send."),
                "shape": text("The endpoint that it would be sent to; chat when absent.", values=tuple(Shape)),
                "strategy": text("The header x-routing-strategy."),
                "consumer": text("The name of the caller's key; anonymous when absent."),
            },
            ("request",),
        ),
        "Explanation": record(
            {
                "model": text(),
                "route": optional(text("namespace/name of the one that serves it.")),
                "strategy": text(),
                "targets": array(record(), "Each with its reason, and its score where the strategy has any."),
                "answer": text("Who would be asked first, or the status and code of the error."),
                "because": text(),
                "param": optional(text("The field at fault.")),
            },
            ("answer", "because"),
        ),
    },
)
