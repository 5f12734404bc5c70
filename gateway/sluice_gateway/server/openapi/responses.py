"""POST /v1/responses (OpenAI API reference, "Create a model response")."""

from sluice_gateway.server.openapi.operations import Chapter, Operation, answering
from sluice_gateway.server.openapi.schemas import (
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

_ITEM = asked(
    {
        "type": text("message (when absent), function_call, function_call_output, reasoning."),
        "role": text("Of a message: user, assistant, system or developer."),
        "content": either(text(), array(record()), description="input_text, input_image, input_file, output_text."),
        "call_id": text("Of a call and its result."),
        "name": text("Of a call."),
        "arguments": text("Of a call: JSON."),
        "output": either(text(), array(record()), description="Of a result."),
        "summary": array(record(), "Of a reasoning item."),
        "encrypted_content": text("Of a reasoning item, to be sent back as it came."),
    },
    (),
    "One item of the conversation.",
)
_TOOL = asked(
    {
        "type": text("function", example="function"),
        "name": text(),
        "description": text(),
        "parameters": record(description="The JSON schema of its arguments."),
        "strict": flag(),
    },
    ("type",),
)
_REQUEST = asked(
    {
        "model": text("A name that a route serves.", example="chat"),
        "input": either(text(), array(ref("ResponseItem"), least=1), description="Words, or the whole conversation."),
        "instructions": text("Before all else."),
        "max_output_tokens": whole("The longest answer, thoughts included.", least=1),
        "tools": array(_TOOL, "Functions that the model may call."),
        "tool_choice": either(text(values=("auto", "none", "required")), record()),
        "parallel_tool_calls": flag("Whether several calls may come at once."),
        "temperature": number("How freely to choose; each provider has its own range."),
        "top_p": number("From 0 to 1."),
        "top_logprobs": whole("How many likely tokens to tell.", least=0),
        "text": asked({"format": record(), "verbosity": text()}, (), "The form of the answer."),
        "reasoning": asked({"effort": text(), "summary": text()}, (), "How long to think, and what to show of it."),
        "include": array(text(), "What else to tell: message.output_text.logprobs, reasoning.encrypted_content."),
        "metadata": record(description="The caller's own; a hint."),
        "user": text("The caller's own user; a hint."),
        "store": flag("Nothing is kept by the gateway, whatever this says."),
        "stream": flag("Whether to answer in server-sent events."),
    },
    ("model", "input"),
    "The gateway keeps no state: previous_response_id, conversation, prompt and background are refused, unless the "
    "provider speaks this shape itself.",
)
_USAGE = record(
    {
        "input_tokens": whole(),
        "input_tokens_details": record({"cached_tokens": whole()}),
        "output_tokens": whole(),
        "output_tokens_details": record({"reasoning_tokens": whole()}),
        "total_tokens": whole(),
        "estimated": flag("Whether the gateway had to guess, as the provider does not count."),
    },
    ("input_tokens", "output_tokens", "total_tokens"),
)

CHAPTER = Chapter(
    operations={
        "/v1/responses": Operation(
            name="createResponse",
            summary="Continue a conversation, as OpenAI's Responses API does.",
            description="Stateless: the whole conversation is sent each time.",
            body=ref("ResponseRequest"),
            answers=answering("Response", "ResponseEvent"),
            event=ref("ResponseEvent"),
            groups=("body", "key", "model"),
            example={"model": "chat", "input": "Say hello."},
        )
    },
    schemas={
        "ResponseRequest": _REQUEST,
        "ResponseItem": _ITEM,
        "Response": record(
            {
                "id": text(),
                "object": constant("response"),
                "created_at": number("Seconds since 1970."),
                "model": text("The provider's name of it."),
                "status": text(values=("completed", "incomplete", "failed", "in_progress", "cancelled", "queued")),
                "output": array(record({"type": text(), "id": text()}, ("type",))),
                "incomplete_details": optional(record({"reason": text()})),
                "error": optional(record()),
                "usage": optional(_USAGE),
            },
            ("id", "object", "created_at", "model", "status", "output"),
        ),
        "ResponseEvent": record(
            {"type": text("response.created, response.output_text.delta, ..., response.completed or error.")},
            ("type",),
            "The event's name is its type. The last one is response.completed, response.incomplete, response.failed or "
            "error.",
        ),
    },
)
