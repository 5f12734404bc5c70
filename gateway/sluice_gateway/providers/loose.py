"""Reading JSON whose types are not quite those of the reference: what can be understood still counts."""

import types
from functools import cache
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


class _Member(NamedTuple):
    """One member of a Struct: ``inner`` is the Struct that it holds, or holds a list of; ``key`` its name in JSON."""

    name: str
    key: str
    kind: Any
    inner: type[msgspec.Struct] | None
    listed: bool


@cache
def _members(kind: type[msgspec.Struct]) -> tuple[_Member, ...]:
    fields = msgspec.structs.fields(kind)
    return tuple(_Member(field.name, field.encode_name, field.type, *_inner(field.type)) for field in fields)


def _inner(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    for option in get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,):
        listed = get_origin(option) is list
        inner = get_args(option)[0] if listed else option
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return inner, listed
    return None, False


def loosely(kind: type[S], document: object) -> S:
    """``document`` as a Struct, without the members whose values fit in no way.

    A number may come as text and text as a number; one object stands for a list of one, and an object for the JSON text
    of it, as some servers write the arguments of tool calls.
    """
    if not isinstance(document, dict):
        return kind()
    found: dict[str, Any] = {}
    for member in _members(kind):
        value = document.get(member.key)
        if value is not None:
            found[member.name] = _fitted(member, value)
    return kind(**{name: value for name, value in found.items() if value is not None})


def _fitted(member: _Member, value: Any) -> Any:
    if member.inner is not None and member.listed:
        items = value if isinstance(value, list) else [value]
        return [loosely(member.inner, item) for item in items if isinstance(item, dict)]
    if member.inner is not None:
        return loosely(member.inner, value) if isinstance(value, dict) else None
    if member.kind in (msgspec.Raw, msgspec.Raw | None):
        return msgspec.Raw(msgspec.json.encode(value))
    if member.kind == str | None and isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    try:
        return msgspec.convert(value, member.kind, strict=False)
    except msgspec.ValidationError:
        return str(value) if member.kind == str | None and type(value) in (int, float) else None
