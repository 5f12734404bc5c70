"""What is wrong with a document, in words and paths of the person who wrote it."""

from dataclasses import dataclass
from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `field` as a path in the document ("spec.targets[0].provider"), `message` what it must be.

    Messages never repeat text values of the document: any of them could be a key that was pasted into the wrong place.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidResource(ValueError):
    """The document is no valid resource; `problems` says why, at least once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def problems_of(error: ValidationError) -> list[Problem]:
    """Translate pydantic's findings about a document."""
    found = []
    for detail in error.errors(include_url=False, include_input=False):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
        found.append(Problem(path, detail["msg"]))
    return found
