"""The admin paths answer as /openapi.json says: no member is missing there, and none of another kind."""

import json
from typing import Any

from jsonschema_rs import Draft202012Validator

from sluice_gateway.server.openapi.admin import CHAPTER
from sluice_gateway.server.openapi.document import document
from sluice_gateway.telemetry.target_figures import SERVED
from tests.support.admin import Parts, admin
from tests.support.gateway import provider, route

LIMITS = [{"name": "all", "per": "route", "requests": 10, "window": "minute"}]
ONE = provider("a", rateLimit={"requestsPerMinute": 60, "maxConcurrent": 2}) + route("one", "a/small", limits=LIMITS)
DOCUMENT = document(CHAPTER.operations)
SCHEMAS = DOCUMENT["components"]["schemas"]


def undescribed(schema: dict[str, Any], answer: Any, place: str = "") -> list[str]:
    """Members of an answer of which nothing is said."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if isinstance(answer, list):
        return [name for one in answer for name in undescribed(schema["items"], one, place)]
    members = schema.get("properties")
    if not isinstance(answer, dict) or members is None:
        return []
    found = [f"{place}.{name}" for name in answer if name not in members]
    return [
        *found,
        *(deep for name in answer.keys() & members for deep in undescribed(members[name], answer[name], name)),
    ]


def fill(parts: Parts) -> None:
    """Something of everything."""
    now = parts.time.clock()
    parts.figures.note("default/a", "small", SERVED, asked=now - 1, first_byte=now - 0.5, now=now, stream=True)
    parts.health.append({"provider": "default/a", "state": "healthy", "reason": "", "checks": []})
    parts.discovery.append({"provider": "default/a", "models": 1, "slots": None, "problem": None})
    parts.occupied.append(("default/a", 1, 0))


async def test_every_answer_is_as_it_is_described() -> None:
    async with admin(ONE) as (door, parts):
        fill(parts)
        for path in ("/admin/breakers/open", *CHAPTER.operations):
            operation = CHAPTER.operations[path]
            body = None
            if operation.example is not None:
                text = (
                    json.dumps(operation.example).replace("default/openai", "default/a").replace("gpt-4o-mini", "small")
                )
                body = json.loads(text)
                assert operation.body is not None
                Draft202012Validator({**operation.body, "components": DOCUMENT["components"]}).validate(body)
            status, answer = await door.ask(path, body)
            assert status == 200, path
            schema = operation.answers["application/json"]
            Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(answer)
            assert undescribed(schema, answer, path) == []


async def test_what_is_refused_is_a_status_that_is_described() -> None:
    async with admin(ONE) as (door, _):
        for path, operation in CHAPTER.operations.items():
            said = DOCUMENT["paths"][path][operation.method]["responses"].keys()
            body = None if operation.body is None else {"provider": "default/x", "seconds": 10**9, "request": 5}
            for query, host in (("", "localhost"), ("?provider=x&route=x", "localhost"), ("", "evil.example")):
                status, _answer = await door.ask(path + query, body, host=host)
                assert str(status) in said, (path, status)
