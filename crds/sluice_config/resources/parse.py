"""From a YAML document to a typed resource."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sluice_config.resources.base import API_VERSION
from sluice_config.resources.cache_policy import CachePolicy
from sluice_config.resources.model_route import ModelRoute
from sluice_config.resources.problems import InvalidResource, Problem, problems_of
from sluice_config.resources.provider_policy import ProviderPolicy

AnyResource = ModelRoute | ProviderPolicy | CachePolicy

KINDS: dict[str, type[AnyResource]] = {
    "ModelRoute": ModelRoute,
    "ProviderPolicy": ProviderPolicy,
    "CachePolicy": CachePolicy,
}

DEEPEST = 10
"""No schema is deeper: what lies below is an unknown field anyway."""


def parse_resource(document: Mapping[str, Any]) -> AnyResource:
    """Read one document of the group `sluice.dev`.

    Raises:
        InvalidResource: it is of an unknown version or kind, or breaks its schema or a rule.
    """
    if document.get("apiVersion") != API_VERSION:
        raise InvalidResource([Problem("apiVersion", f"must be {API_VERSION}")])
    kind = document.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidResource([Problem("kind", f"must be one of {', '.join(KINDS)}")])
    content = {key: _without_nulls(value, DEEPEST, {}) for key, value in document.items() if key != "status"}
    try:
        return model.model_validate(content, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidResource(problems_of(error, model)) from None


def _without_nulls(value: Any, depth: int, seen: dict[int, Any]) -> Any:
    """A field set to null is an absent field, as it is to the API server.

    YAML's aliases can make a small file a huge or endless tree: each part is copied once, and none below `depth`.
    """
    if depth == 0 or not isinstance(value, Mapping | list):
        return value
    if id(value) not in seen:
        seen[id(value)] = (
            {key: _without_nulls(item, depth - 1, seen) for key, item in value.items() if item is not None}
            if isinstance(value, Mapping)
            else [_without_nulls(item, depth - 1, seen) for item in value]
        )
    return seen[id(value)]
