"""What every resource has in common: key, metadata, sections and the rules between their fields."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from sluice_config.resources.scalars import Label, ObjectName
from sluice_config.resources.schema import annotate

GROUP = "sluice.dev"
VERSION = "v1alpha1"
API_VERSION: Final = "sluice.dev/v1alpha1"

APIVersion = Literal["sluice.dev/v1alpha1"]


class ResourceKey(NamedTuple):
    """A resource's identity. Sorts by kind, namespace, name; as text "ModelRoute/default/chat"."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule between the fields of one section: declared once, checked here and by the API server.

    `cel` is the API server's text of what `holds` says in Python; `field` is the field to blame (camelCase, relative to
    the section; "" for the section itself). A rule about a change (`oldSelf` in its text) has no `holds`: it
    binds only where there is an old object, which is at the API server.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    field: str = ""


@dataclass(frozen=True, slots=True)
class Unique:
    """Marks a list whose items must differ: as a whole (`key` ""), or by the field `key`.

    To the API server the list is a set, or a map by that field, so that server-side apply merges it item by item.
    """

    key: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        kind = {"x-kubernetes-list-type": "map" if self.key else "set"}
        return handler(schema) | kind | ({"x-kubernetes-list-map-keys": [self.key]} if self.key else {})

    def _check(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        first: dict[Any, int] = {}
        for index, item in enumerate(items):
            earlier = first.setdefault(getattr(item, self.key) if self.key else item, index)
            if earlier != index:
                what = f"has the {self.key} of" if self.key else "repeats"
                message = f"items must differ: [{index}] {what} [{earlier}]"
                raise PydanticCustomError("rule", "{message}", {"message": message, "field": ""})
        return items


class Frozen(BaseModel):
    """An immutable value: camelCase in documents, snake_case in Python, no unknown fields, no type coercion."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )


class Section(Frozen):
    """A part of a spec, with the rules between its fields."""

    model_config = ConfigDict(json_schema_extra=annotate)

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        for rule in self.rules:
            if rule.holds is not None and not rule.holds(self):
                raise PydanticCustomError("rule", "{message}", {"message": rule.message, "field": rule.field})
        return self


def _timestamp(value: object) -> object:
    """YAML readers turn an unquoted timestamp into a datetime; Kubernetes writes RFC 3339 in UTC."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


class Metadata(Frozen):
    """The part of an object's metadata that means something to Sluice; all else is ignored."""

    model_config = ConfigDict(extra="ignore")

    name: ObjectName
    namespace: Label = "default"
    generation: int = Field(default=1, ge=0)
    creation_timestamp: Annotated[str | None, BeforeValidator(_timestamp)] = Field(default=None, max_length=64)
    annotations: dict[str, str] = Field(default_factory=dict)


class Resource(Frozen):
    """One custom resource of the group `sluice.dev`. Its status, if any, is not read."""

    model_config = ConfigDict(extra="forbid")

    api_version: APIVersion = API_VERSION
    kind: str
    metadata: Metadata

    @property
    def key(self) -> ResourceKey:
        """Kind, namespace and name."""
        return ResourceKey(self.kind, self.metadata.namespace, self.metadata.name)
