"""Settings of the gateway process: flags of the command, else ``SLUICE_*`` variables, else the defaults here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

_DIGITS = re.compile(r"[0-9]{1,18}")
_URL = re.compile(
    r"https?://(?:[\w-]{1,63}(?:\.[\w-]{1,63})*\.?|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:[/?][!-\"$-~]*)?",
    re.ASCII | re.IGNORECASE,
)


class InvalidSetting(Exception):
    """A variable or flag has a value that it can't have. The text names it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An empty host means all interfaces."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, name: str) -> Self:
        """Read ``host:port``, ``:port`` or ``[v6]:port``. Raises InvalidSetting."""
        host, separator, port = text.rpartition(":")
        if not separator or not _DIGITS.fullmatch(port) or int(port) > 65535:
            raise InvalidSetting(f"{name}: {text!r} is not HOST:PORT or :PORT")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAddress:
    """Where the state Redis is, and who we are to it. Its text is without the password."""

    host: str
    port: int = 6379
    database: int = 0
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str, *, password: str = "", name: str) -> Self:
        """Read ``redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]``, or ``rediss``; ``password`` is for a URL without.

        Raises InvalidSetting, without what was read: there may be a password in it.
        """
        wanted = f"{name}: not redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InvalidSetting(wanted) from None
        database = parts.path.removeprefix("/") or "0"
        wrong = parts.query or parts.fragment or not _DIGITS.fullmatch(database)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname or wrong:
            raise InvalidSetting(wanted)
        return cls(
            host=parts.hostname,
            port=6379 if port is None else port,
            database=int(database),
            tls=parts.scheme == "rediss",
            username=unquote(parts.username or ""),
            password=unquote(parts.password or "") or password,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Bytes, requests and seconds, as the names say.

    ``internal_listen``: None when ``listen`` serves the internal paths too. ``auth``: whether callers must show a key.
    ``admin_token_file`` holds the token that opens the admin paths; None closes them but for a laptop's own programs.
    ``state``: None to keep count in this process alone.
    ``stall_seconds`` has no variable: after so long, a caller that takes nothing is gone. ``alert_webhook`` is a URL,
    or "", and is never shown: it may hold a secret.
    """

    listen: Address = Address("", 8080)
    internal_listen: Address | None = Address("", 9090)
    gateway: str = "sluice-gateway"
    namespace: str = "default"
    auth: bool = True
    admin_token_file: Path | None = None
    max_body_bytes: int = 16 * 1024 * 1024
    max_in_flight: int = 1000
    keepalive_seconds: float = 15.0
    drain_seconds: float = 300.0
    stall_seconds: float = 60.0
    log_level: str = "info"
    alert_webhook: str = field(default="", repr=False)
    state: StateAddress | None = None

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str],
        *,
        listen: str | None = None,
        internal_listen: str | None = None,
        auth: str | None = None,
        local: bool = False,
    ) -> Self:
        """Read ``environ``; arguments that are not None win. In local mode no key is asked for unless told, and there
        is one listener. Raises InvalidSetting.
        """
        default = cls()
        mode = auth or environ.get("SLUICE_AUTH") or ("off" if local else "keys")
        if mode not in ("keys", "off"):
            raise InvalidSetting(f"SLUICE_AUTH: {mode!r} is neither keys nor off")
        level = environ.get("SLUICE_LOG_LEVEL", default.log_level).lower()
        if level not in ("debug", "info", "warning", "error"):
            raise InvalidSetting(f"SLUICE_LOG_LEVEL: {level!r} is none of debug, info, warning, error")
        address = listen or environ.get("SLUICE_LISTEN") or ("127.0.0.1:8080" if local else str(default.listen))
        internal = internal_listen or environ.get("SLUICE_INTERNAL_LISTEN") or str(default.internal_listen)
        return cls(
            listen=Address.parse(address, name="listen address"),
            internal_listen=None if local else Address.parse(internal, name="internal listen address"),
            gateway=environ.get("SLUICE_GATEWAY") or default.gateway,
            namespace=environ.get("SLUICE_NAMESPACE") or default.namespace,
            auth=mode == "keys",
            admin_token_file=Path(file) if (file := environ.get("SLUICE_ADMIN_TOKEN_FILE")) else None,
            max_body_bytes=_number(environ, "SLUICE_MAX_BODY_BYTES", default.max_body_bytes),
            max_in_flight=_number(environ, "SLUICE_MAX_IN_FLIGHT", default.max_in_flight),
            keepalive_seconds=_number(environ, "SLUICE_KEEPALIVE_SECONDS", int(default.keepalive_seconds)),
            drain_seconds=_number(environ, "SLUICE_DRAIN_SECONDS", int(default.drain_seconds), least=0),
            log_level=level,
            alert_webhook=_url(environ, "SLUICE_ALERT_WEBHOOK"),
            state=_state(environ),
        )


def _number(environ: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not _DIGITS.fullmatch(text) or int(text) < least:
        raise InvalidSetting(f"{name}: {text!r} is not a whole number of at least {least}")
    return int(text)


def _url(environ: Mapping[str, str], name: str) -> str:
    """A URL, or "". Line ends after it are dropped (``echo URL | base64`` adds one)."""
    text = environ.get(name, "").rstrip("\r\n")
    try:
        port = urlsplit(text).port
    except ValueError:
        port = 0
    if text and (port == 0 or not _URL.fullmatch(text)):
        raise InvalidSetting(f"{name}: the value (not shown, it may hold a secret) is not an http or https URL")
    return text


def _state(environ: Mapping[str, str]) -> StateAddress | None:
    url, password = environ.get("SLUICE_STATE_URL"), environ.get("SLUICE_STATE_PASSWORD", "")
    return StateAddress.parse(url, password=password, name="SLUICE_STATE_URL") if url else None
