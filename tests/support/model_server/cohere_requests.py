"""What Cohere's second API takes (Cohere API reference: "Chat", "Embed"), with its bounds."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from tests.support.model_server.openai_requests import ImageURL, Strict, TextPart, ToolCall

Penalty = Annotated[float, Meta(ge=0, le=1)]


class ImagePart(Strict, tag_field="type", tag="image_url"):
    image_url: ImageURL


class ThinkingPart(Strict, tag_field="type", tag="thinking"):
    thinking: str


class Document(Strict):
    data: str | dict[str, Any]
    id: str | None = None


class DocumentPart(Strict, tag_field="type", tag="document"):
    document: Document


class SystemMessage(Strict, tag_field="role", tag="system"):
    content: str | list[TextPart]


class UserMessage(Strict, tag_field="role", tag="user"):
    content: str | list[TextPart | ImagePart]


class AssistantMessage(Strict, tag_field="role", tag="assistant"):
    content: str | list[TextPart | ThinkingPart] | None = None
    tool_plan: str | None = None
    tool_calls: list[ToolCall] | None = None
    citations: list[Any] | None = None


class ToolMessage(Strict, tag_field="role", tag="tool"):
    tool_call_id: str
    content: str | list[TextPart | DocumentPart]


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


class Function(Strict):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_-]*$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Strict):
    type: Literal["function"]
    function: Function


class ResponseFormat(Strict):
    type: Literal["text", "json_object"]
    json_schema: dict[str, Any] | None = None


class Thinking(Strict):
    type: Literal["enabled", "disabled"]
    token_budget: Annotated[int, Meta(ge=1)] | None = None


class ChatRequest(Strict):
    model: str
    messages: list[Message]
    stream: bool = False
    tools: list[Tool] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: list[Any] | None = None
    citation_options: dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF"] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: Annotated[int, Meta(ge=0)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    k: Annotated[int, Meta(ge=0, le=500)] | None = None
    p: Annotated[float, Meta(ge=0.01, le=0.99)] | None = None
    logprobs: bool | None = None
    thinking: Thinking | None = None
    priority: Annotated[int, Meta(ge=0, le=999)] | None = None


class EmbedRequest(Strict):
    model: str
    texts: Annotated[list[str], Meta(min_length=1, max_length=96)]
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    embedding_types: list[Literal["float", "base64"]] | None = None
    output_dimension: Literal[256, 512, 1024, 1536] | None = None
    truncate: Literal["NONE", "START", "END"] | None = None
    max_tokens: int | None = None
    priority: int | None = None
