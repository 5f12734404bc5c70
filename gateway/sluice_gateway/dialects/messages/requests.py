"""Reading requests of the Messages API (Anthropic API reference, "Create a Message" and "Count tokens").

Anthropic takes the turns of one side that follow each other as one, and wants results of tools right behind their
calls: so that is where they stand here, however a user's turns were cut. ``cache_control``, on top or on blocks, is a
hint for Anthropic's own cache and changes no answer; an ``effort`` says nothing where thinking is disabled, nor does
``context_management`` that keeps everything, as coding agents send it. What the normal form has no name for goes on
under its JSON path, and is refused by that name, or dropped, as the provider's policy says.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sluice_gateway.dialects.messages.content import Content, read_assistant, read_system, read_user
from sluice_gateway.dialects.reading import Members
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.parts import Part, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Choosing, Format, Message, Reasoning, Role, Tool, ToolChoice

_NAMES: Mapping[str, str] = {
    "stop": "stop_sequences",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "format": "output_config.format",
    "reasoning": "thinking",
    "user": "metadata.user_id",
}
_NAMES_BY_EFFORT = {**_NAMES, "reasoning": "output_config.effort"}
_READERS: Mapping[str, Callable[[Members], Content]] = {
    "user": read_user,
    "assistant": read_assistant,
    "system": lambda message: read_system(message, "content"),
}
_CHOICES = {"auto": Choosing.AUTO, "any": Choosing.REQUIRED, "none": Choosing.NONE, "tool": Choosing.NAMED}
_TIERS = {"standard_only": "default"}  # OpenAI's word for it, which is the normal form's
_KEEP_ALL = [{"type": "clear_thinking_20251015", "keep": keep} for keep in ("all", {"type": "all"})]
_LIKES = -1  # a budget: as the model likes


def read_request(document: dict[str, Any], *, counts: bool = False) -> ChatRequest:
    """The request in the normal form. Raises CallerError. ``counts``: it is to be counted, and need not say how long
    the answer may be.
    """
    body = Members(document)
    for name in ("model", "cache_control"):
        body.take(name)
    _refuse_thread(body)
    extra: dict[str, Any] = {}
    if not _edits_nothing(management := body.take("context_management")):
        extra["context_management"] = management
    choice = _tool_choice(body, extra)
    thinking, effort = _thinking(body, extra), _output(body, extra)
    metadata = body.members("metadata")
    user = metadata.text("user_id") if metadata else None
    _leave(metadata, extra)
    tier = body.text("service_tier")
    return ChatRequest(
        messages=_conversation(body),
        tools=tuple(map(_tool, body.each("tools"))),
        tool_choice=choice.choice,
        parallel_tool_calls=choice.parallel,
        max_tokens=_max_tokens(body, counts=counts),
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        top_k=body.integer("top_k"),
        stop=_stop(body),
        format=effort.format,
        reasoning=_reasoning(thinking, effort.effort),
        user=user,
        service_tier=_TIERS.get(tier, tier) if tier else None,
        stream=body.boolean("stream") or False,
        extra={**body.rest(), **extra},
        names=_NAMES if thinking is not None else _NAMES_BY_EFFORT,
    )


def _refuse_thread(body: Members) -> None:
    """A conversation that the server holds (Claude API reference, "Create a Message", ``thread``), as tool runners of
    Anthropic's SDK wish by default: on this error's code, they go on by sending it whole.
    """
    if body.take("thread") is not None:
        message = "thread: only Anthropic holds conversations; send the whole of it in messages"
        raise UnsupportedParameter(message, param="thread", details={"error_code": "thread_unsupported_request"})


def _leave(members: Members | None, extra: dict[str, Any]) -> None:
    """What nobody has taken of an object within the body, under its path."""
    if members is not None:
        extra.update((members.place(name), value) for name, value in members.rest().items())


def _edits_nothing(management: Any) -> bool:
    """Whether what Anthropic's page "Context editing" calls edits would leave every prompt as it is."""
    if management is None:
        return True
    if type(management) is not dict or not management.keys() <= {"edits"}:
        return False
    edits = management.get("edits", [])
    return type(edits) is list and all(edit in _KEEP_ALL for edit in edits)


def _max_tokens(body: Members, *, counts: bool) -> int | None:
    tokens = body.integer("max_tokens", least=1)
    if tokens is None and not counts:
        raise CallerError("max_tokens is missing", param="max_tokens")
    return tokens


def _stop(body: Members) -> tuple[str, ...]:
    words = body.array("stop_sequences") or []
    for index, word in enumerate(words):
        if type(word) is not str:
            place = f"stop_sequences[{index}]"
            raise CallerError(f"{place} must be a string", param=place)
    return tuple(words)


class _Results:
    """What tools have answered in one turn. ``place`` as ``Message`` has it."""

    __slots__ = ("parts", "place")

    def __init__(self, place: str) -> None:
        self.parts: list[Part] = []
        self.place = place

    def message(self) -> Message:
        """As one message."""
        return Message(role="tool", parts=tuple(self.parts), place=self.place)


def _conversation(body: Members) -> tuple[Message, ...]:
    found: list[Message | _Results] = []
    if system := read_system(body, "system").parts:
        found.append(Message(role="system", parts=system))
    turn = first = len(found)  # where results of tools belong: right behind the model's last words
    for message in body.each("messages"):
        role = message.needed_text("role")
        reader = _READERS.get(role)
        if reader is None:
            place = message.place("role")
            raise CallerError(f"{place} must be one of {', '.join(_READERS)}", param=place)
        content = reader(message)
        if role == "user":
            _add_user(found, turn, content, message)
            continue
        found.append(_said("assistant" if role == "assistant" else "system", content, message))
        if role == "assistant":
            turn = len(found)
    if len(found) == first:
        raise CallerError("messages must have at least one message", param="messages")
    return tuple(item if isinstance(item, Message) else item.message() for item in found)


def _said(role: Role, content: Content, message: Members) -> Message:
    place = message.path if content.listed else ""
    return Message(role=role, parts=content.parts, extra=message.rest(), place=place)


def _add_user(found: list[Message | _Results], turn: int, content: Content, message: Members) -> None:
    """Results of tools go to ``turn``, together with those that stand there; all else is said after them."""
    results = [part for part in content.parts if isinstance(part, ToolResult)]
    if results:
        there = found[turn] if turn < len(found) else None
        if not isinstance(there, _Results):
            there = _Results(message.path)
            found.insert(turn, there)
        there.parts += results
        there.place = message.path if there.place == message.path else ""
        content = Content(tuple(part for part in content.parts if not isinstance(part, ToolResult)), listed=False)
        if not content.parts:
            return
    found.append(_said("user", content, message))


def _tool(tool: Members) -> Tool:
    kind = tool.text("type")
    if kind not in (None, "custom"):
        place = tool.place("type")
        raise UnsupportedParameter(f"{place}: tools of type {kind[:64]!r} are Anthropic's own", param=place)
    name, schema = tool.needed_text("name"), tool.mapping("input_schema")
    if schema is None:
        place = tool.place("input_schema")
        raise CallerError(f"{place} is missing", param=place)
    return Tool(
        name=name,
        description=tool.text("description"),
        parameters=schema,
        strict=tool.boolean("strict"),
        extra=tool.rest(),
    )


class _Choice(NamedTuple):
    choice: ToolChoice | None = None
    parallel: bool | None = None


def _tool_choice(body: Members, extra: dict[str, Any]) -> _Choice:
    choice = body.members("tool_choice")
    if choice is None:
        return _Choice()
    kind = choice.needed_text("type")
    mode = _CHOICES.get(kind)
    if mode is None:
        place = choice.place("type")
        raise CallerError(f"{place} must be one of {', '.join(_CHOICES)}", param=place)
    name = choice.needed_text("name") if mode is Choosing.NAMED else None
    parallel = False if choice.boolean("disable_parallel_tool_use") else None
    _leave(choice, extra)
    return _Choice(ToolChoice(mode=mode, name=name), parallel)


def _thinking(body: Members, extra: dict[str, Any]) -> int | None:
    """The budget of thoughts. How they are shown is for the answer's writer."""
    thinking = body.members("thinking")
    if thinking is None:
        return None
    kind = thinking.needed_text("type")
    thinking.take("display")
    if kind == "enabled":
        budget = thinking.integer("budget_tokens", least=1)
        if budget is None:
            place = thinking.place("budget_tokens")
            raise CallerError(f"{place} is missing", param=place)
    elif kind in ("adaptive", "disabled"):
        budget = _LIKES if kind == "adaptive" else 0
    else:
        place = thinking.place("type")
        raise UnsupportedParameter(f"{place}: thinking of type {kind[:64]!r} cannot be translated", param=place)
    _leave(thinking, extra)
    return budget


class _Output(NamedTuple):
    effort: str | None = None
    format: Format | None = None


def _output(body: Members, extra: dict[str, Any]) -> _Output:
    config = body.members("output_config")
    if config is None:
        return _Output()
    effort, wanted = config.text("effort"), config.members("format")
    _leave(config, extra)
    if wanted is None:
        return _Output(effort)
    if (kind := wanted.needed_text("type")) != "json_schema":
        place = wanted.place("type")
        raise UnsupportedParameter(f"{place}: a format of type {kind[:64]!r} cannot be translated", param=place)
    schema = wanted.mapping("schema")
    if schema is None:
        place = wanted.place("schema")
        raise CallerError(f"{place} is missing", param=place)
    _leave(wanted, extra)
    return _Output(effort, Format(schema=schema, strict=True))


def _reasoning(budget: int | None, effort: str | None) -> Reasoning | None:
    if budget is None and effort is None:
        return None
    return Reasoning(effort=None if budget == 0 else effort, budget=budget)
