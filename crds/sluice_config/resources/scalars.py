"""The shapes of single values: names, URLs, decimals, quantities.

Each type carries its bounds and its pattern, which the CRD repeats, and the same in words, for error messages.
Patterns are valid in both dialects that read them, Rust's (pydantic) and RE2 (the API server); both search for a
match anywhere, so all patterns are anchored.
"""

from typing import Annotated, Any

from pydantic import Field

SAYS = "x-sluice-says"
"""Schema key with the pattern in words; the CRD generator drops it."""


def shape(says: str, pattern: str, *, longest: int, shortest: int = 1) -> Any:
    """A string of `shortest` to `longest` characters that matches `pattern`; `says` completes "must be ..."."""
    return Field(min_length=shortest, max_length=longest, pattern=pattern, json_schema_extra={SAYS: says})


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_HOST_LABEL = "[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
_HOST = rf"{_HOST_LABEL}(\.{_HOST_LABEL}){{0,16}}"
_PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_PATH = "([-A-Za-z0-9._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*"
"""RFC 3986, section 3.3."""

Label = Annotated[
    str, shape("a DNS label: lower-case letters, digits and hyphens, 63 characters at most", f"^{_LABEL}$", longest=63)
]
"""RFC 1123 label: namespaces, Services."""

ObjectName = Annotated[
    str,
    shape(
        "an object's name: lower-case letters, digits, hyphens and dots, 253 characters at most",
        rf"^{_LABEL}(\.{_LABEL})*$",
        longest=253,
    ),
]
"""RFC 1123 subdomain: all other Kubernetes objects."""

DataKey = Annotated[
    str, shape("a Secret's key: letters, digits, hyphens, underscores and dots", r"^[-._a-zA-Z0-9]+$", longest=253)
]
"""A key of a Secret or ConfigMap, as Kubernetes limits them."""

ModelName = Annotated[
    str, shape("a model's name: visible ASCII characters without spaces and asterisks", r"^[!-)+-~]+$", longest=256)
]
"""A model's name as a provider knows it."""

ModelPattern = Annotated[
    str,
    shape(
        "a model's name, a prefix with one asterisk at its end, or a single asterisk",
        r"^(\*|[!-)+-~]+\*?)$",
        longest=256,
    ),
]
"""The names that a route serves: exact, `prefix*` or `*`."""

Line = Annotated[str, shape("one line of text", r"^[^\x00-\x1f\x7f]+$", longest=256)]
"""Text that is shown to people."""

Paragraph = Annotated[str, shape("text without control characters", r"^[^\x00-\x08\x0b-\x1f\x7f]+$", longest=1024)]
"""Longer text that is shown to people."""

Word = Annotated[str, shape("visible ASCII characters without spaces", "^[!-~]+$", longest=256)]
"""An identifier that somebody else defines: an organization, a project, a region."""

ParameterName = Annotated[
    str, shape("a request parameter's name, such as logit_bias", r"^[A-Za-z_][A-Za-z0-9_.]*$", longest=64)
]

HeaderName = Annotated[
    str,
    shape(
        "an HTTP header's name: letters, digits and hyphens", r"^[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9])?$", longest=64
    ),
]

HeaderValue = Annotated[
    str,
    shape(
        "a header's value: visible ASCII characters, with spaces only between them",
        r"^[!-~]([ -~]*[!-~])?$",
        longest=2048,
    ),
]

BaseURL = Annotated[
    str,
    shape(
        "an http or https URL without user, query and fragment, such as https://api.example.com/v1",
        f"^https?://{_HOST}(:{_PORT})?(/{_PATH})?$",
        longest=253,  # so is a name of DNS, which patterns can't bound by itself
        shortest=8,
    ),
]

URLPath = Annotated[str, shape("a path that starts with a slash, such as /v1", f"^/{_PATH}$", longest=256)]

Decimal = Annotated[
    str, shape('a decimal in quotes, such as "0.15"', r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,12})?$", longest=22)
]
"""An exact, non-negative number; a string, because YAML's and JSON's numbers are binary fractions to most readers."""

MemoryQuantity = Annotated[
    str,
    shape(
        "a whole Kubernetes quantity with a unit, such as 256Mi or 2Gi",
        r"^[1-9][0-9]{0,5}(Ki|Mi|Gi|Ti|k|M|G|T)$",
        longest=8,
    ),
]

CPUQuantity = Annotated[
    str,
    shape(
        'a Kubernetes CPU quantity, such as 250m or "0.5"',
        r"^([1-9][0-9]{0,5}m|[1-9][0-9]{0,2}|0\.[0-9]{1,3})$",
        longest=7,
    ),
]

Image = Annotated[
    str,
    shape(
        "an image reference, such as redis:8.0 or registry.example.com/redis@sha256:<digest>",
        r"^[a-zA-Z0-9][-a-zA-Z0-9._/:@]*$",
        longest=512,
    ),
]

Address = Annotated[
    str,
    shape(
        "host:port, such as redis.cache.svc:6379",
        f"^{_HOST}:{_PORT}$",
        longest=261,
    ),
]

TimeZone = Annotated[
    str,
    shape("an IANA time zone, such as Europe/Berlin", r"^[A-Za-z][-+A-Za-z0-9_]*(/[-+A-Za-z0-9_]+){0,2}$", longest=64),
]
