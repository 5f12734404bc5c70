"""The description of the API: true to the code it describes, whole, and small enough to keep."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from sluice_gateway import errors
from sluice_gateway.errors import GatewayError, ProviderRefused
from sluice_gateway.server.app import ENDPOINTS
from sluice_gateway.server.openapi import faults
from sluice_gateway.server.openapi.document import OPERATIONS, document
from sluice_gateway.server.openapi.schemas import array, asked, either, optional, record, text, whole

WHOLE = document(OPERATIONS)
SCHEMAS = WHOLE["components"]["schemas"]
GOLDEN = Path(__file__).resolve().parents[3] / "golden"
BODIES = {"chat": "ChatRequest", "messages": "MessagesRequest", "responses": "ResponseRequest"}


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})


def references(document: Any) -> set[str]:
    if isinstance(document, dict):
        own = {document["$ref"]} if isinstance(document.get("$ref"), str) else set()
        return own.union(*map(references, document.values()))
    return set().union(*map(references, document)) if isinstance(document, list) else set()


def requests_of(shape: str) -> list[Path]:
    return sorted((GOLDEN / "dialects" / shape).glob("request-*.in.json"))


def test_each_schema_is_one_and_is_used() -> None:
    for schema in SCHEMAS.values():
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    assert references(WHOLE) == {f"#/components/schemas/{name}" for name in SCHEMAS}


@pytest.mark.parametrize("path", OPERATIONS)
def test_each_operation_says_what_programs_need(path: str) -> None:
    operation = OPERATIONS[path]
    said = WHOLE["paths"][path][operation.method]
    assert said["summary"].endswith(".")
    assert {"200", "500"} <= said["responses"].keys()
    assert (operation.body is None) == (operation.method == "get")
    names = [name for name in ("id",) if f"{{{name}}}" in path]
    assert [one["name"] for one in said.get("parameters", ()) if one["in"] == "path"] == names
    if operation.example is not None:
        validator(said["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]).validate(
            operation.example
        )


def test_requests_may_choose_a_strategy_and_replies_tell_of_limits() -> None:
    said = WHOLE["paths"]["/v1/chat/completions"]["post"]
    [strategy] = [one for one in said["parameters"] if one["name"] == "x-routing-strategy"]
    assert "smart" in strategy["schema"]["enum"]
    told = {name for name in said["responses"]["200"]["headers"] if name.startswith("x-ratelimit-")}
    assert told == {
        f"x-ratelimit-{part}-{unit}" for part in ("limit", "remaining", "reset") for unit in ("requests", "tokens")
    }


def test_operations_have_names_of_their_own() -> None:
    assert len({operation.name for operation in OPERATIONS.values()}) == len(OPERATIONS)


def test_every_error_of_the_gateway_is_described() -> None:
    tree = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, GatewayError)}
    told = {(row.status, row.code) for row in faults.rows()}
    assert told == {(kind.status, kind.code) for kind in tree - {ProviderRefused}}
    assert all(row.why.endswith(".") for row in faults.rows())


@pytest.mark.parametrize("path", ENDPOINTS)
def test_requests_for_models_may_fail_in_every_way_that_there_is(path: str) -> None:
    statuses = WHOLE["paths"][path]["post"]["responses"].keys()
    assert statuses == {
        *("200", "400", "401", "404", "408", "413", "415", "429", "500", "502", "503", "504"),
        faults.REFUSED,
    }


@pytest.mark.parametrize("shape", BODIES)
def test_every_request_that_a_shape_reads_fits_its_schema(shape: str) -> None:
    checked = 0
    for file in requests_of(shape):
        if "error" in json.loads(file.with_name(file.name.replace(".in.", ".out.")).read_text()):
            continue
        body = {"model": "m", **json.loads(file.read_text())["body"]}
        assert [error.message for error in validator(BODIES[shape]).iter_errors(body)] == [], file.name
        checked += 1
    assert checked or shape == "chat"


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("providers/*/response-*.out.json")), ids=lambda file: file.name)
def test_every_answer_that_was_written_fits_its_schema(file: Path) -> None:
    answer = json.loads(file.read_text())
    if "choices" in answer:
        validator("ChatCompletion").validate(answer)


def test_a_listener_describes_its_own_paths() -> None:
    assert list(document(["/health", "/v1/models"])["paths"]) == ["/v1/models", "/health"]


def test_a_listener_describes_no_object_that_it_does_not_speak_of() -> None:
    inside = document(["/internal/config", "/internal/report", "/metrics", "/health"])
    assert inside["components"]["schemas"].keys() == {"Config", "Report", "Status", "Error"}
    assert references(inside) == {f"#/components/schemas/{name}" for name in inside["components"]["schemas"]}


def test_internal_paths_are_marked() -> None:
    marked = [path for path, one in WHOLE["paths"].items() if one[OPERATIONS[path].method].get("x-internal")]
    admin = [path for path in OPERATIONS if path.startswith("/admin/")]
    assert marked == ["/metrics", "/internal/config", "/internal/report", *admin]


def test_keys_are_asked_of_applications_alone() -> None:
    ways: dict[str, list[str]] = {}
    for path, one in WHOLE["paths"].items():
        ways[path] = [way for said in one[OPERATIONS[path].method].get("security", ()) for way in said]
    assert {path for path, way in ways.items() if way == ["bearer", "apiKey"]} == {
        *(*ENDPOINTS, "/v1/models", "/v1/models/{id}")
    }
    assert all((way == ["adminToken"]) == path.startswith("/admin/") for path, way in ways.items())


def test_members_of_requests_may_be_null_unless_they_are_needed() -> None:
    schema = asked({"a": text(), "b": text(values=("x",)), "c": either(text(), array(whole()))}, ("a",))
    assert schema["properties"] == {
        "a": {"type": "string"},
        "b": {"type": ["string", "null"], "enum": ["x", None]},
        "c": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
    }
    assert optional(optional(text())) == {"type": ["string", "null"]}


def test_objects_are_open() -> None:
    assert record() == {"type": "object", "additionalProperties": True}
