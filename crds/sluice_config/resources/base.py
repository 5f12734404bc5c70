"""What every resource has in common: key, metadata, sections and the rules between their fields."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from sluice_config.resources.scalars import Label, ObjectName

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
