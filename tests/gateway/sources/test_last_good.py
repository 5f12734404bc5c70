"""The last good state on disk: whole or not at all, private, and bound to its paths and gateway."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sluice_config.codec import dump
from sluice_config.compile import Gateway
from sluice_config.snapshot import Provider, Route, Snapshot, Target
from sluice_gateway.sources.last_good import LastGood, NotKept
from tests.support.following import PATIENCE, following
from tests.support.gateway import provider, route

SNAPSHOT = Snapshot(
    gateway="default/sluice-gateway",
    routes=(
        Route(namespace="default", name="chat", generation=1, models=("chat",), targets=(Target(provider="mock"),)),
    ),
    providers=(Provider(namespace="default", name="mock", generation=1, vendor="mock"),),
)


def kept(tmp_path: Path, *paths: str, gateway: str = "sluice-gateway") -> LastGood:
    chosen = [Path(path) for path in paths or ("manifests",)]
    return LastGood.for_paths(chosen, Gateway(name=gateway), {"XDG_STATE_HOME": str(tmp_path)})


def the_file(tmp_path: Path) -> Path:
    (file,) = tmp_path.rglob("last-good.json")
    return file


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert kept(tmp_path).load() is None
    kept(tmp_path).save(dump(SNAPSHOT))
    assert kept(tmp_path).load() == SNAPSHOT
    changed = SNAPSHOT.model_copy(update={"routes": ()})
    kept(tmp_path).save(dump(changed))
    assert kept(tmp_path).load() == changed


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        kept(tmp_path).save(dump(SNAPSHOT))
    finally:
        os.umask(before)
    file = the_file(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_other_paths_and_gateways_have_other_states(tmp_path: Path) -> None:
    kept(tmp_path, "a", "b").save(dump(SNAPSHOT))
    assert kept(tmp_path, "b", "a").load() == SNAPSHOT
    assert kept(tmp_path, str(Path("a").absolute()), "b").load() == SNAPSHOT
    assert kept(tmp_path, "a").load() is None
    assert kept(tmp_path, "a", "b", gateway="other").load() is None


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:0], lambda data: data.replace(b"chat", b"chut")]
)
def test_a_damaged_state_is_none(tmp_path: Path, damage: object) -> None:
    kept(tmp_path).save(dump(SNAPSHOT))
    file = the_file(tmp_path)
    assert callable(damage)
    file.write_bytes(damage(file.read_bytes()))
    assert kept(tmp_path).load() is None


def test_the_place_is_that_of_the_xdg_specification(tmp_path: Path) -> None:
    for environ in ({"HOME": str(tmp_path)}, {"HOME": str(tmp_path), "XDG_STATE_HOME": "relative"}):
        LastGood.for_paths([Path("a")], Gateway(), environ).save(dump(SNAPSHOT))
    assert the_file(tmp_path).is_relative_to(tmp_path / ".local" / "state" / "sluice")


def test_without_a_home_nothing_is_kept() -> None:
    homeless = LastGood.for_paths([Path("a")], Gateway(), {})
    assert homeless.load() is None
    with pytest.raises(NotKept, match="neither HOME nor XDG_STATE_HOME"):
        homeless.save(dump(SNAPSHOT))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    kept(tmp_path).save(dump(SNAPSHOT))
    file = the_file(tmp_path)
    file.unlink()
    file.mkdir()  # renaming a file onto a folder fails, as the last of the steps
    with pytest.raises(NotKept, match=str(file.parent)):
        kept(tmp_path).save(dump(SNAPSHOT))
    assert list(file.parent.iterdir()) == [file]


WRITER = """
import sys
from pathlib import Path
from sluice_config.codec import dump
from sluice_config.compile import Gateway
from sluice_config.snapshot import Route, Snapshot
from sluice_gateway.sources.last_good import LastGood
kept = LastGood.for_paths([Path("manifests")], Gateway(), {"XDG_STATE_HOME": sys.argv[1]})
number = 0
while True:
    number += 1
    names = (f"model-{number}-{index}" for index in range(1000))
    routes = tuple(Route(namespace="default", name=name, generation=number, models=(name,)) for name in names)
    kept.save(dump(Snapshot(gateway="default/sluice-gateway", routes=routes)))
    print(number, flush=True)
"""


def test_kill_in_the_middle_of_writing_leaves_a_whole_state(tmp_path: Path) -> None:
    for turns in (1, 2, 5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(turns):
                writer.stdout.readline()
            writer.kill()
        snapshot = kept(tmp_path).load()
        assert snapshot is not None
        assert len(snapshot.routes) == 1000
        assert len({one.generation for one in snapshot.routes}) == 1


async def test_kill_during_a_broken_edit_then_start_again(tmp_path: Path) -> None:
    state, folder = tmp_path / "state", tmp_path / "manifests"
    file = written(folder, provider("mock") + route("chat", "mock"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.serve_folder",
        str(folder),
        env={**os.environ, "XDG_STATE_HOME": str(state)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert (await process.stdout.readline()).decode() == f"loaded {folder} chat\n"
        file.write_text("kind: [")
        assert (await process.stdout.readline()).decode() == f"refused 1 error in {folder}\n"
        process.kill()
        await process.wait()
    async with following(folder, state=state) as followed:
        assert [one.name for one in (await followed.loaded()).snapshot.routes] == ["chat"]
        await followed.refused()


def written(folder: Path, text: str) -> Path:
    folder.mkdir()
    file = folder / "a.yaml"
    file.write_text(text)
    return file
