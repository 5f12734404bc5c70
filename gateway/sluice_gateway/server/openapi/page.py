"""GET /docs: the description as one HTML page, which loads nothing and runs nothing."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from sluice_gateway.server.openapi import faults, headers
from sluice_gateway.server.openapi.document import OPERATIONS, document, parameters, reply_headers
from sluice_gateway.server.openapi.operations import Operation
from sluice_gateway.server.openapi.schemas import Schema, ref, referred

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1e21;"
    "background:#fff}code,pre{font:.875em ui-monospace,monospace}pre{background:#f2f4f6;padding:.75rem;overflow:auto}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;"
    "border-bottom:1px solid #ddd}h2{margin-top:2.5rem}summary{cursor:pointer}"
    "@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181b}pre{background:#22262b}"
    "th,td{border-color:#3a3f45}a{color:#8ab4f8}}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content-Security-Policy: this page's own style, and nothing else at all."""

SDK = """from openai import OpenAI

client = OpenAI(base_url="http://localhost:8080/v1", api_key="KEY")
answer = client.chat.completions.create(
    model="chat", messages=[{"role": "user", "content": "Say hello."}]
)
print(answer.choices[0].message.content)"""
"""The first program that anybody writes."""


def page(paths: Iterable[str]) -> str:
    """The page for a listener with these paths."""
    described = document(paths)
    schemas = described["components"]["schemas"]
    operations = {path: OPERATIONS[path] for path in described["paths"]}
    info = described["info"]
    links = "".join(
        f'<li><a href="#{one.name}"><code>{_call(path, one)}</code></a></li>' for path, one in operations.items()
    )
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width"><title>Sluice API</title>',
            f"<style>{_STYLE}</style></head><body><h1>Sluice {escape(info['version'])}</h1>",
            f"<p>{escape(info['description'])} For programs: <a href=/openapi.json>/openapi.json</a>.</p>",
            f"<p>Callers' keys, where the gateway asks for one: <code>{escape(headers.KEY)}</code></p>",
            f"<ul>{links}</ul><h2>With OpenAI's SDK</h2><pre>{escape(SDK)}</pre>",
            *(_section(path, one, schemas) for path, one in operations.items()),
            _objects(described["paths"], schemas),
            _errors(),
            "</body></html>",
        )
    )


def _call(path: str, operation: Operation) -> str:
    return f"{operation.method.upper()} {escape(path)}"


def _section(path: str, operation: Operation, schemas: Mapping[str, Any]) -> str:
    inside = " For the cluster's own programs." if operation.internal else ""
    said = f"{operation.summary} {operation.description}{inside}"
    parts = [f'<h2 id="{operation.name}"><code>{_call(path, operation)}</code></h2><p>{escape(said.strip())}</p>']
    if operation.body is not None:
        parts.append(_fields("Request", operation.body, schemas))
    if own := parameters(operation):
        rows = [(one["name"], f"{_kind(one['schema'])}, in {one['in']}", one["description"]) for one in own]
        parts.append(_table("Parameters", ("name", "type", ""), rows))
    parts.append(f"<pre>{escape(_curl(path, operation))}</pre>")
    for kind, schema in operation.answers.items():
        parts.append(_fields(f"Answer, {kind}", operation.event if kind == "text/event-stream" else schema, schemas))
    if told := reply_headers(operation):
        parts.append(_table("Headers of the answer", ("header", ""), list(told.items())))
    return "".join(parts)


def _fields(title: str, schema: Any, schemas: Mapping[str, Any]) -> str:
    """An object's members, and those of the objects that they are made of."""
    found = _resolved(schema, schemas)
    needed = found.get("required", ())
    rows = [
        (name, _kind(one) + (", needed" if name in needed else ""), one.get("description", ""))
        for name, one in found.get("properties", {}).items()
    ]
    told = f"<p>{escape(found['description'])}</p>" if "description" in found else ""
    return told + _table(title, ("field", "type", ""), rows) if rows else told


def _objects(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """What the objects above are made of, as far as it has a name."""
    whole = {schema.get("$ref") for one in map(OPERATIONS.__getitem__, paths) for schema in _of(one)}
    parts = [name for name in referred(paths, schemas) if ref(name)["$ref"] not in whole]
    tables = "".join(_fields(name, schemas[name], {}) for name in parts)
    return f'<h2 id="objects">Objects</h2>{tables}' if parts else ""


def _of(operation: Operation) -> list[Schema]:
    return [one for one in (operation.body, operation.event, *operation.answers.values()) if one is not None]


def _resolved(schema: Any, schemas: Mapping[str, Any]) -> Any:
    return schemas[schema["$ref"].rpartition("/")[2]] if schema and "$ref" in schema else schema or {}


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"] if one != {"type": "null"})
    if values := [value for value in schema.get("enum", ()) if value is not None]:
        return " | ".join(values)
    if "const" in schema:
        return json.dumps(schema["const"])
    kinds = schema.get("type", "any")
    kind = next((one for one in kinds if one != "null"), "null") if isinstance(kinds, list) else kinds
    return f"list of {_kind(schema['items'])}" if kind == "array" else str(kind)


def _curl(path: str, operation: Operation) -> str:
    url = f"http://localhost:8080{path.replace('{id}', 'chat')}"
    if operation.body is None:
        return f"curl {url}"
    body = json.dumps(operation.example)
    return f"curl {url} -H 'authorization: Bearer KEY' \\\n  -H 'content-type: application/json' -d '{body}'"


def _errors() -> str:
    rows = [(str(row.status), row.code, row.openai, row.anthropic, row.why) for row in faults.rows()]
    rows.append((faults.REFUSED, "the provider's", "", "", faults.REFUSED_WHY))
    titles = ("status", "code", "OpenAI's type", "Anthropic's type", "")
    text = "In a stream, an error is one last event in the caller's shape; the end mark does not follow."
    return f'<h2 id="errors">Errors</h2><p>{escape(text)}</p>{_table("", titles, rows)}'


def _table(title: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in titles)
    body = "".join(f"<tr>{''.join(_cell(cell, index) for index, cell in enumerate(row))}</tr>" for row in rows)
    table = f"<table><tr>{head}</tr>{body}</table>"
    return f"<details><summary>{escape(title)}</summary>{table}</details>" if title else table


def _cell(text: str, column: int) -> str:
    return f"<td><code>{escape(text)}</code></td>" if column == 0 else f"<td>{escape(text)}</td>"
