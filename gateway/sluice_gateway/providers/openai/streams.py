"""Reading chat completion chunks (OpenAI API reference, "The chat completion chunk object"), as OpenAI writes them and
as those do who speak its shape.

What vendors do differently: tool calls without an index, or all with the same; without an id, or with one in every
piece; chunks after the last of a choice; no reason at the end (some TGI releases); a first chunk without choices that
names neither model nor id (Azure, "Content filtering": ``prompt_filter_results``).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sluice_gateway.normal.answers import (
    Counted,
    Delta,
    Ended,
    Finished,
    PartDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Audio
from sluice_gateway.providers.openai.bodies import (
    Body,
    Said,
    SaidAudio,
    SaidCall,
    SaidChoice,
    finish_of,
    made_id,
    read_body,
    usage_in,
)
from sluice_gateway.sse import BadEvent

_STATE = "openai"
_LEGACY = -1  # the place of a function_call, of which there is one


class _OpenCall:
    """A tool call that is being written. ``number`` is its own, None until its name has come."""

    __slots__ = ("filled", "held", "id", "name", "number")

    def __init__(self, given_id: str | None) -> None:
        self.id = given_id
        self.name = ""
        self.number: int | None = None
        self.held = ""  # arguments that came before the name
        self.filled = False


def _is_another(known: _OpenCall, given_id: str | None, name: str) -> bool:
    """Whether what has a name begins another call at the place of ``known``: it has another id or, where there are no
    ids, another name behind arguments.
    """
    if given_id and known.id:
        return given_id != known.id
    return known.filled and name != known.name


class _Calls:
    """The tool calls of one choice."""

    __slots__ = ("_at", "_begun", "_by_id", "_open")

    def __init__(self) -> None:
        self._at: dict[int, _OpenCall] = {}
        self._by_id: dict[str, _OpenCall] = {}
        self._open: list[_OpenCall] = []
        self._begun = 0

    def __bool__(self) -> bool:
        return bool(self._open)

    def take(self, call: SaidCall, choice: int, answer: str | None) -> Iterator[Delta]:
        """A piece of a call."""
        function = call.function
        name = function.name if function is not None else None
        arguments = (function.arguments if function is not None else None) or ""
        known = self._find(call, name)
        if known.number is not None:
            if arguments:
                known.filled = True
                yield ToolCallDelta(known.number, arguments, choice=choice)
            return
        known.held += arguments
        if name:
            known.name = name
            known.number, self._begun = self._begun, self._begun + 1
            known.filled = bool(known.held)
            yield ToolCallDelta(
                known.number, known.held, known.id or made_id(answer, choice, known.number), name, choice=choice
            )

    def _find(self, call: SaidCall, name: str | None) -> _OpenCall:
        """The call that a piece belongs to; a new one when it begins one."""
        if call.index is None:
            known = self._by_id.get(call.id) if call.id else None
            if known is None and not call.id and not name and self._open:
                known = self._open[-1]
        else:
            known = self._at.get(call.index)
            if known is not None and name and _is_another(known, call.id, name):
                known = None
        if known is None:
            known = _OpenCall(call.id)
            self._open.append(known)
            if call.id:
                self._by_id.setdefault(call.id, known)
            if call.index is not None:
                self._at[call.index] = known
        return known

    def close(self, choice: int) -> Iterator[Delta]:
        """The choice ends: who has got no arguments takes none."""
        for known in self._open:
            if known.number is None:
                raise BadEvent("the provider sent a tool call without a name")
            if not known.filled:
                yield ToolCallDelta(known.number, "{}", choice=choice)


class _Sound:
    """Sound that comes in pieces."""

    __slots__ = ("data", "id", "transcript")

    def __init__(self) -> None:
        self.id: str | None = None
        self.data: list[str] = []
        self.transcript: list[str] = []

    def take(self, piece: SaidAudio) -> None:
        """One piece."""
        self.id = self.id or piece.id
        self.data.append(piece.data or "")
        self.transcript.append(piece.transcript or "")

    def part(self) -> Audio:
        """The whole."""
        return Audio(id=self.id, data="".join(self.data), transcript="".join(self.transcript) or None)


class _ChoiceState:
    """What is known of one choice."""

    __slots__ = ("calls", "finished", "refused", "sound", "spoke")

    def __init__(self) -> None:
        self.calls = _Calls()
        self.finished = False
        self.refused = False
        self.spoke = False
        self.sound: _Sound | None = None


class _State:
    """What is known of one stream."""

    __slots__ = ("choices", "id", "started")

    def __init__(self) -> None:
        self.id: str | None = None
        self.started = False
        self.choices: dict[int, _ChoiceState] = {}


def read_event(data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
    """The data of one event. Raises BadEvent and ProviderFault."""
    state: _State | None = memory.get(_STATE)
    if state is None:
        state = memory[_STATE] = _State()
    if data == b"[DONE]":
        return [*_unfinished(state), Ended()]
    body = read_body(data)
    deltas: list[Delta] = []
    if not state.started and (body.choices or body.id):
        state.started, state.id = True, body.id
        deltas.append(Started(body.id or None, body.model or None, body.created))
    for choice in body.choices or ():
        index = choice.index or 0
        known = state.choices.get(index)
        if known is None:
            known = state.choices[index] = _ChoiceState()
        if not known.finished:
            _take(choice, index, known, state.id, deltas)
    if body.usage is not None or body.x_groq is not None or body.timings is not None or _ends(body):
        _count(body, deltas)
    return deltas


def _unfinished(state: _State) -> Iterator[Delta]:
    """Choices whose last chunk has not said so."""
    for index, known in state.choices.items():
        if not known.finished:
            known.finished = True
            yield from _closed(known, index, SaidChoice())


def _ends(body: Body) -> bool:
    return any(choice.usage is not None for choice in body.choices or ())


def _count(body: Body, deltas: list[Delta]) -> None:
    if (usage := usage_in(body)) is not None:
        deltas.append(Counted(usage, body.service_tier))


def _take(choice: SaidChoice, index: int, known: _ChoiceState, answer: str | None, deltas: list[Delta]) -> None:
    said = choice.delta or choice.message
    if said is not None:
        if thought := said.reasoning_content or said.reasoning:
            deltas.append(ThoughtDelta(thought, index))
        if said.content or (choice.logprobs is not None and not said.refusal):
            known.spoke = True
            deltas.append(TextDelta(said.content or "", index, choice.logprobs))
        if said.refusal or said.tool_calls or said.function_call or said.audio:
            _take_rest(said, index, known, answer, deltas)
    if choice.finish_reason:
        known.finished = True
        deltas.extend(_closed(known, index, choice))


def _take_rest(said: Said, index: int, known: _ChoiceState, answer: str | None, deltas: list[Delta]) -> None:
    """What few chunks have."""
    if said.refusal:
        known.refused = True
        deltas.append(RefusalDelta(said.refusal, index))
    for call in said.tool_calls or ():
        deltas.extend(known.calls.take(call, index, answer))
    if said.function_call is not None:
        deltas.extend(known.calls.take(SaidCall(_LEGACY, None, said.function_call), index, answer))
    if said.audio is not None:
        known.sound = known.sound or _Sound()
        known.sound.take(said.audio)


def _closed(known: _ChoiceState, index: int, choice: SaidChoice) -> Iterator[Delta]:
    finish, stop_sequence = finish_of(choice, called=bool(known.calls), refused=known.refused and not known.spoke)
    yield from known.calls.close(index)
    if known.sound is not None:
        yield PartDelta(known.sound.part(), index)
    yield Finished(finish, index, stop_sequence)
