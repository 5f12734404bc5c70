"""A folder as the source of configuration: loads, reloads, refusals, and every way in which files change."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sluice_gateway.sources.directory import DirectorySource
from sluice_gateway.sources.source import LAST_GOOD
from tests.support.canary import CANARY
from tests.support.following import Following, following, routes
from tests.support.gateway import provider, route

MOCK = provider("mock")


def chat(name: str = "chat") -> str:
    return route(name, "mock", models=(name,))


def make(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / "a.yaml").write_text(MOCK + chat(name))
    return folder


def swap(folder: Path, other: Path) -> None:
    folder.rename(folder.with_name("old"))
    other.rename(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    (path / "mock.yaml").write_text(MOCK)
    (path / "chat.yaml").write_text(chat())
    return path


@pytest.fixture
async def followed(folder: Path, tmp_path: Path) -> AsyncIterator[Following]:
    async with following(folder, state=tmp_path / "state") as events:
        yield events


async def test_the_first_event_comes_at_once(followed: Following, folder: Path) -> None:
    loaded = await followed.loaded()
    assert routes(loaded) == ["chat"]
    assert loaded.origin == str(folder)
    assert loaded.findings == ()
    assert loaded.digest.startswith("sha256:")


async def test_an_edit_is_an_event(followed: Following, folder: Path) -> None:
    first = await followed.loaded()
    (folder / "chat.yaml").write_text(chat("other"))
    second = await followed.loaded()
    assert routes(second) == ["other"]
    assert second.digest != first.digest


async def test_files_and_folders_come_and_go(followed: Following, folder: Path) -> None:
    await followed.loaded()
    (folder / "team").mkdir()
    (folder / "team" / "b.yaml").write_text(chat("b"))
    await followed.serves("b", "chat")
    (folder / "team" / "b.yaml").write_text(chat("c"))
    await followed.serves("c", "chat")
    (folder / "team").rename(folder / "group")
    (folder / "chat.yaml").unlink()
    await followed.serves("c")
    shutil.rmtree(folder / "group")
    await followed.serves()


async def test_editors_that_replace_the_file(followed: Following, folder: Path) -> None:
    await followed.loaded()
    for name in ("one", "two", "three"):
        (folder / ".chat.yaml.swp").write_text(chat(name))
        (folder / ".chat.yaml.swp").replace(folder / "chat.yaml")
        assert routes(await followed.loaded()) == [name]


async def test_editors_that_keep_a_backup(followed: Following, folder: Path) -> None:
    await followed.loaded()
    (folder / "chat.yaml").rename(folder / "chat.yaml~")
    (folder / "chat.yaml").write_text(chat("new"))
    await followed.serves("new")


async def test_a_broken_edit_keeps_the_last_good_state(followed: Following, folder: Path) -> None:
    good = await followed.loaded()
    (folder / "chat.yaml").write_text(chat() + "---\nkind: [\n")
    refused = await followed.refused()
    assert refused.reason == f"1 error in {folder}"
    assert [str(finding) for finding in refused.findings] == [
        f"{folder}/chat.yaml:4: error: not YAML: did not find expected node content while parsing a flow node [Invalid]"
    ]
    (folder / "chat.yaml").write_text(chat())
    assert (await followed.loaded()).digest == good.digest


async def test_one_invalid_resource_refuses_the_whole(followed: Following, folder: Path) -> None:
    await followed.loaded()
    (folder / "b.yaml").write_text(chat("b") + route("c", strategy="best"))
    refused = await followed.refused()
    assert [(one.line, one.finding.field) for one in refused.findings] == [(4, "spec.strategy")]


async def test_another_mistake_is_another_event(followed: Following, folder: Path) -> None:
    await followed.loaded()
    for text in ("a: [", "a: @"):
        (folder / "chat.yaml").write_text(text)
        await followed.refused()


async def test_what_compile_finds_refuses_nothing(followed: Following, folder: Path) -> None:
    await followed.loaded()
    (folder / "chat.yaml").write_text(route("chat", "mock", "missing"))
    loaded = await followed.loaded()
    assert [target.provider for target in loaded.snapshot.routes[0].targets] == ["mock"]
    assert [(one.file, one.line, one.finding.reason) for one in loaded.findings] == [
        (f"{folder}/chat.yaml", 2, "ProviderNotFound")
    ]


async def test_an_edit_that_changes_nothing_is_no_event(followed: Following, folder: Path) -> None:
    await followed.loaded()
    for number in range(3):
        (folder / "chat.yaml").write_text(f"# {number}\n" + chat())
        (folder / "notes.txt").write_text(str(number))
    (folder / "b.yaml").write_text(chat("b"))
    assert routes(await followed.loaded()) == ["b", "chat"]


async def test_a_new_key_is_an_event_with_the_same_digest(tmp_path: Path) -> None:
    text = provider("openai", provider="openai", credentials={"secretRef": {"name": "openai", "key": "api-key"}})
    (tmp_path / "a.yaml").write_text(text + route("chat", "openai"))
    secret = tmp_path / "secret.yaml"
    secret.write_text(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: openai}}\nstringData: {{api-key: {CANARY}}}\n")
    async with following(tmp_path, state=tmp_path / ".state") as followed:
        first = await followed.loaded()
        secret.write_text(secret.read_text().replace(CANARY, f"{CANARY}-2"))
        second = await followed.loaded()
    assert second.digest == first.digest
    assert second.credentials.revision != first.credentials.revision
    assert [value.reveal() for value in second.credentials.values.values()] == [f"{CANARY}-2"]
    assert CANARY not in repr((first, second))


async def test_a_callers_new_key_is_an_event(followed: Following, folder: Path) -> None:
    await followed.loaded()
    for key in ("one", "two"):
        text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: sluice-gateway-keys}}\nstringData: {{team: {key}}}\n"
        (folder / "keys.yaml").write_text(text)
        assert (await followed.loaded()).callers["team"].reveal() == key


async def test_a_burst_settles(followed: Following, folder: Path) -> None:
    await followed.loaded()
    for number in range(300):
        (folder / f"{number}.yaml").write_text(chat(f"route-{number}"))
    await followed.serves("chat", *(f"route-{number}" for number in range(300)))


async def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "manifests"
    async with following(path, state=tmp_path / "state") as followed:
        refused = await followed.refused()
        assert str(refused.findings[0]) == f"{path}: error: can't be read: No such file or directory [Invalid]"
        path.mkdir()
        (path / "a.yaml").write_text(MOCK + chat())
        await followed.serves("chat")
        (path / "a.yaml").write_text(MOCK + chat("b"))
        await followed.serves("b")


async def test_a_folder_whose_parent_is_not_there_yet(tmp_path: Path) -> None:
    """There is nothing that the system could notify of: the paths are looked at now and then."""
    path = tmp_path / "team" / "manifests"
    async with following(path, state=tmp_path / "state") as followed:
        await followed.refused()
        (tmp_path / "team").mkdir()
        make(path, "chat")
        await followed.serves("chat")
        (path / "a.yaml").write_text(MOCK + chat("b"))
        await followed.serves("b")


async def test_a_folder_that_goes_away_and_comes_back(followed: Following, folder: Path) -> None:
    await followed.loaded()
    shutil.rmtree(folder)
    while "No such file" not in str((await followed.refused()).findings):
        pass
    make(folder, "back")
    await followed.serves("back")
    (folder / "a.yaml").write_text(MOCK + chat("edited"))
    await followed.serves("edited")


async def test_a_folder_that_is_swapped_for_another(followed: Following, folder: Path) -> None:
    await followed.loaded()
    swap(folder, make(folder.with_name("other"), "other"))
    await followed.serves("other")
    (folder / "a.yaml").write_text(MOCK + chat("edited"))
    await followed.serves("edited")


async def test_a_link_that_is_turned_as_git_sync_does(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / name, name)
    (tmp_path / "current").symlink_to("one")
    async with following(tmp_path / "current", state=tmp_path / "state") as followed:
        await followed.serves("one")
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(tmp_path / "current")
        await followed.serves("two")
        (tmp_path / "two" / "a.yaml").write_text(MOCK + chat("three"))
        await followed.serves("three")


async def test_a_config_map_volume_that_is_updated(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / f"..{name}", name)
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    async with following(tmp_path, state=tmp_path / ".state") as followed:
        await followed.serves("one")
        (tmp_path / "..data_tmp").symlink_to("..two")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        await followed.serves("two")


async def test_single_files_are_watched_through_replacement(tmp_path: Path) -> None:
    (tmp_path / "mock.yaml").write_text(MOCK)
    named = tmp_path / "routes.txt"
    named.write_text(chat("one"))
    async with following(tmp_path / "mock.yaml", named, state=tmp_path / "state") as followed:
        await followed.serves("one")
        (tmp_path / "neighbour.yaml").write_text("not: [ours")
        (tmp_path / "new.txt").write_text(chat("two"))
        (tmp_path / "new.txt").replace(named)
        await followed.serves("two")
        named.unlink()
        await followed.refused()
        named.write_text(chat("three"))
        await followed.serves("three")


async def test_folders_and_files_together(folder: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text(chat("extra"))
    async with following(folder, extra, state=tmp_path / "state") as followed:
        assert (await followed.serves("chat", "extra")).origin == f"{folder}, {extra}"
        extra.write_text(chat("b"))
        await followed.serves("b", "chat")
        (folder / "chat.yaml").write_text(chat("c"))
        await followed.serves("b", "c")


async def test_a_change_without_a_notification_is_found(folder: Path, tmp_path: Path) -> None:
    """A hard link from a folder that is not watched: the system notifies of nothing."""
    outside = tmp_path / "outside.yaml"
    (folder / "chat.yaml").rename(outside)
    os.link(outside, folder / "chat.yaml")
    async with following(folder, state=tmp_path / "state", rescan_seconds=0.1) as followed:
        await followed.loaded()
        outside.write_text(chat("found"))
        await followed.serves("found")


async def test_relative_paths_are_watched(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with following(Path("manifests"), state=tmp_path / "state") as followed:
        assert (await followed.loaded()).origin == "manifests"
        (folder / "chat.yaml").write_text(chat("b") + "---\n{")
        assert (await followed.refused()).findings[0].file == "manifests/chat.yaml"


async def test_of_a_thousand_files_one_edit_parses_one(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.yaml").write_text(chat(f"route-{number}"))
    (tmp_path / "mock.yaml").write_text(MOCK)
    async with following(tmp_path, state=tmp_path / ".state") as followed:
        await followed.loaded()
        assert isinstance(followed.source, DirectorySource)
        parsed = followed.source.folder.parsed
        (tmp_path / "500.yaml").write_text(chat("edited"))
        assert "edited" in routes(await followed.loaded())
        assert followed.source.folder.parsed == parsed + 1


async def test_a_start_in_the_middle_of_a_broken_edit(folder: Path, tmp_path: Path) -> None:
    async with following(folder, state=tmp_path / "state") as followed:
        good = await followed.loaded()
    (folder / "chat.yaml").write_text("kind: [")
    async with following(folder, state=tmp_path / "state") as followed:
        restored = await followed.loaded()
        assert (restored.origin, restored.digest, restored.findings) == (LAST_GOOD, good.digest, ())
        assert len((await followed.refused()).findings) == 1
        (folder / "chat.yaml").write_text(chat())
        assert (await followed.loaded()).origin == str(folder)


async def test_the_restored_state_has_the_keys_of_today(tmp_path: Path) -> None:
    text = provider("openai", provider="openai", credentials={"secretRef": {"name": "openai", "key": "api-key"}})
    (tmp_path / "a.yaml").write_text(text + route("chat", "openai"))
    async with following(tmp_path, state=tmp_path / ".state", OPENAI_API_KEY=CANARY) as followed:
        await followed.loaded()
    (tmp_path / "a.yaml").write_text("kind: [")
    async with following(tmp_path, state=tmp_path / ".state", OPENAI_API_KEY="sk-today") as followed:
        restored = await followed.loaded()
    assert [value.reveal() for value in restored.credentials.values.values()] == ["sk-today"]
    assert all(CANARY not in file.read_text() for file in (tmp_path / ".state").rglob("*") if file.is_file())


async def test_with_nothing_kept_the_refusal_comes_first(folder: Path, tmp_path: Path) -> None:
    (folder / "chat.yaml").write_text("kind: [")
    async with following(folder, state=tmp_path / "state") as followed:
        await followed.refused()
        (folder / "chat.yaml").write_text(chat())
        await followed.serves("chat")


async def test_a_place_that_cannot_be_written_is_one_warning(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    async with following(folder, state=tmp_path / "state") as followed:
        (warning,) = (await followed.loaded()).findings
        assert str(warning).startswith(f"warning: the last good state can't be kept in {tmp_path}/state/sluice/")
        (folder / "chat.yaml").write_text(chat("b"))
        assert (await followed.loaded()).findings == ()


async def test_the_reader_can_leave_at_any_time(folder: Path, tmp_path: Path) -> None:
    async with following(folder, state=tmp_path / "state") as followed:
        await followed.loaded()
        waiting = asyncio.create_task(followed.event())
        (folder / "chat.yaml").write_text(chat("b"))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_who_follows_again_gets_what_it_could_not_take(folder: Path, tmp_path: Path) -> None:
    async with following(folder, state=tmp_path / "state") as broken:
        first = await broken.loaded()
        await broken.close()
        again = Following(broken.source)
        assert (await again.loaded()).digest == first.digest
        waiting = asyncio.create_task(again.event())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        last = Following(broken.source)
        (folder / "chat.yaml").write_text(chat("new"))
        assert routes(await last.loaded()) == ["new"]
        await last.close()
