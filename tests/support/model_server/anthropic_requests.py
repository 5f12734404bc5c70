"""What Anthropic's Messages API takes (Claude API reference: "Messages", "Count tokens in a Message"), with its bounds.
Anything else is an extra input, which is not permitted.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """Takes nothing but its fields."""


Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
CallId = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+$")]


class CacheControl(Strict):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class TextBlock(Strict, tag_field="type", tag="text"):
    text: Annotated[str, Meta(min_length=1)]
    cache_control: CacheControl | None = None
    citations: list[dict[str, Any]] | None = None


class Base64Source(Strict, tag_field="type", tag="base64"):
    data: str
    media_type: str


class URLSource(Strict, tag_field="type", tag="url"):
    url: str


class TextSource(Strict, tag_field="type", tag="text"):
    data: str
    media_type: Literal["text/plain"]


class FileSource(Strict, tag_field="type", tag="file"):
    file_id: str


class ImageBlock(Strict, tag_field="type", tag="image"):
    source: Base64Source | URLSource | FileSource
    cache_control: CacheControl | None = None


class DocumentBlock(Strict, tag_field="type", tag="document"):
    source: Base64Source | URLSource | TextSource | FileSource
    cache_control: CacheControl | None = None
    citations: dict[str, Any] | None = None
    context: str | None = None
    title: str | None = None


class ThinkingBlock(Strict, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class RedactedBlock(Strict, tag_field="type", tag="redacted_thinking"):
    data: str


class ToolUseBlock(Strict, tag_field="type", tag="tool_use"):
    id: CallId
    name: Name
    input: dict[str, Any]
    cache_control: CacheControl | None = None
    caller: dict[str, str] | None = None


class ToolResultBlock(Strict, tag_field="type", tag="tool_result"):
    tool_use_id: CallId
    content: str | list[TextBlock | ImageBlock | DocumentBlock] = ""
    is_error: bool = False
    cache_control: CacheControl | None = None


Block = TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedBlock | ToolUseBlock | ToolResultBlock


class Message(Strict):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(Strict):
    name: Name
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[dict[str, Any]] | None = None
    defer_loading: bool | None = None


class AutoChoice(Strict, tag_field="type", tag="auto"):
    disable_parallel_tool_use: bool = False


class AnyChoice(Strict, tag_field="type", tag="any"):
    disable_parallel_tool_use: bool = False


class ToolChoice(Strict, tag_field="type", tag="tool"):
    name: str
    disable_parallel_tool_use: bool = False


class NoneChoice(Strict, tag_field="type", tag="none"):
    pass


class Enabled(Strict, tag_field="type", tag="enabled"):
    budget_tokens: Annotated[int, Meta(ge=1024)]
    display: Literal["summarized", "omitted"] | None = None


class Adaptive(Strict, tag_field="type", tag="adaptive"):
    display: Literal["summarized", "omitted"] | None = None


class Disabled(Strict, tag_field="type", tag="disabled"):
    pass


class JSONFormat(Strict):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Strict):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JSONFormat | None = None


class User(Strict):
    user_id: Annotated[str, Meta(max_length=256)] | None = None


class CountRequest(Strict):
    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    system: str | list[TextBlock] | None = None
    tools: list[Tool] | None = None
    tool_choice: AutoChoice | AnyChoice | ToolChoice | NoneChoice | None = None
    thinking: Enabled | Adaptive | Disabled | None = None
    output_config: OutputConfig | None = None
    cache_control: CacheControl | None = None
    thread: dict[str, Any] | None = None


class MessagesRequest(CountRequest, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=1)]
    stream: bool = False
    stop_sequences: list[str] | None = None
    metadata: User | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
