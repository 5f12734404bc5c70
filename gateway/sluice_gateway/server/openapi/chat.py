"""POST /v1/chat/completions (OpenAI API reference, "Create chat completion")."""

from sluice_gateway.dialects.chat.answers import REASONS
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

STREAM_OPTIONS = asked({"include_usage": flag("Whether a last chunk tells the usage.")})
STOP = either(text(), array(text()), description="Where to stop: one or several sequences.")

SAMPLING: dict[str, Schema] = {
    "temperature": number("How freely to choose; each provider has its own range."),
    "top_p": number("Choose among the likeliest tokens of this share, from 0 to 1."),
    "n": whole("How many answers.", least=1),
    "stop": STOP,
    "seed": whole("For answers that can be repeated, where a provider can."),
    "presence_penalty": number("From -2 to 2."),
    "frequency_penalty": number("From -2 to 2."),
    "logit_bias": record(description="Token id to bias."),
    "user": text("The caller's own user; a hint."),
    "stream": flag("Whether to answer in server-sent events."),
    "stream_options": STREAM_OPTIONS,
}

_FUNCTION = asked(
    {
        "name": text("Up to 64 characters at most providers.", example="get_weather"),
        "description": text("What it does."),
        "parameters": record(description="The JSON schema of its arguments."),
        "strict": flag("Whether arguments must follow the schema to the letter."),
    },
    ("name",),
)
_CALL = record(
    {
        "id": text("To be named by the result."),
        "type": constant("function"),
        "function": record({"name": text(), "arguments": text("JSON, as the model wrote it.")}, ("name", "arguments")),
    },
    ("id", "function"),
)
_MESSAGE = asked(
    {
        "role": text(values=("system", "developer", "user", "assistant", "tool", "function")),
        "content": either(
            text(), array(ref("ChatPart")), description="Words, or parts: text, image_url, input_audio, file, refusal."
        ),
        "name": text("Who speaks."),
        "tool_calls": array(ref("ToolCall"), "Of an assistant's message."),
        "tool_call_id": text("Of a tool's message: the call that it answers."),
        "reasoning_content": text("Thoughts of an earlier answer, to be sent back as they came."),
        "reasoning_details": array(record(), "The same, with their seals."),
        "refusal": text("Of an earlier answer."),
    },
    ("role",),
)
_REQUEST = asked(
    {
        "model": text("A name that a route serves.", example="chat"),
        "messages": array(ref("ChatMessage"), least=1),
        "tools": array(ref("Tool"), "Functions that the model may call."),
        "tool_choice": either(
            text(values=("auto", "none", "required")), record(), description="Whether to call one, and which."
        ),
        "parallel_tool_calls": flag("Whether several calls may come at once."),
        "max_completion_tokens": whole("The longest answer, thoughts included.", least=1),
        "max_tokens": whole("The older name of the same.", least=1),
        **SAMPLING,
        "top_k": whole("Choose among so many tokens, where a provider can."),
        "logprobs": flag("Whether to tell how likely each token was."),
        "top_logprobs": whole("And of how many others.", least=0),
        "response_format": asked(
            {"type": text(values=("text", "json_object", "json_schema")), "json_schema": record()},
            ("type",),
            "JSON as the form of the answer.",
        ),
        "reasoning_effort": text("none, minimal, low, medium, high or xhigh."),
        "verbosity": text("low, medium or high."),
        "modalities": array(text(), "text, audio."),
        "service_tier": text("auto, default, flex or priority."),
        "metadata": record(description="The caller's own; a hint."),
    },
    ("model", "messages"),
    "Members that are not named here go on to a provider that may know them; else they are refused by name.",
)

_SAID = {
    "role": constant("assistant"),
    "content": optional(text()),
    "refusal": optional(text()),
    "reasoning_content": optional(text("What the model has thought.")),
    "tool_calls": optional(array(ref("ToolCall"))),
}
_FINISH = text("Why it ended.", values=(*dict.fromkeys(REASONS.values()), "function_call"))
_CHOICE = record(
    {
        "index": whole("As the provider numbers it."),
        "message": record(_SAID, ("role",)),
        "logprobs": optional(record()),
        "finish_reason": optional(_FINISH),
    },
    ("index", "message", "finish_reason"),
)
_HEAD = {"id": text(), "created": number("Seconds since 1970."), "model": text("The provider's name of it.")}
_DELTA = record(
    {"index": whole(), "delta": record(), "finish_reason": optional(_FINISH)}, ("index", "delta"), "What is new."
)

CHAPTER = Chapter(
    operations={
        "/v1/chat/completions": Operation(
            name="createChatCompletion",
            summary="Continue a conversation.",
            description="OpenAI's chat completions, in front of every provider.",
            body=ref("ChatRequest"),
            answers=answering("ChatCompletion", "ChatChunk", end="[DONE]"),
            event=ref("ChatChunk"),
            groups=("body", "key", "model"),
            example={"model": "chat", "messages": [{"role": "user", "content": "Say hello."}]},
        )
    },
    schemas={
        "ChatRequest": _REQUEST,
        "ChatMessage": _MESSAGE,
        "ChatPart": asked(
            {
                "type": text(values=("text", "image_url", "input_audio", "file", "refusal")),
                "text": text(),
                "image_url": asked({"url": text("A URL or a data URI."), "detail": text()}, ("url",)),
                "input_audio": asked({"data": text("In base64."), "format": text()}, ("data", "format")),
                "file": asked({"file_data": text("A data URI."), "file_id": text(), "filename": text()}),
            },
            ("type",),
        ),
        "Tool": asked({"type": constant("function"), "function": _FUNCTION}, ("type", "function")),
        "ToolCall": _CALL,
        "ChatUsage": record(
            {
                "prompt_tokens": whole(),
                "completion_tokens": whole(),
                "total_tokens": whole(),
                "prompt_tokens_details": optional(
                    record(description="cached_tokens, cache_write_tokens, audio_tokens")
                ),
                "completion_tokens_details": optional(record(description="reasoning_tokens, audio_tokens")),
                "estimated": flag("Whether the gateway had to guess, as the provider does not count."),
            },
            ("prompt_tokens", "completion_tokens", "total_tokens"),
        ),
        "ChatCompletion": record(
            {
                **_HEAD,
                "object": constant("chat.completion"),
                "choices": array(_CHOICE),
                "usage": optional(ref("ChatUsage")),
            },
            ("id", "object", "created", "model", "choices"),
        ),
        "ChatChunk": record(
            {
                **_HEAD,
                "object": constant("chat.completion.chunk"),
                "choices": array(_DELTA),
                "usage": optional(ref("ChatUsage")),
            },
            ("id", "object", "created", "model", "choices"),
            "The last event's data is [DONE]; an error is the last event, as {error}, without [DONE].",
        ),
    },
)
