"""Turns of a conversation from the items of a Responses request: what the model has said, asked for and thought comes
as one item each there, and is one message here; so are results of tools that follow each other.
"""

import msgspec

from sluice_gateway.dialects.responses.seals import Seal
from sluice_gateway.normal.parts import Part, ToolCall, ToolResult
from sluice_gateway.normal.requests import Message, Role


class Turns:
    """Gathers messages, item by item."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._said: list[Part] = []
        self._results: list[ToolResult] = []
        self._seals: dict[str, Seal] = {}
        self._just_spoke = False

    def hear(self, role: Role, parts: tuple[Part, ...], extra: dict[str, object] | None = None) -> None:
        """Somebody other than the model or a tool says something."""
        self._close()
        self._messages.append(Message(role=role, parts=parts, extra=extra or {}))

    def speak(self, parts: tuple[Part, ...]) -> None:
        """The model has said something: right after another message of its own, in a turn of its own."""
        if self._just_spoke:
            self._close()
        self.act(*parts)
        self._just_spoke = True

    def act(self, *parts: Part) -> None:
        """The model has thought, or asked for a tool."""
        self._close_results()
        self._said += parts
        self._just_spoke = False

    def seal(self, seal: Seal) -> None:
        """The signature of a call of this turn."""
        self._close_results()
        call_id, _, value = seal.value.rpartition(" ")
        self._seals[call_id] = seal._replace(value=value)

    def answer(self, result: ToolResult) -> None:
        """A tool has answered."""
        self._close_said()
        self._results.append(result)

    def messages(self) -> list[Message]:
        """All, in order."""
        self._close()
        return self._messages

    def _close(self) -> None:
        self._close_said()
        self._close_results()

    def _close_said(self) -> None:
        if self._said or self._just_spoke:
            self._messages.append(Message(role="assistant", parts=tuple(map(self._signed, self._said))))
        self._said, self._seals, self._just_spoke = [], {}, False

    def _signed(self, part: Part) -> Part:
        if isinstance(part, ToolCall) and (seal := self._seals.get(part.id)):
            return msgspec.structs.replace(part, signature=seal.value, origin=seal.origin)
        return part

    def _close_results(self) -> None:
        if self._results:
            self._messages.append(Message(role="tool", parts=tuple(self._results)))
        self._results = []
