"""Callers of /v1/completions (OpenAI API reference, "Completions"), in front of providers that only chat.

The prompt becomes one message of the user's. What only works on a bare text is refused by name: several prompts,
tokens as prompt, ``suffix``, ``echo``, ``best_of`` and the old form of ``logprobs``.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sluice_gateway.dialects.chat.answers import REASONS, usage_of
from sluice_gateway.dialects.chat.requests import read_stop
from sluice_gateway.dialects.dialect import Asked, StreamWriter
from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.dialects.reading import Members
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.answers import ChatAnswer, Delta, Finished, Started, TextDelta
from sluice_gateway.normal.parts import Text, text_of
from sluice_gateway.normal.requests import ChatRequest, Message
from sluice_gateway.normal.usage import Usage
from sluice_gateway.sse import DONE

_BARE_TEXT_ONLY = {"suffix": None, "echo": False, "best_of": 1, "logprobs": None}  # and what of each asks for nothing


class CompletionsDialect(OpenAIErrors):
    """OpenAI's completions."""

    def read(self, document: dict[str, Any]) -> ChatRequest:
        """The request in the normal form."""
        body = Members(document)
        body.take("model")
        body.take("stream_options")
        for name, nothing in _BARE_TEXT_ONLY.items():
            value = body.take(name)
            if value is not None and value != nothing:
                raise UnsupportedParameter(f"{name} needs a provider that completes bare text", param=name)
        return ChatRequest(
            messages=(Message(role="user", parts=(Text(text=_prompt(body)),)),),
            max_tokens=body.integer("max_tokens", least=0),
            temperature=body.number("temperature"),
            top_p=body.number("top_p"),
            stop=read_stop(body),
            n=body.integer("n", least=1),
            seed=body.integer("seed"),
            presence_penalty=body.number("presence_penalty"),
            frequency_penalty=body.number("frequency_penalty"),
            logit_bias=body.mapping("logit_bias"),
            user=body.text("user"),
            stream=body.boolean("stream") or False,
            extra=body.rest(),
        )

    def answer(self, answer: ChatAnswer, asked: Asked) -> bytes:
        """The body of a whole answer."""
        choices = [_choice(choice.index, text_of(choice.parts), REASONS[choice.finish]) for choice in answer.choices]
        body = _head(asked, Started(answer.id, answer.model, answer.created)) | {"choices": choices}
        return msgspec.json.encode(body | ({"usage": usage_of(answer.usage)} if answer.usage else {}))

    def stream(self, asked: Asked) -> StreamWriter:
        """Begin a stream."""
        return _CompletionsWriter(asked)


class _CompletionsWriter:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._head = _head(asked, Started())
        options = asked.document.get("stream_options")
        self._shows_usage = isinstance(options, dict) and options.get("include_usage") is True

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """Frames for ``deltas``, in linear time: one event of a provider's may hold very many."""
        frames: list[bytes] = []
        for delta in deltas:
            if isinstance(delta, Started):
                self._head = _head(self._asked, delta)
            elif isinstance(delta, TextDelta):
                frames.append(self._frame([_choice(delta.choice, delta.text, None)]))
            elif isinstance(delta, Finished):
                frames.append(self._frame([_choice(delta.choice, "", REASONS[delta.finish])]))
        return b"".join(frames)

    def end(self, usage: Usage | None) -> bytes:
        """Usage, for callers who have asked for it, and the end mark."""
        if usage is None or not self._shows_usage:
            return DONE
        return self._frame([], {"usage": usage_of(usage)}) + DONE

    def _frame(self, choices: list[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
        return b"data: " + msgspec.json.encode(self._head | {"choices": choices} | (more or {})) + b"\n\n"


def _prompt(body: Members) -> str:
    prompt = body.take("prompt")
    if type(prompt) is list and len(prompt) == 1:
        prompt = prompt[0]
    if type(prompt) is str:
        return prompt
    if type(prompt) is list:
        raise UnsupportedParameter("prompt: this provider takes one prompt, in words", param="prompt")
    raise CallerError("prompt must be a string", param="prompt")


def _head(asked: Asked, started: Started) -> dict[str, Any]:
    return {
        "id": started.id or f"cmpl-{asked.id}",
        "object": "text_completion",
        "created": started.created or asked.created,
        "model": started.model or asked.model,
    }


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}
