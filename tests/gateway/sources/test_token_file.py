"""A token's file is read anew each time, and nothing of it gets into an error."""

import os
from pathlib import Path

import pytest

from sluice_gateway.credentials import UnusableValue
from sluice_gateway.sources.token_file import LONGEST, read_token


def test_the_token_is_what_stands_in_the_file_now(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    assert read_token(file).reveal() == "one"
    file.write_text("two")
    assert read_token(file).reveal() == "two"


def test_a_volume_that_swaps_its_link_is_followed(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    link = tmp_path / "data"
    link.symlink_to("old")
    assert read_token(link / "token").reveal() == "old"
    link.unlink()
    link.symlink_to("new")
    assert read_token(link / "token").reveal() == "new"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"two words\nmore", "control characters"),
        (b" padded", "blanks"),
        (b"\xff\xfe", "letters outside of ASCII"),
        (b"x" * (LONGEST + 1), "more than 4096 bytes"),
    ],
)
def test_what_is_no_token_is_told_without_it(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(UnusableValue, match=why) as raised:
        read_token(file)
    assert str(tmp_path) not in str(raised.value)
    assert "words" not in str(raised.value)


def test_the_longest_token_is_one(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"x" * LONGEST)
    assert len(read_token(file).reveal()) == LONGEST


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", "."):
        with pytest.raises(UnusableValue, match="not there, or is no plain file"):
            read_token(tmp_path / name)
