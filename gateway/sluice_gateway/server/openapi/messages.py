"""POST /v1/messages and /v1/messages/count_tokens (Anthropic API reference, "Messages", "Count tokens")."""

from sluice_gateway.dialects.messages.answers import REASONS
from sluice_gateway.server.openapi.operations import Chapter, Operation, answering
from sluice_gateway.server.openapi.schemas import (
    Schema,
    array,
    asked,
    constant,
    either,
    flag,
    number,
    optional,
    record,
    ref,
    text,
    whole,
)

_BETA: Schema = {
    "name": "anthropic-beta",
    "in": "header",
    "required": False,
    "description": "Features that the body makes use of; passed on to a provider that speaks this shape itself.",
    "schema": {"type": "string"},
}
_MESSAGE = asked(
    {
        "role": text(values=("user", "assistant", "system")),
        "content": either(
            text(), array(ref("ContentBlock")), description="Words, or blocks: text, image, document, tool_use, ..."
        ),
    },
    ("role", "content"),
)
_TOOL = asked(
    {
        "type": text("custom"),
        "name": text("Up to 64 characters at most providers.", example="get_weather"),
        "description": text("What it does."),
        "input_schema": record(description="The JSON schema of its input."),
        "strict": flag(),
    },
    ("name",),
)
_ASKED: dict[str, Schema] = {
    "model": text("A name that a route serves.", example="chat"),
    "messages": array(_MESSAGE, least=1),
    "system": either(text(), array(ref("ContentBlock")), description="Instructions."),
    "tools": array(_TOOL, "Tools that the model may use."),
    "tool_choice": asked(
        {"type": text(values=("auto", "any", "none", "tool")), "name": text(), "disable_parallel_tool_use": flag()},
        ("type",),
        "Whether to use one, and which.",
    ),
    "thinking": asked(
        {"type": text("enabled, adaptive or disabled."), "budget_tokens": whole(least=1), "display": text()},
        ("type",),
        "How long to think.",
    ),
    "output_config": asked({"effort": text(), "format": record()}, (), "Effort, and the form of the answer."),
    "cache_control": record(description="A hint for Anthropic's own cache, here and on blocks."),
}
_SAMPLING: dict[str, Schema] = {
    "max_tokens": whole("The longest answer.", least=1),
    "temperature": number("How freely to choose; each provider has its own range."),
    "top_p": number("From 0 to 1."),
    "top_k": whole("Choose among so many tokens."),
    "stop_sequences": array(text(), "Where to stop."),
    "stream": flag("Whether to answer in server-sent events."),
    "metadata": asked({"user_id": text()}, (), "A hint."),
    "service_tier": text("auto or standard_only."),
}
_USAGE = record(
    {
        "input_tokens": whole("Without what the cache has read or written."),
        "cache_creation_input_tokens": optional(whole()),
        "cache_read_input_tokens": optional(whole()),
        "output_tokens": whole(),
        "estimated": flag("Whether the gateway had to guess, as the provider does not count."),
    },
    ("input_tokens", "output_tokens"),
)

CHAPTER = Chapter(
    operations={
        "/v1/messages": Operation(
            name="createMessage",
            summary="Continue a conversation, as Anthropic's Messages API does.",
            description="Anthropic's clients in front of every provider.",
            body=ref("MessagesRequest"),
            answers=answering("Message", "MessageEvent"),
            event=ref("MessageEvent"),
            groups=("body", "key", "model"),
            errors="anthropic",
            parameters=(_BETA,),
            example={"model": "chat", "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]},
        ),
        "/v1/messages/count_tokens": Operation(
            name="countTokens",
            summary="How many tokens a conversation would take.",
            description="Counted by the provider where it can, else estimated.",
            body=ref("CountRequest"),
            answers=answering("Count"),
            groups=("body", "key", "model"),
            errors="anthropic",
            parameters=(_BETA,),
            example={"model": "chat", "messages": [{"role": "user", "content": "Say hello."}]},
        ),
    },
    schemas={
        "MessagesRequest": asked(_ASKED | _SAMPLING, ("model", "messages", "max_tokens")),
        "CountRequest": asked(_ASKED, ("model", "messages")),
        "ContentBlock": asked(
            {
                "type": text("text, image, document, tool_use, tool_result, thinking, redacted_thinking."),
                "text": text(),
                "source": record(description="Of an image or a document: base64, url, text or content."),
                "id": text("Of a tool_use."),
                "name": text("Of a tool_use."),
                "input": record(description="Of a tool_use."),
                "tool_use_id": text("Of a tool_result."),
                "content": either(text(), array(record()), description="Of a tool_result."),
                "is_error": flag("Of a tool_result."),
                "thinking": text(),
                "signature": text("To be sent back as it came."),
                "data": text("Of redacted_thinking, to be sent back as it came."),
            },
            ("type",),
        ),
        "Message": record(
            {
                "id": text(),
                "type": constant("message"),
                "role": constant("assistant"),
                "model": text("The provider's name of it."),
                "content": array(record({"type": text()}, ("type",))),
                "stop_reason": optional(text("Why it ended.", values=tuple(dict.fromkeys(REASONS.values())))),
                "stop_sequence": optional(text()),
                "usage": _USAGE,
            },
            ("id", "type", "role", "model", "content", "stop_reason", "usage"),
        ),
        "MessageEvent": record(
            {"type": text("message_start, content_block_delta, ..., message_stop, ping or error.")},
            ("type",),
            "The event's name is its type. The last one is message_stop or error.",
        ),
        "Count": record({"input_tokens": whole(least=0)}, ("input_tokens",)),
    },
)
