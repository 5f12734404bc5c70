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
_STATE = text(values=("closed", "open", "half_open"))
_BREAKER = record(
    {
        "provider": _PROVIDER,
        "model": text("The provider's name of it."),
        "state": _STATE,
        "secondsLeft": whole("Until the state ends of itself; 0 where no time is set."),
        "byHand": flag("Whether somebody has set it."),
        "failures": whole("In the policy's window."),
    },
    ("provider", "model", "state", "secondsLeft", "byHand"),
)
_FIGURES = record(
    {
        "model": text("The provider's name of it."),
        "health": text(values=("healthy", "degraded", "unhealthy")),
        "successRate": number("From 0 to 1."),
        "averageLatencyMilliseconds": optional(whole("To the first byte.")),
        "attempts": whole(),
    },
    ("model", "health", "successRate", "attempts"),
)
_LEVEL = record(
    {
        "holder": text("The resource that has the limit."),
        "name": text("Its name there."),
        "consumer": text('"" where all share it.'),
        "unit": text(values=("requests", "tokens", "concurrent")),
        "most": whole(),
        "remaining": whole(),
        "resetSeconds": number("Until it is whole again."),
    },
    ("holder", "unit", "most", "remaining"),
)


def _override(name: str, summary: str, description: str, *, timed: bool) -> Operation:
    seconds = {"seconds": whole("For how long.", least=1, most=LONGEST_SECONDS)} if timed else {}
    members: dict[str, Schema] = {
        "provider": _PROVIDER,
        "model": text("The provider's name of it; absent: all of the provider's."),
        **seconds,
    }
    needed = ("provider", "seconds") if timed else ("provider",)
    example = {"provider": "default/openai", "model": "gpt-4o-mini"} | ({"seconds": 600} if timed else {})
    return Operation(
        name=name,
        summary=summary,
        description=description,
        body=asked(members, needed),
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
            groups=("admin",),
            internal=True,
        ),
        "/admin/limits": Operation(
            name="adminLimits",
            summary="How full the limits of routes are; those of a consumer too when it is named.",
            method="get",
            answers=answering("AdminLimits"),
            groups=("admin",),
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
            timed=True,
        ),
        "/admin/breakers/close": _override(
            "closeBreakers",
            "Send requests to a target for a while, whatever becomes of them.",
            "An override for a stated time; resources stay as they are.",
            timed=True,
        ),
        "/admin/breakers/reset": _override(
            "resetBreakers",
            "Forget a target's failures, and overrides of it.",
            "",
            timed=False,
        ),
        "/admin/explain": Operation(
            name="explain",
            summary="What would happen to a request now, and why.",
            description="Nothing is sent to a provider, and nothing is counted.",
            body=asked(
                {
                    "request": record(description="What a caller would send."),
                    "shape": text("The endpoint that it would be sent to; chat when absent.", values=tuple(Shape)),
                    "strategy": text("The header x-routing-strategy."),
                    "consumer": text("The name of the caller's key."),
                },
                ("request",),
            ),
            answers=answering("Explanation"),
            groups=("admin", "body"),
            internal=True,
            example={"request": {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}},
        ),
    },
    schemas={
        "AdminProviders": record(
            {
                "providers": array(ref("AdminProvider")),
                "more": whole("How many more there are than are shown."),
            },
            ("providers",),
        ),
        "AdminProvider": record(
            {
                "provider": _PROVIDER,
                "vendor": text(),
                "routes": array(text(), "namespace/name of those that name it."),
                "health": optional(record(description="How its checks went, the last ones included.")),
                "targets": array(_FIGURES),
                "breakers": array(ref("Breaker")),
                "limits": array(_LEVEL),
                "discovery": optional(record(description="How asking for its models went.")),
            },
            ("provider", "vendor", "routes"),
        ),
        "AdminLimits": record({"limits": array(_LEVEL), "more": whole()}, ("limits",)),
        "AdminBreakers": record({"breakers": array(ref("Breaker")), "more": whole()}, ("breakers",)),
        "Breaker": _BREAKER,
        "Overridden": record(
            {
                "action": text(values=("open", "close", "reset")),
                "provider": _PROVIDER,
                "models": array(text(), "Those that this pod knows of."),
                "until": optional(text("When the override ends, in UTC.")),
                "scope": text("Which pods it holds for.", values=("gateway", "pod")),
                "note": text("The same in words."),
            },
            ("action", "provider", "models", "until", "scope", "note"),
        ),
        "Explanation": record(
            {
                "model": text(),
                "answer": text(),
                "because": text(),
                "targets": array(record(), "Each with its reason, and its score where the strategy has any."),
            },
            ("model", "answer", "because"),
        ),
    },
)
