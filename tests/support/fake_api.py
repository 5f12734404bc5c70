"""A scripted API server: it lists, gets and watches ConfigMaps and Secrets as Kubernetes does, and fails as told.

    async with fake_api() as api:
        api.put("configmaps", {"metadata": {"name": "a"}, "data": {"k": "v"}})
        api.once("watch", refuses(410))

What it does when nothing is scripted is the documented protocol: a list has the version to watch from, a watch replays
what came after that version and then each change as a line of JSON, and one from a version that is no longer known gets
an event ERROR with code 410.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from tests.support.upstream import (
    Headers,
    Peer,
    Request,
    Script,
    ScriptedUpstream,
    chunk,
    head,
    json_answer,
    serve,
)

Document = dict[str, Any]
Verb = Literal["list", "get", "watch"]
Key = tuple[str, str]
"""A plural, and a name."""

WATCHING = head(200, [("content-type", "application/json"), ("transfer-encoding", "chunked")])


@dataclass(frozen=True)
class Asked:
    """One request, understood."""

    verb: Verb
    key: Key
    version: str
    token: str
    namespace: str


@dataclass(eq=False)
class _Watch:
    key: Key
    peer: Peer
    queue: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)


class FakeApi:
    """One namespace of it. ``asked`` holds every request."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.oldest = 0
        self.server: ScriptedUpstream
        self._version = 100
        self._objects: dict[Key, Document] = {}
        self._history: list[tuple[int, Key, bytes]] = []
        self._watches: list[_Watch] = []
        self._scripts: dict[Verb, list[Script]] = {"list": [], "get": [], "watch": []}
        self._always: dict[Verb, Script] = {}

    @property
    def url(self) -> str:
        return self.server.url

    def put(self, plural: str, document: Document) -> None:
        """Create or replace an object, and tell who watches it."""
        key = plural, document["metadata"]["name"]
        kind = "MODIFIED" if key in self._objects else "ADDED"
        self._version += 1
        metadata = {**document["metadata"], "resourceVersion": str(self._version)}
        self._objects[key] = {**document, "metadata": metadata}
        self._tell(key, kind, self._objects[key])

    def delete(self, plural: str, name: str) -> None:
        """Delete an object, and tell who watches it."""
        self._version += 1
        gone = self._objects.pop((plural, name))
        self._tell((plural, name), "DELETED", gone)

    def once(self, verb: Verb, *scripts: Script) -> None:
        """Let the next requests of this kind be answered by these scripts."""
        self._scripts[verb] += scripts

    def always(self, verb: Verb, script: Script | None) -> None:
        """Let every request of this kind be answered by this script; None ends that."""
        self._always.pop(verb, None)
        if script is not None:
            self._always[verb] = script

    def say(self, data: bytes) -> None:
        """Send these bytes on every watch."""
        for watch in self._watches:
            watch.queue.put_nowait(data)

    def forget(self) -> None:
        """Compact: no version up to now can be watched from."""
        self.oldest = self._version

    def cut(self) -> None:
        """Reset the connections of all watches."""
        for watch in self._watches:
            watch.peer.cut()
        self._watches.clear()

    async def watched(self, count: int) -> None:
        """Wait until so many watches are open."""
        await self.server.until(lambda: len([one for one in self._watches if not one.peer.closed.is_set()]) >= count)

    async def asks(self, verb: Verb, count: int) -> None:
        """Wait until so many requests of this kind have come."""
        await self.server.until(lambda: sum(one.verb == verb for one in self.asked) >= count)

    async def answer(self, peer: Peer, request: Request) -> None:
        """The script of the server."""
        asked = _understood(request)
        self.asked.append(asked)
        self.server.changed()
        if self._scripts[asked.verb]:
            await self._scripts[asked.verb].pop(0)(peer, request)
        elif asked.verb in self._always:
            await self._always[asked.verb](peer, request)
        elif asked.verb == "watch":
            await self._watch(peer, asked)
        elif asked.verb == "list":
            items = [self._objects[asked.key]] if asked.key in self._objects else []
            await peer.send(json_answer({"metadata": {"resourceVersion": str(self._version)}, "items": items}))
        elif asked.key in self._objects:
            await peer.send(json_answer(self._objects[asked.key]))
        else:
            await peer.send(json_answer({"message": f"{asked.key[1]} not found"}, 404))

    async def _watch(self, peer: Peer, asked: Asked) -> None:
        watch = _Watch(asked.key, peer)
        since = int(asked.version)
        await peer.send(WATCHING)
        if since < self.oldest:
            await peer.send(chunk(event("ERROR", {"code": 410, "message": "too old resource version"})))
            peer.end()
            return
        for version, key, line in self._history:
            if key == asked.key and version > since:
                watch.queue.put_nowait(line)
        self._watches.append(watch)
        self.server.changed()
        while True:
            await peer.send(chunk(await watch.queue.get()))

    def _tell(self, key: Key, kind: str, document: Document) -> None:
        line = event(kind, document)
        self._history.append((self._version, key, line))
        for watch in self._watches:
            if watch.key == key:
                watch.queue.put_nowait(line)


def event(kind: str, document: Document) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": document}).encode() + b"\n"


def refuses(status: int, message: str = "no", headers: Headers = ()) -> Script:
    """Answer with a Status object."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(json_answer({"kind": "Status", "code": status, "message": message}, status, headers))

    return script


def watch_of(*pieces: bytes) -> Script:
    """A watch that sends these pieces and ends in good order."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(WATCHING, *map(chunk, pieces), b"0\r\n\r\n")

    return script


def _understood(request: Request) -> Asked:
    """Raises AssertionError, which fails the test, for what a gateway has no business to ask."""
    address = urlsplit(request.target)
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    _, api, version, namespaces, namespace, plural, *rest = address.path.split("/")
    assert (request.method, api, version, namespaces) == ("GET", "api", "v1", "namespaces")
    assert plural in ("configmaps", "secrets")
    if rest:
        return Asked("get", (plural, rest[0]), query["resourceVersion"], token, namespace)
    selected, _, name = query["fieldSelector"].partition("=")
    assert selected == "metadata.name"
    if "watch" not in query:
        return Asked("list", (plural, name), "", token, namespace)
    assert query["allowWatchBookmarks"] == "true"
    assert int(query["timeoutSeconds"]) > 0
    return Asked("watch", (plural, name), query["resourceVersion"], token, namespace)


@contextlib.asynccontextmanager
async def fake_api() -> AsyncIterator[FakeApi]:
    """Run it on a free port of loopback."""
    api = FakeApi()
    async with serve(api.answer) as server:
        api.server = server
        yield api
