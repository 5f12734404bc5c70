"""From models to structural schemas, as Kubernetes wants them in a CustomResourceDefinition.

Structural means: each field's type is said once, in place; no references, no unions of types, no nulls, no titles
(https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/, "Specifying a
structural schema").
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT = (
    "type",
    "description",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
    "x-sluice-says",
)
"""What is copied as it is, in this order. Titles, additionalProperties and constants are not."""


@cache
def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model, with its rules as CEL and its docstrings as descriptions.

    Keys that begin with x-sluice- are for readers of this module and no part of a CRD.
    """
    whole = model.model_json_schema(by_alias=True)
    return _structural(whole, whole.get("$defs", {}))


def _structural(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    node = _resolved(node, definitions)
    result = {key: node[key] for key in _KEPT if key in node}
    if result.get("default") is None or isinstance(result["default"], dict | list):
        result.pop("default", None)
    if node.get("type") == "array":
        result.setdefault("x-kubernetes-list-type", "atomic")
        result["items"] = _structural(node["items"], definitions)
    if node.get("type") == "object":
        if isinstance(node.get("additionalProperties"), dict):
            result["additionalProperties"] = _structural(node["additionalProperties"], definitions)
        result["properties"] = {
            name: _structural(child, definitions) for name, child in node.get("properties", {}).items()
        }
    return result


def _resolved(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """The node with its reference and its "or null" replaced by what they stand for; the field's own words win."""
    own = dict(node)
    if "anyOf" in own:
        (only,) = (option for option in own.pop("anyOf") if option.get("type") != "null")
        own = only | own
    if "$ref" in own:
        own = definitions[own.pop("$ref").rpartition("/")[2]] | own
        return _resolved(own, definitions)
    return own


def annotate(schema: Schema, model: type[BaseModel]) -> None:
    """Put a section's rules and its fields' docstrings into the schema that pydantic made of it."""
    schema["description"] = inspect.cleandoc(model.__doc__ or "")
    rules = [
        {"rule": rule.cel, "message": rule.message} | ({"fieldPath": f".{rule.field}"} if rule.field else {})
        for rule in getattr(model, "rules", ())
    ]
    if rules:
        schema["x-kubernetes-validations"] = rules
    for name, text in field_docstrings(model).items():
        schema["properties"][model.model_fields[name].alias or name]["description"] = text


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field in the class's source: field's name -> text."""
    source = ast.parse(textwrap.dedent(inspect.getsource(model)))
    body = next(node.body for node in source.body if isinstance(node, ast.ClassDef))
    found = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = inspect.cleandoc(ast.literal_eval(text.value))
    return found
