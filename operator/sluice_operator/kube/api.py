"""Calls of the API: read, list, watch, create, replace, apply.

Documents stay what the server sent: the client libraries' models of every kind would fill 75 MiB and lose what they do
not know.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from sluice_operator.kube.access import Access
from sluice_operator.kube.errors import Expired, NotFound, Unreachable, error_of
from sluice_operator.kube.kinds import KINDS, SECRET, Document, Kind, metadata_of

T = TypeVar("T")

FIELD_MANAGER: Final = "sluice-operator"
CHUNK: Final = 500
"""Objects a page of a list: the API server's own clients use as many."""
MOST_LIST_TRIES: Final = 3
MOST_CONNECTIONS: Final = 100
"""For calls. Watches, of which there may be hundreds, have their own: no number of them may hold up a call."""
REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, sock_connect=5)
WATCH_SECONDS: Final = 300
"""After so long the server ends a watch, and it begins anew: a connection that died unnoticed is left this way."""
WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(sock_connect=5, sock_read=WATCH_SECONDS + 30)

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
"""JSON is YAML: https://kubernetes.io/docs/reference/using-api/server-side-apply/"""
MERGE: Final = "application/merge-patch+json"
_STUBS: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_STUB_LISTS: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """All objects of a collection, or what was made of them, at one resourceVersion."""

    items: tuple[T, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Stub:
    """An object's identity: what there is to know of a Secret without reading it."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    deleted: bool = False
    written: object = None
    """When who wrote what is not its status: what tells changes apart that only a status has."""

    @classmethod
    def of(cls, document: Document, *, deleted: bool = False) -> "Stub":
        """From an object's metadata."""
        metadata = metadata_of(document)
        return cls(
            metadata.get("namespace", ""),
            metadata.get("name", ""),
            metadata.get("uid", ""),
            metadata.get("resourceVersion", ""),
            deleted,
            tuple(
                (entry.get("manager"), entry.get("time"))
                for entry in metadata.get("managedFields") or ()
                if not entry.get("subresource")
            ),
        )


class Api:
    """The API server. Every method raises KubeError."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._http, self._watches = _session(access, MOST_CONNECTIONS), _session(access, 0)
        self._decode = msgspec.json.Decoder().decode

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
        await self._watches.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Document:
        """One object. Raises NotFound."""
        return await self._call("GET", kind, namespace, name)

    async def find(self, kind: Kind, namespace: str, name: str) -> Document | None:
        """One object, if it exists."""
        try:
            return await self.get(kind, namespace, name)
        except NotFound:
            return None

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str = "") -> tuple[Document, ...]:
        """All objects of a kind, in one namespace or in all. Every page is of the same moment, or none is returned."""
        return (await self._list(kind, namespace, _only(labels), _same)).items

    async def each(self, kind: Kind, namespace: str | None, take: Callable[[Document], T]) -> tuple[T, ...]:
        """What ``take`` makes of each object, page by page: never are all objects in memory."""
        return (await self._list(kind, namespace, {}, take)).items

    async def list_stubs(
        self, kind: Kind, namespace: str | None, *, labels: str = "", name: str = ""
    ) -> tuple[tuple[Stub, ...], str]:
        """Identities of objects, without their content; and the list's resourceVersion.

        With ``name`` of that one object only, which is what a role may allow by its resourceNames.
        """
        listing = await self._list(kind, namespace, _only(labels, name), Stub.of, accept=_STUB_LISTS)
        return listing.items, listing.resource_version

    async def list_metadata(self, kind: Kind, namespace: str, *, labels: str) -> tuple[Document, ...]:
        """Objects without their content: enough to tell whose they are, and to delete them."""
        return (await self._list(kind, namespace, _only(labels), _same, accept=_STUB_LISTS)).items

    async def watch_stubs(
        self, kind: Kind, namespace: str | None, since: str, *, name: str = ""
    ) -> AsyncGenerator[Stub, None]:
        """Identities of objects as they change, after a list. Ends when the server ends it. Raises Expired too."""
        query = {"watch": "true", "resourceVersion": since, "timeoutSeconds": str(WATCH_SECONDS)} | _only(name=name)
        what, path = f"watch {kind.plural} in {namespace or 'all namespaces'}", kind.path(namespace)
        async with self._answer("GET", path, what, query=query, accept=_STUBS, patience=WATCH_TIMEOUT) as reply:
            async for line in _lines(reply):
                event = self._decode(line)
                document = event["object"]
                if event["type"] == "ERROR":
                    raise error_of(what, document.get("code", 500), document.get("message", ""))
                yield Stub.of(document, deleted=event["type"] == "DELETED")

    async def create(self, document: Document) -> Document:
        """A new object. Raises Conflict when there is one of that name."""
        kind, namespace, _ = _place(document)
        return await self._call("POST", kind, namespace, body=document, query={"fieldManager": FIELD_MANAGER})

    async def replace(self, document: Document) -> Document:
        """An object's new content. Raises Conflict unless the document has the live resourceVersion."""
        kind, namespace, name = _place(document)
        return await self._call("PUT", kind, namespace, name, body=document, query={"fieldManager": FIELD_MANAGER})

    async def apply(self, document: Document) -> Document:
        """Server-side apply: our fields become what the document says, other managers' fields stay.

        With a uid and a resourceVersion in the document, raises Conflict unless the live object has the same.
        """
        kind, namespace, name = _place(document)
        return await self._patch(document, kind, namespace, name, APPLY)

    async def merge(self, document: Document) -> Document:
        """A JSON merge patch: what the document has as null goes. Raises Conflict as ``apply`` does."""
        kind, namespace, name = _place(document)
        return await self._patch(document, kind, namespace, name, MERGE)

    async def apply_status(self, document: Document) -> Document:
        """Server-side apply of the status alone. With a resourceVersion in the document, raises Conflict as ``apply``.

        A uid in the document is no condition: the server passes over it where custom resources have a status.
        """
        kind, namespace, name = _place(document)
        return await self._patch(document, kind, namespace, f"{name}/status", APPLY)

    async def delete(self, document: Document) -> None:
        """Delete an object as it was read: Conflict when it has changed since, NotFound when it is gone."""
        kind, namespace, name = _place(document)
        metadata = metadata_of(document)
        conditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        await self._call("DELETE", kind, namespace, name, body={"preconditions": conditions})

    async def user(self) -> str:
        """Who the server says that we are, such as "system:serviceaccount:sluice-system:sluice-operator"."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        async with self._answer("POST", path, "ask who we are", body=review) as reply:
            answer = self._decode(await reply.read())
        name: str = answer["status"]["userInfo"].get("username", "")
        return name

    async def _patch(self, document: Document, kind: Kind, namespace: str, name: str, content_type: str) -> Document:
        query = {"fieldManager": FIELD_MANAGER} | ({"force": "true"} if content_type == APPLY else {})
        return await self._call("PATCH", kind, namespace, name, query=query, body=document, content_type=content_type)

    async def _list(
        self,
        kind: Kind,
        namespace: str | None,
        only: Mapping[str, str],
        take: Callable[[Document], T],
        accept: str | None = None,
    ) -> Listing[T]:
        for attempt in range(1, MOST_LIST_TRIES + 1):
            try:
                return await self._pages(kind, namespace, only, take, accept)
            except Expired:  # in the middle: what was read so far is of a moment that the server no longer has
                if attempt == MOST_LIST_TRIES:
                    raise
        raise AssertionError

    async def _pages(
        self,
        kind: Kind,
        namespace: str | None,
        only: Mapping[str, str],
        take: Callable[[Document], T],
        accept: str | None,
    ) -> Listing[T]:
        items: list[T] = []
        query = {"limit": str(CHUNK), **only}
        while True:
            page = await self._call("GET", kind, namespace, query=query, accept=accept)
            for item in page.pop("items", None) or ():
                item["apiVersion"], item["kind"] = kind.api_version, kind.name  # a list's items come without
                items.append(take(item))
            metadata = metadata_of(page)
            if not metadata.get("continue"):
                return Listing(tuple(items), metadata.get("resourceVersion", ""))
            query["continue"] = metadata["continue"]

    async def _call(
        self,
        method: str,
        kind: Kind,
        namespace: str | None,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Document | None = None,
        accept: str | None = None,
        content_type: str = JSON,
    ) -> Document:
        where = "/".join(part for part in (namespace, name) if part)
        what = f"{method} {kind.plural} {where}".rstrip()
        path = kind.path(namespace, name)
        async with self._answer(
            method, path, what, query=query, body=body, accept=accept, content_type=content_type
        ) as got:
            document: Document = self._decode(await got.read())
            return document

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Document | None = None,
        accept: str | None = None,
        content_type: str = JSON,
        patience: aiohttp.ClientTimeout = REQUEST_TIMEOUT,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, when it is a 2xx. Foreign exceptions stop here, also those from reading its body."""
        headers = {"Accept": accept or JSON}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            headers |= self._access.connection().as_http_headers()
            session = self._watches if patience is WATCH_TIMEOUT else self._http
            async with session.request(
                method,
                URL(self._access.server + quote(path), encoded=True),
                params=query,
                headers=headers,
                data=None if body is None else msgspec.json.encode(body),
                timeout=patience,
                allow_redirects=False,
            ) as reply:
                if not 200 <= reply.status <= 299:
                    # What is wrong with a Secret may quote from it.
                    said = "" if SECRET.plural in what else _message(await reply.read())
                    raise error_of(what, reply.status, said)
                yield reply
        except (aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            raise Unreachable(what, type(error).__name__) from error


def _only(labels: str = "", name: str = "") -> dict[str, str]:
    """The part of a query that says which objects are meant."""
    wanted = {"labelSelector": labels, "fieldSelector": name and f"metadata.name={name}"}
    return {option: value for option, value in wanted.items() if value}


def _session(access: Access, most: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=access.ssl_context(), limit=most),
        headers={"User-Agent": FIELD_MANAGER},
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _place(document: Document) -> tuple[Kind, str, str]:
    metadata = metadata_of(document)
    return KINDS[document["kind"]], metadata["namespace"], metadata.get("name", "")


def _same(document: Document) -> Document:
    return document


async def _lines(reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines of an answer. aiohttp's own iterator gives up on lines of 128 KiB, and annotations may be longer."""
    rest = b""
    async for data in reply.content.iter_any():
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line


def _message(body: bytes) -> str:
    """The words of the Status object that the server answers errors with."""
    try:
        status = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ""
    return str(status.get("message", "")) if isinstance(status, dict) else ""
