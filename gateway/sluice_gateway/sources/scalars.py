"""What an unquoted YAML scalar means to kubectl, which reads YAML 1.1 its own way and then turns it into JSON.

The rules are those of go-yaml v2 (resolve.go) and sigs.k8s.io/yaml: ``yes`` and ``on`` are booleans, ``017`` is octal,
timestamps and sexagesimal numbers such as ``12:30`` stay strings, and a number without a fraction is an integer.
"""

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_NOT_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MAYBE_NUMBER = frozenset("+-.0123456789")

LONGEST_NUMBER = 400
"""Characters. Longer ones are strings: no field takes them, and reading digits takes quadratic time."""

_LARGEST_PLAIN_FLOAT = 1e21  # Go writes larger ones with an exponent, and JSON readers then take them for fractions


def resolve(text: str) -> Scalar:
    """The value of an unquoted scalar. Raises ValueError for infinities and NaN, which JSON can't carry."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _MAYBE_NUMBER or len(text) > LONGEST_NUMBER:
        return text
    if _NOT_JSON.fullmatch(text):
        raise ValueError("infinity and NaN are not allowed")
    digits = text if text[0] == "." else text.replace("_", "")
    if _INTEGER.fullmatch(digits):
        return _integer(digits)
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        if math.isfinite(number):
            return int(number) if number.is_integer() and abs(number) < _LARGEST_PLAIN_FLOAT else number
    return text


def _integer(digits: str) -> int:
    unsigned = digits.lstrip("+-")
    if len(unsigned) > 1 and unsigned[0] == "0" and unsigned[1].isdigit():
        return int(digits, 8)
    return int(digits, 0)


def key_text(key: Scalar) -> str:
    """A mapping's key as JSON needs it. Raises ValueError for null."""
    if key is None:
        raise ValueError("a mapping's key can't be null")
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else repr(key)
