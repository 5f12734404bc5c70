"""The API server as a plain HTTPS client sees it: documents in, documents or a refusal out."""

import http.client
import json
import select
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

Document = dict[str, Any]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

APPLY = "application/apply-patch+yaml"  # server-side apply; JSON is YAML
MERGE = "application/merge-patch+json"
FIELD_MANAGER = "tests"
PATIENCE = 30.0


class ApiRefused(Exception):
    """The API server's answer was an error; its text is the message of the Status object."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Identity:
    """Who asks: a client certificate, or a bearer token."""

    certificate: tuple[Path, Path] | None = None
    token: str | None = None


class Api:
    """One connection to the API server, opened when first needed. For one thread."""

    def __init__(self, server: str, ca_file: Path, identity: Identity) -> None:
        context = ssl.create_default_context(cafile=ca_file)
        if identity.certificate:
            context.load_cert_chain(*identity.certificate)
        address = urlsplit(server)
        assert address.hostname is not None
        self._connection = http.client.HTTPSConnection(
            address.hostname, address.port, context=context, timeout=PATIENCE
        )
        self._headers = {"Authorization": f"Bearer {identity.token}"} if identity.token else {}

    def request(
        self,
        method: Method,
        path: str,
        body: Document | None = None,
        content_type: str = "application/json",
        **query: str,
    ) -> Document:
        """The document that the API server answers; raises ApiRefused."""
        url = f"{path}?{urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body)
        if self._connection.sock and select.select([self._connection.sock], [], [], 0)[0]:
            self._connection.close()  # the server has ended it while it was idle
        try:
            self._connection.request(method, url, content, self._headers | {"Content-Type": content_type})
            answer = self._connection.getresponse()
            found: Document = json.loads(answer.read())
        except BaseException:
            self._connection.close()
            raise
        if answer.status >= http.client.BAD_REQUEST:
            raise ApiRefused(answer.status, found.get("message", ""))
        return found

    def get(self, path: str, **query: str) -> Document:
        """Read an object or a list."""
        return self.request("GET", path, None, **query)

    def create(self, path: str, document: Document, **query: str) -> Document:
        """Create the object in the collection at the path; unknown fields are refused, as kubectl has it."""
        return self.request("POST", path, document, fieldValidation="Strict", **query)

    def replace(self, path: str, document: Document, **query: str) -> Document:
        """Put the object in the place of what is there."""
        return self.request("PUT", path, document, fieldValidation="Strict", **query)

    def apply(self, path: str, document: Document) -> Document:
        """Server-side apply: the object exists afterwards with at least these fields."""
        fields = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        return self.request("PATCH", path, document, APPLY, **fields)

    def merge(self, path: str, patch: Mapping[str, Any]) -> Document:
        """A JSON merge patch."""
        return self.request("PATCH", path, dict(patch), MERGE)

    def delete(self, path: str) -> Document:
        """Ask for the object's deletion, without waiting for it to be gone."""
        return self.request("DELETE", path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
