"""The shapes of single values, at their edges."""

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sluice_config.resources import scalars

VALID: dict[str, list[str]] = {
    "Label": ["a", "a-b", "0", "a" * 63],
    "ObjectName": ["a", "a.b", "openai.v2", "a" * 63 + "." + "b" * 63],
    "DataKey": ["api-key", "API_KEY", ".dockerconfigjson", "a.b"],
    "ModelName": ["gpt-4o-mini", "meta-llama/Llama-3.1-8B-Instruct", "llama3.2:1b", "ft:gpt-4o:org::id", "a" * 256],
    "ModelPattern": ["gpt-4o", "gpt-*", "*", "a/*"],
    "Line": ["GPT-4o mini", "Größe \u00e9 🙂", "x" * 256],
    "Paragraph": ["two\nlines\tand a tab"],
    "Word": ["org-123", "europe-west4", "2024-10-21"],
    "ParameterName": ["logit_bias", "response_format", "stream_options.include_usage"],
    "HeaderName": ["X-Title", "HTTP-Referer", "x", "x_y"],
    "HeaderValue": ["v", "a b", "https://example.com/?a=b", "~" * 2048],
    "BaseURL": [
        "http://a",
        "https://api.example.com/v1",
        "http://127.0.0.1:8000",
        "http://localhost:65535/",
        "http://llama_server.models.svc:8080/v1",
        "https://example.com/openai/deployments/gpt%204o",
        "HTTPS".lower() + "://EXAMPLE.com",
    ],
    "URLPath": ["/", "/v1", "/api/v1/"],
    "Decimal": ["0", "0.15", "10", "999999999.999999999999", "2"],
    "MemoryQuantity": ["1Ki", "256Mi", "2Gi", "1G", "500M", "1Ti"],
    "CPUQuantity": ["1m", "250m", "1", "999", "0.5", "0.125"],
    "Image": ["redis", "redis:8.0", "registry.example.com:5000/a/redis@sha256:" + "0" * 64],
    "Address": ["redis:6379", "redis.cache.svc.cluster.local:1", "10.0.0.1:65535"],
    "TimeZone": ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+1"],
}

INVALID: dict[str, list[str]] = {
    "Label": ["", "A", "a.b", "-a", "a-", "a_b", "a" * 64, "a\n", " a"],
    "ObjectName": ["", "A", "a..b", ".a", "a.", "-a", "a/b", "a" * 254, "a\n"],
    "DataKey": ["", "a b", "a/b", "a\n", "ü"],
    "ModelName": ["", "a b", "a*", "*", "ü", "a\n", "\ta", "a" * 257],
    "ModelPattern": ["", "**", "*a", "a*b", "a b*", "a\n"],
    "Line": ["", "a\nb", "\x00", "\x7f", "x" * 257],
    "Paragraph": ["", "a\x00", "a\rb", "x" * 1025],
    "Word": ["", "a b", "a\r\nb", "ü"],
    "ParameterName": ["", "1a", "a-b", "a b"],
    "HeaderName": ["", "a b", "a:", "-a", "a-", "ü", "a\r", "x" * 65],
    "HeaderValue": ["", " a", "a ", "a\nb", "a\rb", "a\tb", "\x00", "ü", "~" * 2049],
    "BaseURL": [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "HTTP://example.com",
        "http://",
        "http:///v1",
        "http://:80",
        "http://a:0",
        "http://a:65536",
        "http://a:080",
        "http://a..b",
        "http://-a",
        "http://a b",
        "http://user@example.com",
        "http://user:pass@example.com",
        "http://a/?q",
        "http://a?q",
        "http://a#f",
        "http://a/%g0",
        "http://a/\\b",
        "http://a/b\n",
        "http://ex\u00e4mple.com",
        "http://" + "a" * 64,
        "http://[::1]",
    ],
    "URLPath": ["", "v1", "/a b", "/a?b", "/a#b", "/%2"],
    "Decimal": ["", "-1", "+1", "1.", ".5", "01", "1e3", "1,5", "NaN", "1.0000000000000", "1000000000", "1\n"],
    "MemoryQuantity": ["", "0Mi", "256", "1.5Gi", "256mi", "-1Mi", "1 Gi"],
    "CPUQuantity": ["", "0m", "1.5", "-1", "1k", "0.0001"],
    "Image": ["", "-redis", "redis 8", "redis\n", "${IMAGE}"],
    "Address": ["", "redis", ":6379", "redis:0", "redis:65536", "redis://a:1", "a@b:1"],
    "TimeZone": ["", "+01:00", "../etc/passwd", "Europe/../x", "a/b/c/d", "/UTC"],
}


def cases(table: dict[str, list[str]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{value[:40]!r}") for name, values in table.items() for value in values
    ]


def adapter(name: str) -> TypeAdapter[str]:
    return TypeAdapter(getattr(scalars, name))


@pytest.mark.parametrize(("name", "value"), cases(VALID))
def test_valid(name: str, value: str) -> None:
    assert adapter(name).validate_python(value) == value
    assert re.search(adapter(name).json_schema()["pattern"], value)


@pytest.mark.parametrize(("name", "value"), cases(INVALID))
def test_invalid(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        adapter(name).validate_python(value)


def test_every_shape_is_tested_and_says_what_it_is() -> None:
    shapes = {name for name in vars(scalars) if name[0].isupper() and name not in {"Annotated", "Any", "Field", "SAYS"}}
    assert shapes == set(VALID) == set(INVALID)
    for name in shapes:
        schema = adapter(name).json_schema()
        assert schema["pattern"].startswith("^")
        assert schema["pattern"].endswith("$")
        assert schema[scalars.SAYS]
        assert schema["minLength"] <= schema["maxLength"]


def test_the_longest_header_fits_into_a_head() -> None:
    """16 headers of the longest name and value stay well below what servers commonly take as a request's head."""
    name, value = adapter("HeaderName").json_schema(), adapter("HeaderValue").json_schema()
    assert 16 * (name["maxLength"] + value["maxLength"] + 4) < 64 * 1024
