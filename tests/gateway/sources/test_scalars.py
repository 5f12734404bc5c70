"""Unquoted scalars mean what they mean to kubectl."""

import pytest

from sluice_gateway.sources.scalars import LONGEST_NUMBER, Scalar, key_text, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # words
        ("", None),
        ("~", None),
        ("null", None),
        ("nULL", "nULL"),
        ("true", True),
        ("yes", True),
        ("On", True),
        ("y", True),
        ("off", False),
        ("N", False),
        ("truE", "truE"),
        # integers
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0b101", 5),
        ("-0b11", -3),
        ("017", 15),
        ("0o17", 15),
        ("-017", -15),
        ("18446744073709551616", 2**64),
        # numbers with a fraction, and those that JSON writes without
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000),
        ("8080.0", 8080),
        ("08", 8),
        ("1.", 1),
        ("1e-2", 0.01),
        ("1e30", 1e30),
        # what looks like a number and is none
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("0o8", "0o8"),
        ("0x", "0x"),
        ("1e999", "1e999"),
        ("_1", "_1"),
        ("-", "-"),
        ("+", "+"),
        (".", "."),
        ("...", "..."),
        ("1k", "1k"),
        ("=", "="),
        ("9" * (LONGEST_NUMBER + 1), "9" * (LONGEST_NUMBER + 1)),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("٣", "٣"),
    ],
)
def test_resolve(text: str, value: Scalar) -> None:
    resolved = resolve(text)
    assert (type(resolved), resolved) == (type(value), value)


@pytest.mark.parametrize("text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN"])
def test_what_json_has_no_number_for_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="infinity and NaN"):
        resolve(text)


@pytest.mark.parametrize(("key", "text"), [("a", "a"), (1, "1"), (True, "true"), (False, "false"), (1.5, "1.5")])
def test_keys_become_text(key: Scalar, text: str) -> None:
    assert key_text(key) == text


def test_null_is_no_key() -> None:
    with pytest.raises(ValueError, match="can't be null"):
        key_text(None)
