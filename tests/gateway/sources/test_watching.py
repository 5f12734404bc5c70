"""Which changes are worth a look, and that looks are not taken for nothing."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from sluice_gateway.sources.watching import Watcher, matters
from tests.support.following import PATIENCE


@pytest.mark.parametrize(
    ("path", "worth"),
    [
        ("/m/chat.yaml", True),
        ("/m/team/chat.YML", True),
        ("/m/chat.json", True),
        ("/m/team", True),
        ("/m/..data", True),
        ("/m/..2024_01_31_10_00_00.123", True),
        ("/m/..data/chat.yaml", True),
        ("/m", True),
        ("/m/.chat.yaml.swp", False),
        ("/m/chat.yaml~", False),
        ("/m/.git/HEAD", False),
        ("/m/.git/refs/heads/main.yaml", False),
        ("/m/notes.txt", False),
        ("/home/.config/m/chat.yaml", True),
        ("/home/.config/m/.chat.yaml", False),
        ("/elsewhere/.hidden/m/chat.yaml", True),
    ],
)
def test_changes_below_folders(path: str, worth: bool) -> None:
    assert matters(path, ["/m", "/home/.config/m"], None) is worth


@pytest.mark.parametrize(("path", "worth"), [("/m/routes.txt", True), ("/m/.env", True), ("/m/other.yaml", False)])
def test_changes_beside_files(path: str, worth: bool) -> None:
    assert matters(path, ["/m"], {"routes.txt", ".env"}) is worth


async def test_nobody_looks_when_swap_files_change(tmp_path: Path) -> None:
    looks = 0
    async with aclosing(Watcher([tmp_path], rescan_seconds=600).changes()) as changes, asyncio.timeout(PATIENCE):
        async for _ in changes:
            looks += 1
            if looks == 1:
                await noise(tmp_path)
                (tmp_path / "end.yaml").write_text("x")
            elif (tmp_path / "end.yaml").exists():
                break
    assert looks == 2


async def noise(folder: Path) -> None:
    """Changes that must go unnoticed."""
    for number in range(5):
        (folder / ".a.yaml.swp").write_text(str(number))
        await asyncio.to_thread((folder / "notes.txt").write_text, str(number))


async def test_looks_are_taken_now_and_then(tmp_path: Path) -> None:
    looks = 0
    async with aclosing(Watcher([tmp_path], rescan_seconds=0).changes()) as changes, asyncio.timeout(PATIENCE):
        async for _ in changes:
            looks += 1
            if looks == 3:
                break
    assert looks == 3


async def test_several_can_watch_one_folder(tmp_path: Path) -> None:
    watchers = [Watcher([tmp_path], rescan_seconds=600).changes() for _ in range(3)]
    for changes in watchers:
        await anext(changes)
    (tmp_path / "a.yaml").write_text("x")
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(anext(changes) for changes in watchers))
    for changes in watchers:
        await changes.aclose()
