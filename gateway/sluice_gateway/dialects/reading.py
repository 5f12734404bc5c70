"""Reading a caller's JSON: every refusal names the place in the caller's own words."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from sluice_gateway.errors import CallerError


class Members:
    """One JSON object of a request, taken member by member. ``path`` is where it stands; null is like absent.

    Every method raises CallerError, which names the member, when its value is of another kind.
    """

    __slots__ = ("_left", "path")

    def __init__(self, document: object, path: str = "") -> None:
        if type(document) is not dict:
            raise CallerError(f"{path} must be an object", param=path)
        self._left: dict[str, Any] = dict(document)
        self.path = path

    def place(self, name: str) -> str:
        """The path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Any:
        """Whatever stands there."""
        return self._left.pop(name, None)

    def text(self, name: str) -> str | None:
        """A string."""
        value = self.take(name)
        if value is not None and type(value) is not str:
            raise CallerError(f"{self.place(name)} must be a string", param=self.place(name))
        return value

    def needed_text(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            raise CallerError(f"{self.place(name)} is missing", param=self.place(name))
        return value

    def integer(self, name: str, *, least: int | None = None) -> int | None:
        """A whole number; 5.0 counts as one."""
        value = self.take(name)
        if type(value) is float and value.is_integer():
            value = int(value)
        if value is not None and type(value) is not int:
            raise CallerError(f"{self.place(name)} must be a whole number", param=self.place(name))
        if value is not None and least is not None and value < least:
            raise CallerError(f"{self.place(name)} must be at least {least}", param=self.place(name))
        return value

    def number(self, name: str) -> float | None:
        """A number, as the caller wrote it: whole ones stay whole."""
        value = self.take(name)
        if value is None or type(value) is int or type(value) is float:
            return value
        raise CallerError(f"{self.place(name)} must be a number", param=self.place(name))

    def boolean(self, name: str) -> bool | None:
        """True or false."""
        value = self.take(name)
        if value is not None and type(value) is not bool:
            raise CallerError(f"{self.place(name)} must be true or false", param=self.place(name))
        return value

    def mapping(self, name: str) -> dict[str, Any] | None:
        """An object that is passed on as it is."""
        value = self.take(name)
        if value is not None and type(value) is not dict:
            raise CallerError(f"{self.place(name)} must be an object", param=self.place(name))
        return value

    def members(self, name: str) -> "Members | None":
        """An object to be read further."""
        value = self.take(name)
        return None if value is None else Members(value, self.place(name))

    def array(self, name: str) -> list[Any] | None:
        """A list."""
        value = self.take(name)
        if value is not None and type(value) is not list:
            raise CallerError(f"{self.place(name)} must be a list", param=self.place(name))
        return value

    def each(self, name: str) -> Iterator["Members"]:
        """The objects of a list, each to be read further; none when it is absent."""
        for index, item in enumerate(self.array(name) or ()):
            yield Members(item, f"{self.place(name)}[{index}]")

    def rest(self, plain: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """What nobody has taken, without nulls and without what ``plain`` says would happen anyway."""
        return {
            name: value
            for name, value in self._left.items()
            if value is not None and (name not in plain or value != plain[name])
        }
