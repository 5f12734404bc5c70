"""What the Messages API forbids beyond types (Claude API reference: "Messages"; guides: "Tool use", "Extended
thinking", "Migrating to API version 2026-10-21").
"""

from collections.abc import Sequence

from tests.support.model_server import seals
from tests.support.model_server.anthropic_errors import LATEST, MOST_TOKENS, NEWER, refused
from tests.support.model_server.anthropic_requests import (
    Adaptive,
    AnyChoice,
    Block,
    CountRequest,
    DocumentBlock,
    Enabled,
    Message,
    MessagesRequest,
    RedactedBlock,
    TextBlock,
    ThinkingBlock,
    ToolChoice,
    ToolResultBlock,
    ToolUseBlock,
)

SEALED_BY = "anthropic"


def blocks(message: Message) -> Sequence[Block]:
    """The content; words alone are one block."""
    if isinstance(message.content, str):
        return [TextBlock(text=message.content)] if message.content else []
    return message.content


def check_conversation(request: CountRequest, version: str) -> None:
    """Raises Refused."""
    if request.thread is not None:  # nothing is stored
        raise refused("Threads are not supported for this request.", code="thread_unsupported_request")
    if request.messages[0].role != "user":
        raise refused('messages: first message must use the "user" role')
    for number, message in enumerate(request.messages):
        last = number == len(request.messages) - 1
        if not blocks(message) and not (last and message.role == "assistant"):
            raise refused(f"messages.{number}: all messages must have non-empty content")
        for place, block in enumerate(blocks(message)):
            _check_block(block, message.role, f"messages.{number}.content.{place}", version)
    _check_results(request.messages)
    _check_ending(request)
    _check_tools(request)


def _check_block(block: Block, role: str, where: str, version: str) -> None:
    if isinstance(block, TextBlock) and not block.text.strip():
        raise refused("messages: text content blocks must contain non-whitespace text")
    if isinstance(block, ThinkingBlock | RedactedBlock | ToolUseBlock) and role != "assistant":
        raise refused(f"{where}: this block may only be in assistant messages")
    if isinstance(block, ToolResultBlock) and role != "user":
        raise refused(f"{where}: `tool_result` blocks may only be in user messages")
    if role == "system" and not isinstance(block, TextBlock):
        raise refused(f"{where}: system messages take text alone")
    if version == LATEST and role == "assistant" and isinstance(block, DocumentBlock):
        raise refused(f"{where}: `document` blocks may not be in assistant messages")
    try:
        if isinstance(block, ThinkingBlock):
            seals.check(block.signature, SEALED_BY, block.thinking)
        elif isinstance(block, RedactedBlock):
            seals.unseal(SEALED_BY, block.data)
    except seals.Broken:
        kind = "thinking" if isinstance(block, ThinkingBlock) else "redacted_thinking"
        raise refused(f"{where}: Invalid `{'signature' if kind == 'thinking' else 'data'}` in `{kind}` block") from None


def _check_results(messages: list[Message]) -> None:
    """Results stand at the start of the message behind the calls: all of them, and no others."""
    waiting: set[str] = set()
    turns = merged(messages)
    for number, (role, content) in enumerate(turns):
        results = [block.tool_use_id for block in content if isinstance(block, ToolResultBlock)]
        if role == "user":
            unknown = [one for one in results if one not in waiting]
            if unknown:
                problem = "unexpected `tool_use_id` found in `tool_result` blocks"
                raise refused(f"messages.{number}: {problem}: {', '.join(unknown)}")
            if len(results) != len(set(results)):
                raise refused(f"messages.{number}: each tool_use must have a single result")
            if any(isinstance(block, ToolResultBlock) for block in content[len(results) :]):
                raise refused(f"messages.{number}: `tool_result` blocks must come first")
        missing = waiting - set(results)
        if missing:
            problem = "`tool_use` ids were found without `tool_result` blocks immediately after"
            raise refused(f"messages.{number - 1}: {problem}: {', '.join(sorted(missing))}")
        used = [block.id for block in content if isinstance(block, ToolUseBlock)]
        if len(used) != len(set(used)):
            raise refused(f"messages.{number}: `tool_use` ids must be unique")
        waiting = set(used)
    if waiting:
        raise refused(f"messages.{len(turns) - 1}: `tool_use` ids were found without `tool_result` blocks")


def merged(messages: list[Message]) -> list[tuple[str, list[Block]]]:
    """Turns: consecutive messages of one role are one; instructions in the middle stand in no turn."""
    turns: list[tuple[str, list[Block]]] = []
    for message in messages:
        if message.role == "system":
            continue
        if turns and turns[-1][0] == message.role:
            turns[-1][1].extend(blocks(message))
        else:
            turns.append((message.role, list(blocks(message))))
    return turns


def _check_ending(request: CountRequest) -> None:
    role, content = merged(request.messages)[-1]
    if role != "assistant":
        return
    if request.model == NEWER or isinstance(request.thinking, Enabled | Adaptive):
        raise refused(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    if content and isinstance(content[-1], TextBlock) and content[-1].text != content[-1].text.rstrip():
        raise refused("messages: final assistant content cannot end with trailing whitespace")


def _check_tools(request: CountRequest) -> None:
    names = [tool.name for tool in request.tools or ()]
    if len(set(names)) != len(names):
        raise refused("tools: Tool names must be unique.")
    for number, tool in enumerate(request.tools or ()):
        if tool.input_schema.get("type") != "object":
            raise refused(f"tools.{number}.custom.input_schema.type: Field required, must be 'object'")
    choice = request.tool_choice
    if isinstance(choice, ToolChoice) and choice.name not in names:
        raise refused(f"tool_choice.tool.name: Tool '{choice.name}' not found in provided tools")
    if choice is not None and not names:
        raise refused("tool_choice may only be specified while providing tools")
    if isinstance(choice, AnyChoice | ToolChoice) and isinstance(request.thinking, Enabled):
        raise refused("Thinking may not be enabled when tool_choice forces tool use.")


def check_parameters(request: MessagesRequest, version: str) -> None:
    """Raises Refused."""
    sampling = [name for name in ("temperature", "top_p", "top_k") if getattr(request, name) is not None]
    if sampling and version == LATEST:
        raise refused(f"{sampling[0]}: Extra inputs are not permitted")
    if sampling and request.model == NEWER:
        raise refused(f"`{sampling[0]}` is deprecated for this model.")
    if request.temperature is not None and request.top_p is not None:
        raise refused("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if request.max_tokens > (most := MOST_TOKENS[request.model]):
        raise refused(f"max_tokens: {request.max_tokens} > {most}, which is the maximum allowed for {request.model}")
    for stop in request.stop_sequences or ():
        if not stop.strip():
            raise refused("stop_sequences: each stop sequence must contain non-whitespace")
    _check_thinking(request)


def _check_thinking(request: MessagesRequest) -> None:
    thinking = request.thinking
    if isinstance(thinking, Enabled):
        if request.model == NEWER:
            problem = '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'
            raise refused(f'{problem} and "output_config.effort" to control thinking behavior.')
        if thinking.budget_tokens >= request.max_tokens:
            raise refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
        if request.temperature not in (None, 1) or request.top_k is not None:
            raise refused("`temperature` may only be set to 1 when thinking is enabled.")
        _check_thoughts_kept(request)
    if isinstance(thinking, Adaptive) and request.model != NEWER:
        raise refused("adaptive thinking is not supported on this model")
    if request.output_config and request.output_config.effort and request.model != NEWER:
        raise refused("This model does not support the effort parameter.")


def _check_thoughts_kept(request: MessagesRequest) -> None:
    """A turn that ends in tools' results goes on thinking: its thoughts must be there."""
    turns = merged(request.messages)
    if len(turns) < 2 or not any(isinstance(block, ToolResultBlock) for block in turns[-1][1]):
        return
    first = turns[-2][1][0]
    if not isinstance(first, ThinkingBlock | RedactedBlock):
        kind = first.__struct_config__.tag
        raise refused(
            f"messages.{len(turns) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, found `{kind}`. "
            "When `thinking` is enabled, a final `assistant` message must start with a thinking block."
        )
