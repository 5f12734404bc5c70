"""The kinds that users write, one file each."""

from sluice_config.resources.base import API_VERSION, GROUP, VERSION, Metadata, Resource, ResourceKey, Rule, Section
from sluice_config.resources.cache_policy import CachePolicy
from sluice_config.resources.model_route import ModelRoute
from sluice_config.resources.parse import KINDS, AnyResource, parse_resource
from sluice_config.resources.problems import InvalidResource, Problem
from sluice_config.resources.provider_policy import ProviderPolicy

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "AnyResource",
    "CachePolicy",
    "InvalidResource",
    "Metadata",
    "ModelRoute",
    "Problem",
    "ProviderPolicy",
    "Resource",
    "ResourceKey",
    "Rule",
    "Section",
    "parse_resource",
]
