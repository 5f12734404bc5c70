"""What the state Redis runs: each script is one step that nobody else's comes between."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """A script, and the digest by which a server knows it that has loaded it."""

    text: bytes
    digest: bytes


@cache
def script(name: str) -> Script:
    """The script ``<name>.lua`` of this folder."""
    text = files(__name__).joinpath(f"{name}.lua").read_bytes()
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())
