"""What is not a request for a model: the list of them, probes, and what the cluster's own programs ask."""

from sluice_gateway.server.openapi.operations import JSON, Chapter, Operation, answering
from sluice_gateway.server.openapi.schemas import (
    Schema,
    array,
    constant,
    flag,
    number,
    optional,
    record,
    ref,
    text,
    whole,
)

DOCUMENT = "/openapi.json"
PAGE = "/docs"

_NAME: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The model's name; it may hold slashes.",
    "schema": {"type": "string", "minLength": 1, "examples": ["chat"]},
}
_KNOWN: Schema = {
    "name": "if-none-match",
    "in": "header",
    "required": False,
    "description": "The etag of an earlier answer: 304 when nothing has changed.",
    "schema": {"type": "string"},
}
_PRICE = text('US dollars per million tokens, as a decimal; "unknown" when it is, "0" when it is free.')
_MODEL = record(
    {
        "id": text("What requests call it."),
        "object": constant("model"),
        "created": whole(),
        "owned_by": text("The route that serves it."),
        "display_name": optional(text()),
        "description": optional(text()),
        "provider": text("The vendor of its first target."),
        "capabilities": optional(array(text())),
        "context_window": optional(whole("Tokens.")),
        "max_output_tokens": optional(whole("Tokens.")),
        "pricing": record(
            {
                "currency": constant("USD"),
                "input_per_million": _PRICE,
                "output_per_million": _PRICE,
                "cached_input_per_million": _PRICE,
                "cache_write_per_million": _PRICE,
                "reasoning_per_million": _PRICE,
            }
        ),
        "average_latency_ms": optional(number("As this process has seen it lately.")),
        "success_rate": optional(number("From 0 to 1.")),
        "availability": optional(text(values=("available", "unavailable"))),
        "health": optional(text()),
        "loaded": optional(flag("Whether a local server has it in memory.")),
        "recommended": flag(),
    },
    ("id", "object", "created", "owned_by"),
)
_STATUS = record({"status": text(), "config": text("The digest of what is served.")}, ("status",))
_CONFIG = record(
    {
        "gateway": optional(text()),
        "digest": optional(text("Of the configuration that is served.")),
        "schemaVersion": optional(whole()),
        "credentialsRevision": optional(text()),
        "origin": optional(text("Where it was loaded from.")),
        "resources": record(description="How many, by kind."),
        "findings": array(record(), "What was found in it; the first of them."),
        "refused": optional(record(description="What was refused since, and why.")),
    },
    ("digest", "findings", "refused"),
)
_REPORT = record(
    {
        "targets": array(record(), "Targets that were asked lately, and how that went."),
        "modelsNotOffered": array(record(), "Targets whose model their provider does not list."),
        "discovery": array(record(), "How asking providers for their models went."),
        "breakers": array(record(), "Targets whose circuit breaker is not closed, and the routes that they concern."),
        "unhealthy": array(record(), "Providers that fail their health checks, why, and the routes."),
        "rejected": array(record(), "Providers that refuse the gateway's key, and the routes."),
    },
    ("targets", "modelsNotOffered", "breakers", "unhealthy", "rejected"),
)

CHAPTER = Chapter(
    operations={
        "/v1/models": Operation(
            name="listModels",
            summary="What can be asked for.",
            method="get",
            answers=answering("Models"),
            groups=("key",),
            parameters=(_KNOWN,),
            cached=True,
        ),
        "/v1/models/{id}": Operation(
            name="retrieveModel",
            summary="One model, listed or covered by a route's pattern.",
            method="get",
            answers=answering("Model"),
            groups=("key", "name"),
            parameters=(_NAME, _KNOWN),
            cached=True,
        ),
        "/health": Operation(
            name="health", summary="Whether the process answers.", method="get", answers=answering("Status")
        ),
        "/ready": Operation(
            name="ready",
            summary="Whether it has a configuration and is not on its way out.",
            method="get",
            answers=answering("Status"),
            groups=("probe",),
        ),
        "/metrics": Operation(
            name="metrics",
            summary="Figures for Prometheus.",
            method="get",
            answers={"text/plain": text()},
            internal=True,
        ),
        "/internal/config": Operation(
            name="config",
            summary="What is served, and what was refused since.",
            method="get",
            answers=answering("Config"),
            internal=True,
        ),
        "/internal/report": Operation(
            name="report",
            summary="What this process has seen of its targets and providers.",
            method="get",
            answers=answering("Report"),
            internal=True,
        ),
        DOCUMENT: Operation(
            name="openapi",
            summary="This description.",
            method="get",
            answers={JSON: record()},
            parameters=(_KNOWN,),
            cached=True,
        ),
        PAGE: Operation(
            name="docs",
            summary="The same as a page for people.",
            method="get",
            answers={"text/html": text()},
            parameters=(_KNOWN,),
            cached=True,
        ),
    },
    schemas={
        "Models": record({"object": constant("list"), "data": array(ref("Model"))}, ("object", "data")),
        "Model": _MODEL,
        "Status": _STATUS,
        "Config": _CONFIG,
        "Report": _REPORT,
    },
)
