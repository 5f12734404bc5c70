"""``sluice explain``: what a request would meet, and why, without sending it."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from sluice_config.compile import Gateway
from sluice_gateway.calls import Call, parse
from sluice_gateway.errors import GatewayError
from sluice_gateway.routing.explain import explain
from sluice_gateway.routing.table import build_table
from sluice_gateway.settings import Settings
from sluice_gateway.sources.assembly import Assembly, assemble
from sluice_gateway.sources.folder import Folder
from sluice_gateway.upstream import LeanUpstream


def run(
    paths: Sequence[Path],
    *,
    model: str | None,
    request: Path | None,
    output: str,
    environ: Mapping[str, str],
    out: TextIO,
) -> int:
    """Explain a request for ``model``, or for the model that ``request`` (a file, - for standard input) names.

    Returns 0 when a target would serve it, 1 when none would or the files have errors, 2 for a wrong call. Raises
    InvalidSetting.
    """
    try:
        name = _name(model, request)
    except _WrongCall as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 2
    except GatewayError as error:
        _print({"model": model, "answer": f"{error.status} {error.code}", "because": error.message}, output, out)
        return 1
    contents = Folder(paths).read()
    if contents is None:
        raise AssertionError("a first look always finds something to say")
    settings = Settings.read(environ, local=True)
    assembly = assemble(contents, Gateway(settings.namespace, settings.gateway), environ)
    if assembly.blocking:
        for located in assembly.blocking:
            print(located, file=sys.stderr)
        print("sluice: nothing can be explained until these files are in order", file=sys.stderr)
        return 1
    document = asyncio.run(_explained(assembly, name))
    _print(document, output, out)
    return 0 if any(target["tried"] for target in document["targets"]) else 1


class _WrongCall(Exception):
    """The arguments don't say what to explain."""


def _name(model: str | None, request: Path | None) -> str:
    if request is None:
        if not model:
            raise _WrongCall("explain needs --model NAME or --request FILE")
        return model
    try:
        body = sys.stdin.buffer.read() if str(request) == "-" else request.read_bytes()
    except OSError as error:
        raise _WrongCall(f"{request}: {error.strerror}") from error
    call: Call = parse(body)
    call.body_for("x")  # what would be refused on its way out is refused here too
    if model and model != call.model:
        raise _WrongCall(f"--model is {model!r}, but {request} asks for {call.model!r}")
    return call.model


async def _explained(assembly: Assembly, model: str) -> dict[str, Any]:
    table = build_table(assembly.snapshot, assembly.digest, assembly.credentials, LeanUpstream())
    document = explain(table, model)
    route = f"ModelRoute {document['route']}: "
    findings = [str(located) for located in assembly.findings if route in f"{located}: "]
    return document | {"findings": [*findings, *map(str, table.left_out)]}


def _print(document: dict[str, Any], output: str, out: TextIO) -> None:
    lines = [json.dumps(document, indent=2)] if output == "json" else _lines(document)
    print("\n".join(lines), file=out)


def _lines(document: dict[str, Any]) -> list[str]:
    lines = [f"{document['model']}: {document['answer']} ({document['because']})"]
    if document.get("route"):
        lines.append(f"  route    {document['route']}, pattern {document['pattern']}, strategy {document['strategy']}")
    lines += [
        f"  not      {other['route']}, pattern {other['pattern']}: fits less closely"
        for other in document.get("alsoMatching", ())
    ]
    for place, target in enumerate(document.get("targets", ()), 1):
        lines.append(f"  {place}. {'try' if target['tried'] else 'skip':<5} {target['target']}: {target['because']}")
    lines += [f"  note     {finding}" for finding in document.get("findings", ())]
    if document.get("config"):
        lines.append(f"  config   {document['config']}")
    return lines
