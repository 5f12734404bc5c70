"""The Kubernetes API server, as far as a gateway needs it: read and watch single objects, by name.

The one owner of this HTTP: no exception of the client gets out, and no token gets into an error.
"""

import contextlib
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Literal, Self, TypeVar

import aiohttp
import msgspec

from sluice_gateway.settings import InvalidSetting

Plural = Literal["configmaps", "secrets"]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where Kubernetes mounts a pod's token and CA
_LARGEST = 4 * 1024 * 1024  # bytes of one answer or event: an object has at most 1.5 MiB (etcd's limit), then base64
_PIECE = 256 * 1024  # bytes to take from the connection at a time
_SECONDS = re.compile(r"[0-9]{1,9}")
_EXCERPT = 200  # characters of the API server's own message in an error

_CONNECT_SECONDS = 5.0

ANSWER_SECONDS = 10.0
"""How long an answer may take."""
SILENCE_SECONDS = 80.0
"""How long a watch may say nothing: one that lives has a bookmark each minute; one that doesn't is as good as cut."""

T = TypeVar("T")


class ApiError(Exception):
    """The API server did not do what was asked. The text is safe to show; ``retry_after`` is in seconds."""

    def __init__(self, reason: str, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Expired(ApiError):
    """The version to watch from is no longer known: list again."""


class Forbidden(ApiError):
    """Our account has no right to do this."""


class NotThere(ApiError):
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it is stored: a ConfigMap's data and binaryData, or a Secret's data. Its repr shows no values."""

    version: str
    annotations: Mapping[str, str]
    data: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What a watch tells: the object as it is now, None when it is gone. A ``bookmark`` says only that it lives."""

    stored: Stored | None = None
    bookmark: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is, and how to be known to it. Files are read for each request, as they are rotated."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str],
        *,
        url: str | None = None,
        token_file: Path | None = None,
        ca_file: Path | None = None,
    ) -> Self:
        """What a pod finds in its environment; with ``url``, just what is given. Raises InvalidSetting."""
        if url:
            if not url.startswith(("https://", "http://")):
                raise InvalidSetting(f"--kube-api: {url!r} is no http or https address")
            return cls(url.rstrip("/"), token_file, ca_file)
        host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise InvalidSetting("there is no API server: KUBERNETES_SERVICE_HOST is not set, nor --kube-api")
        authority = f"[{host}]" if ":" in host else host
        return cls(f"https://{authority}:{port}", token_file or _ACCOUNT / "token", ca_file or _ACCOUNT / "ca.crt")


class ApiServer:
    """A client for the objects of one namespace. Used as a context; its methods raise ApiError."""

    def __init__(
        self,
        access: Access,
        namespace: str,
        answer_seconds: float = ANSWER_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._access = access
        self._whole = aiohttp.ClientTimeout(total=answer_seconds, sock_connect=_CONNECT_SECONDS)
        self._silent = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=silence_seconds)
        self._base = f"{access.url}/api/v1/namespaces/{namespace}"
        self._trusted: tuple[bytes, ssl.SSLContext] | None = None
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        # Without compression: shards are compressed already.
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "sluice-gateway"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, plural: Plural, name: str, version: str) -> Stored:
        """The object, not older than ``version``: the API server then answers from its memory, and waits if that lags
        behind (the Kubernetes API's rule for resourceVersion). Raises NotThere.
        """
        async with self._ask(f"{plural}/{name}", {"resourceVersion": version}, self._whole) as response:
            return _stored(plural, _decoded(await _read(response), _Object))

    async def find(self, plural: Plural, name: str) -> tuple[Stored | None, str]:
        """The object as it is now, or None, and the version to watch from."""
        async with self._ask(plural, {"fieldSelector": f"metadata.name={name}"}, self._whole) as response:
            listed = _decoded(await _read(response), _List)
        found = _stored(plural, listed.items[0]) if listed.items else None
        return found, listed.metadata.resource_version

    async def watch(self, plural: Plural, name: str, version: str, seconds: int) -> AsyncGenerator[Change | None, None]:
        """None once the watch has begun, then the object's changes after ``version``, for about so many seconds. Raises
        Expired when that version is too old.
        """
        options = {
            "fieldSelector": f"metadata.name={name}",
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        async with self._ask(plural, options, self._silent) as response:
            yield None
            async for line in _lines(response):
                yield _change(plural, line)

    @contextlib.asynccontextmanager
    async def _ask(
        self, path: str, options: Mapping[str, str], limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request; its response is open within the block. What fails there becomes an ApiError too."""
        try:
            async with self._session.get(
                f"{self._base}/{path}",
                params=options,
                headers=self._authorization(),
                ssl=self._trust(),
                timeout=limits,
                allow_redirects=False,  # the token is for nobody else
            ) as response:
                await _check(response)
                yield response
        except TimeoutError as error:
            raise ApiError("it does not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ApiError(f"it can't be reached, or broke off: {_text(error)}") from error

    def _authorization(self) -> dict[str, str]:
        file = self._access.token_file
        if file is None:
            return {}
        token = _content(file).decode("ascii", "replace").strip()
        if not token.isprintable() or not token.isascii():
            raise ApiError(f"{file} holds no token")
        return {"authorization": f"Bearer {token}"}

    def _trust(self) -> ssl.SSLContext | bool:
        file = self._access.ca_file
        if file is None:
            return True  # the system's
        content = _content(file)
        if self._trusted is None or self._trusted[0] != content:
            # Verifies, and trusts nobody yet. Not create_default_context: from Python 3.13 on, that is stricter (RFC
            # 5280's VERIFY_X509_STRICT) than the certificates of many clusters are.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_verify_locations(cadata=content.decode("ascii", "replace") or "nobody")
            except ssl.SSLError as error:
                raise ApiError(f"{file} holds no certificates") from error
            self._trusted = content, context
        return self._trusted[1]


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Object(msgspec.Struct, rename="camel"):
    metadata: _Meta
    data: dict[str, str] | None = None
    binary_data: dict[str, bytes] | None = None


class _List(msgspec.Struct):
    metadata: _Meta
    items: list[_Object]


class _Event(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


def _stored(plural: Plural, found: _Object) -> Stored:
    """A Secret's data are base64 (as is binaryData, which msgspec decodes); a ConfigMap's are text."""
    try:
        data = found.data or {}
        plain = msgspec.convert(data, dict[str, bytes]) if plural == "secrets" else _encoded(data)
    except msgspec.ValidationError:
        raise ApiError("it answered a Secret whose data are not base64") from None  # the cause may quote them
    return Stored(
        found.metadata.resource_version, found.metadata.annotations or {}, {**plain, **(found.binary_data or {})}
    )


def _encoded(data: Mapping[str, str]) -> dict[str, bytes]:
    return {key: value.encode() for key, value in data.items()}


def _change(plural: Plural, line: bytes) -> Change:
    event = _decoded(line, _Event)
    if event.type == "ERROR":
        status = _decoded(event.object, _Status)
        raise _error(status.code, status.message)
    found = _decoded(event.object, _Object)
    if event.type == "BOOKMARK":
        return Change(bookmark=True)
    return Change(None if event.type == "DELETED" else _stored(plural, found))


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == HTTPStatus.OK:
        return
    try:
        message = _decoded(await _read(response), _Status).message
    except ApiError:
        message = ""
    seconds = response.headers.get("retry-after", "")
    raise _error(response.status, message, float(seconds) if _SECONDS.fullmatch(seconds) else 0)


def _error(status: int, message: str, retry_after: float = 0) -> ApiError:
    kind = {403: Forbidden, 404: NotThere, 410: Expired}.get(status, ApiError)
    text = "".join(filter(str.isprintable, message))[:_EXCERPT]
    return kind(f"it answered {status}" + (f": {text}" if text else ""), retry_after)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(_PIECE):
        body += piece
        if len(body) > _LARGEST:
            raise ApiError(f"it answered more than {_LARGEST} bytes")
    return bytes(body)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Each line as soon as it is whole. A last one without its end was cut off, and is dropped."""
    rest = bytearray()
    async for piece in response.content.iter_any():
        start = len(rest)
        rest += piece
        if (end := rest.rfind(b"\n", start)) >= 0:
            whole, rest = rest[:end], rest[end + 1 :]
            for line in whole.split(b"\n"):
                if line.strip():
                    yield bytes(line)
        if len(rest) > _LARGEST:
            raise ApiError(f"it sent an event of more than {_LARGEST} bytes")


def _decoded(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiError("it answered something that no API server does") from None  # the cause may quote a Secret


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ApiError(f"{file} can't be read: {error.strerror}") from error


def _text(error: BaseException) -> str:
    return "".join(filter(str.isprintable, str(error)))[:_EXCERPT] or type(error).__name__
