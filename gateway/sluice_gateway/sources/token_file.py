"""A token in a file of its own, as a Secret's volume shows it: read anew each time, so that a rotated one counts."""

from pathlib import Path

from sluice_gateway.credentials import Secret, UnusableValue

LONGEST = 4096
"""Bytes; a token is sent in a header, and servers bound those."""


def read_token(file: Path) -> Secret:
    """The token in ``file``. Raises UnusableValue, whose text holds neither the token nor the file's name."""
    try:
        if not file.is_file():
            raise UnusableValue("the file is not there, or is no plain file")  # reading a pipe could wait for ever
        with file.open("rb") as opened:
            content = opened.read(LONGEST + 1)
    except OSError as error:
        raise UnusableValue(f"the file can't be read: {error.strerror}") from error
    if len(content) > LONGEST:
        raise UnusableValue(f"the file holds more than {LONGEST} bytes")
    return Secret.read(content.decode("utf-8", "replace"))
