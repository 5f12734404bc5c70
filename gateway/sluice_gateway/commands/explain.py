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
from sluice_gateway.routing.explain import Planned, explain
from sluice_gateway.routing.needs import needs_of
from sluice_gateway.routing.plan import make_plan
from sluice_gateway.routing.stickiness import conversation_of
from sluice_gateway.routing.table import Match, build_table
from sluice_gateway.settings import Settings
from sluice_gateway.sources.assembly import Assembly, assemble
from sluice_gateway.sources.folder import Folder
from sluice_gateway.upstream import LeanUpstream

BASIS = "no provider was asked: times are assumed, nothing is closed or full; see POST /admin/explain of a gateway"
CONSUMER = "anonymous"
"""Who is taken to ask: as a gateway without keys has it."""


def run(
    paths: Sequence[Path],
    *,
    model: str | None,
    request: Path | None,
    output: str,
    strategy: str = "",
    environ: Mapping[str, str],
    out: TextIO,
) -> int:
    """Explain a request for ``model``, or the one that ``request`` (a file, - for standard input) holds; ``strategy``
    is the header x-routing-strategy. Draws by chance come out at the middle: the same files always explain the same.

    Returns 0 when a target would serve it, 1 when none would or the files have errors, 2 for a wrong call. Raises
    InvalidSetting.
    """
    try:
        call = _call(model, request)
    except _WrongCall as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 2
    except GatewayError as error:
        _print(
            {"model": model or str(request), "answer": f"{error.status} {error.code}", "because": error.message},
            output,
            out,
        )
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
    document = asyncio.run(_explained(assembly, call, strategy))
    _print(document, output, out)
    return 0 if any(target["tried"] for target in document["targets"]) else 1


class _WrongCall(Exception):
    """The arguments don't say what to explain."""


def _call(model: str | None, request: Path | None) -> Call:
    if request is None:
        if not model:
            raise _WrongCall("explain needs --model NAME or --request FILE")
        return parse(json.dumps({"model": model}).encode())
    try:
        body = sys.stdin.buffer.read() if str(request) == "-" else request.read_bytes()
    except OSError as error:
        raise _WrongCall(f"{request}: {error.strerror}") from error
    call = parse(body)
    call.body_for("x")  # what would be refused on its way out is refused here too
    if model and model != call.model:
        raise _WrongCall(f"--model is {model!r}, but {request} asks for {call.model!r}")
    return call


async def _explained(assembly: Assembly, call: Call, strategy: str) -> dict[str, Any]:
    table = build_table(assembly.snapshot, assembly.digest, assembly.credentials, LeanUpstream())
    document = explain(table, call, strategy, _planned)
    route = f"ModelRoute {document['route']}: "
    findings = [str(located) for located in assembly.findings if route in f"{located}: "]
    return document | {"basis": BASIS, "findings": [*findings, *map(str, table.left_out)]}


def _planned(match: Match, call: Call, strategy: str) -> Planned:
    needs = needs_of(call)
    conversation = conversation_of(call, CONSUMER) if match.route.sticky else b""
    plan = make_plan(
        match,
        call.model,
        strategy=strategy,
        needs=needs,
        conversation=conversation,
        call=call,
    )
    return Planned(match, plan, needs)


def _print(document: dict[str, Any], output: str, out: TextIO) -> None:
    lines = [json.dumps(document, indent=2)] if output == "json" else _lines(document)
    print("\n".join(lines), file=out)


def _lines(document: dict[str, Any]) -> list[str]:
    lines = [f"{document['model']}: {document['answer']} ({document['because']})"]
    if document.get("route"):
        strategy = f", strategy {document['strategy']}" if "strategy" in document else ""
        lines.append(f"  route    {document['route']}, pattern {document['pattern']}{strategy}")
    lines += [
        f"  not      {other['route']}, pattern {other['pattern']}: fits less closely"
        for other in document.get("alsoMatching", ())
    ]
    if needs := document.get("needs"):
        lines.append(f"  needs    {_needs(needs)}")
    lines += [f"  note     {note}" for note in document.get("notes", ())]
    lines += [f"  {place}. {_target(target)}" for place, target in enumerate(document.get("targets", ()), 1)]
    lines += [f"  finding  {finding}" for finding in document.get("findings", ())]
    if document.get("config"):
        lines += [f"  basis    {document['basis']}", f"  config   {document['config']}"]
    return lines


def _needs(needs: dict[str, Any]) -> str:
    asked = [*needs["capabilities"], *(["stream"] if needs["stream"] else [])]
    tokens = f"about {needs['promptTokens']} tokens, and {needs['likelyOutputTokens']} of answers"
    return f"{', '.join(asked)}; {tokens}" if asked else tokens


def _target(target: dict[str, Any]) -> str:
    score = "" if target["score"] is None else f"{target['score']:.3f} "
    return f"{'try' if target['tried'] else 'skip':<5} {score}{target['target']}: {target['because']}"
