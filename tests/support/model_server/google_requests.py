"""What Gemini's models take (Gemini API reference: "Generating content", "Embeddings"; Vertex AI's is the same but for
embeddings), with its bounds. Anything else is an unknown name.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class Strict(Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Takes nothing but its fields."""


class Blob(Strict):
    mime_type: str
    data: str
    display_name: str | None = None


class FileData(Strict):
    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(Strict):
    name: str
    args: dict[str, Any] = {}
    id: str | None = None


class FunctionResponsePart(Strict):
    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Strict):
    name: str
    response: dict[str, Any]
    id: str | None = None
    parts: list[FunctionResponsePart] = []
    will_continue: bool | None = None
    scheduling: str | None = None


class Part(Strict):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    media_resolution: dict[str, Any] | None = None
    video_metadata: dict[str, Any] | None = None


class Content(Strict):
    parts: list[Part] = []
    role: Literal["user", "model"] | None = None


class Schema(Strict):
    """The subset of OpenAPI's that ``parameters`` and ``responseSchema`` take."""

    type: (
        Literal[
            "STRING",
            "NUMBER",
            "INTEGER",
            "BOOLEAN",
            "ARRAY",
            "OBJECT",
            "NULL",
            "string",
            "number",
            "integer",
            "boolean",
            "array",
            "object",
            "null",
        ]
        | None
    ) = None
    format: str | None = None
    title: str | None = None
    description: str | None = None
    nullable: bool | None = None
    enum: list[str] | None = None
    items: "Schema | None" = None
    properties: "dict[str, Schema] | None" = None
    required: list[str] | None = None
    any_of: "list[Schema] | None" = None
    property_ordering: list[str] | None = None
    default: Any = None
    example: Any = None
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_items: int | str | None = None
    max_items: int | str | None = None
    min_length: int | str | None = None
    max_length: int | str | None = None
    min_properties: int | str | None = None
    max_properties: int | str | None = None


class FunctionDeclaration(Strict):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")]
    description: str | None = None
    parameters: Schema | None = None
    parameters_json_schema: dict[str, Any] | None = None
    response: Schema | None = None
    response_json_schema: dict[str, Any] | None = None
    behavior: str | None = None


class Tool(Strict):
    function_declarations: list[FunctionDeclaration] = []


class FunctionCallingConfig(Strict):
    mode: Literal["AUTO", "ANY", "NONE", "VALIDATED"] = "AUTO"
    allowed_function_names: list[str] | None = None


class ToolConfig(Strict):
    function_calling_config: FunctionCallingConfig | None = None


class ThinkingConfig(Strict):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=-1, le=32768)] | None = None
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high"] | None = None


class GenerationConfig(Strict):
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    response_mime_type: Literal["text/plain", "application/json", "text/x.enum"] | None = None
    response_schema: Schema | None = None
    response_json_schema: dict[str, Any] | None = None
    response_modalities: list[str] | None = None
    candidate_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[float, Meta(ge=1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, lt=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, lt=2)] | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    thinking_config: ThinkingConfig | None = None
    media_resolution: str | None = None


class SafetySetting(Strict):
    category: str
    threshold: str


class GenerateRequest(Strict):
    contents: list[Content]
    model: str | None = None
    system_instruction: Content | None = None
    tools: list[Tool] = []
    tool_config: ToolConfig | None = None
    safety_settings: list[SafetySetting] = []
    generation_config: GenerationConfig | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None


class EmbedRequest(Strict):
    model: str
    content: Content
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: Annotated[int, Meta(ge=1)] | None = None


class BatchEmbedRequest(Strict):
    requests: Annotated[list[EmbedRequest], Meta(max_length=100)]


class EmbedConfig(Strict):
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: Annotated[int, Meta(ge=1)] | None = None
    auto_truncate: bool | None = None


class VertexEmbedRequest(Strict):
    content: Content
    embed_content_config: EmbedConfig | None = None


class VertexBatchEmbedRequest(Strict):
    requests: Annotated[list[VertexEmbedRequest], Meta(min_length=1)]
