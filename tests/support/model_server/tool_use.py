"""Which tools to call for what was asked."""

import re

from tests.support.model_server.conversation import Call, Conversation, Tool
from tests.support.model_server.schemas import Evidence, instance

_WORD = re.compile(r"[A-Za-z]+")
_EMPTY = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "at",
        "by",
        "can",
        "do",
        "for",
        "from",
        "get",
        "has",
        "have",
        "how",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "please",
        "returns",
        "show",
        "tell",
        "that",
        "the",
        "this",
        "to",
        "tool",
        "tools",
        "use",
        "using",
        "what",
        "which",
        "with",
        "you",
        "your",
    ]
)
_CLAUSE = re.compile(r"[.?!;\n]|,? and (?=[a-z])|,? then ")


def calls_for(conversation: Conversation) -> tuple[Call, ...]:
    """The calls that an answer to ``conversation`` begins with; () when it is to be in words."""
    tools, choice, text = conversation.tools, conversation.choice, conversation.asked
    if not tools or choice == "none":
        return ()
    if choice.startswith("="):
        wanted = [(tool, text) for tool in tools if tool.name == choice[1:]]
    elif choice == "required":
        wanted = _wanted(tools, text) or [(tools[0], text)]
    elif conversation.results:
        return ()
    else:
        wanted = _wanted(tools, text)
    calls = [call for tool, clause in wanted for call in _calls(tool, clause, text)]
    distinct = [call for number, call in enumerate(calls) if call not in calls[:number]]
    return tuple(distinct if conversation.parallel else distinct[:1])


def _wanted(tools: tuple[Tool, ...], text: str) -> list[tuple[Tool, str]]:
    """Each tool that the text asks for, beside the clause that does."""
    named = [(tool, text) for tool in tools if re.search(rf"\b{re.escape(tool.name)}\b", text)]
    if named:
        return named
    found: dict[str, tuple[Tool, str]] = {}
    latest: Tool | None = None
    for clause in filter(str.strip, _CLAUSE.split(text)):
        tool = max(tools, key=lambda tool: _likeness(tool, clause))
        if _likeness(tool, clause) >= 2:
            latest = tool
        elif latest is None or not Evidence.of(f" {clause}").names:
            continue
        said = found[latest.name][1] if latest.name in found else ""
        found[latest.name] = latest, f"{said}, {clause}" if said else clause
    return list(found.values())


def _likeness(tool: Tool, clause: str) -> int:
    """Words in common: two points for one in the tool's name, one for its description and parameters."""
    said = _words(clause)
    properties = tool.schema.get("properties")
    parameters = " ".join(properties if isinstance(properties, dict) else ())
    return 2 * len(said & _words(tool.name)) + len(said & _words(f"{tool.description} {parameters}"))


def _words(text: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text)
    return {word.lower().rstrip("s") for word in _WORD.findall(spaced)} - _EMPTY


def _are_objects(properties: object) -> bool:
    return isinstance(properties, dict) and all(isinstance(one, dict) for one in properties.values())


def _calls(tool: Tool, clause: str, text: str) -> list[Call]:
    """One call, or one for each name where the tool takes just one."""
    evidence = Evidence.of(clause)
    said = clause if evidence.names or evidence.numbers else text
    names = Evidence.of(said).names
    properties, needed = tool.schema.get("properties") or {}, tool.schema.get("required") or []
    if not _are_objects(properties) or not isinstance(needed, list):  # no schema at all
        return [Call(tool.name, {})]
    required = [name for name in needed or properties if name in properties]
    strings = [name for name in required if properties[name].get("type") in ("string", "STRING")]
    several = len(names) > 1 and re.search(r",| and ", said)
    if several and len(strings) == len(required) == 1 and "enum" not in properties[strings[0]]:
        return [Call(tool.name, {strings[0]: name}) for name in names]
    return [Call(tool.name, instance(tool.schema | {"type": "object"}, said))]
