"""The mounted files: what a kubelet writes, half of it, none of it, and whatever else may lie there."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_config.compile import Gateway
from sluice_config.snapshot import CredentialRef
from sluice_gateway.sources.source import Loaded, Refused
from sluice_gateway.sources.volume import Volume
from tests.support.canary import CANARY
from tests.support.gateway import provider, route
from tests.support.published import publish

KEYED = provider("up", "http://127.0.0.1:9", credentials={"secretRef": {"name": "up", "key": "api-key"}})
PUBLISHED = publish(KEYED + route("chat", "up/gpt"), keys={"up": CANARY}, callers={"team": "caller-1"})
UP = CredentialRef(namespace="default", name="up", key="api-key")


def loaded(folder: Path) -> Loaded:
    found = Volume(folder, Gateway()).read()
    assert isinstance(found, Loaded), found
    return found


def refused(folder: Path) -> Refused:
    found = Volume(folder, Gateway()).read()
    assert isinstance(found, Refused), found
    return found


def shard(folder: Path) -> Path:
    return next((folder / "config").glob("*.gz"))


def test_what_is_mounted_is_loaded(tmp_path: Path) -> None:
    PUBLISHED.mount(tmp_path)
    found = loaded(tmp_path)
    assert (found.snapshot, found.digest) == (PUBLISHED.snapshot, PUBLISHED.index.digest)
    assert (found.origin, found.findings) == ("mounted volume", ())
    assert found.credentials.values[UP].reveal() == CANARY
    assert found.callers["team"].reveal() == "caller-1"


def test_the_revision_is_not_that_of_the_operator(tmp_path: Path) -> None:
    PUBLISHED.mount(tmp_path)
    assert loaded(tmp_path).credentials.revision not in ("0", PUBLISHED.index.credentials_revision)


def test_as_the_kubelet_links_them(tmp_path: Path) -> None:
    PUBLISHED.mount(tmp_path / "real")
    for name in ("config", "credentials", "keys"):
        volume = tmp_path / "mnt" / name
        volume.mkdir(parents=True)
        (tmp_path / "real" / name).rename(volume / "..2026_11_21")
        (volume / "..data").symlink_to("..2026_11_21")
        for file in (volume / "..2026_11_21").iterdir():
            (volume / file.name).symlink_to(f"..data/{file.name}")
    found = loaded(tmp_path / "mnt")
    assert (found.digest, found.findings) == (PUBLISHED.index.digest, ())
    assert set(found.callers) == {"team"}


def test_nothing_is_mounted(tmp_path: Path) -> None:
    assert "no configuration is mounted" in refused(tmp_path).reason
    assert "no configuration is mounted" in refused(tmp_path / "nowhere").reason


def test_without_secrets_the_rest_is_served(tmp_path: Path) -> None:
    PUBLISHED.mount(tmp_path)
    (tmp_path / "credentials" / "default.up.api-key").unlink()
    (tmp_path / "keys" / "team").rename(tmp_path / "gone")
    (tmp_path / "keys").rmdir()
    found = loaded(tmp_path)
    assert not found.credentials.values
    assert [one.finding.reason for one in found.findings] == ["SecretKeyNotFound", "SecretNotFound"]


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_shard_that_is_not_the_one(tmp_path: Path, content: bytes | None) -> None:
    PUBLISHED.mount(tmp_path)
    shard(tmp_path).unlink()
    if content is not None:
        (tmp_path / "config" / "0-a.json.gz").write_bytes(content)
    found = refused(tmp_path)
    assert "shard" in found.reason
    assert found.digest == PUBLISHED.index.digest


def test_the_index_of_another_gateway(tmp_path: Path) -> None:
    publish(KEYED, namespace="team").mount(tmp_path)
    assert "that of the gateway team/sluice-gateway" in refused(tmp_path).reason


def test_a_value_that_no_header_takes_is_a_finding(tmp_path: Path) -> None:
    PUBLISHED.mount(tmp_path)
    (tmp_path / "credentials" / "default.up.api-key").write_bytes(b"\xff" + CANARY.encode())
    (tmp_path / "keys" / "other").write_bytes(b"sha256:" + CANARY.encode())
    found = loaded(tmp_path)
    assert [one.finding.reason for one in found.findings] == ["Invalid", "Invalid"]
    assert set(found.callers) == {"team"}
    assert CANARY not in repr(found)


def test_two_consumers_with_one_key_are_a_finding(tmp_path: Path) -> None:
    publish(KEYED, keys={"up": "sk-1"}, callers={"one": CANARY, "two": CANARY}).mount(tmp_path)
    [finding] = loaded(tmp_path).findings
    assert "one and two have the same key" in str(finding)
    assert CANARY not in str(finding)


def test_it_is_read_anew_each_time(tmp_path: Path) -> None:
    PUBLISHED.mount(tmp_path)
    volume = Volume(tmp_path, Gateway())
    volume.read()
    PUBLISHED.rotated("r2", up="sk-2").mount(tmp_path)
    found = volume.read()
    assert isinstance(found, Loaded)
    assert found.credentials.values[UP].reveal() == "sk-2"
    shard(tmp_path).write_bytes(b"damaged")
    assert isinstance(volume.read(), Loaded)  # the shards of this digest are known
    assert isinstance(Volume(tmp_path, Gateway()).read(), Refused)


@given(name=st.sampled_from(["index", "shard", "credentials", "keys"]), data=st.binary(max_size=300), at=st.integers(0))
def test_any_bytes_anywhere_load_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes, at: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    PUBLISHED.mount(folder)
    files = {
        "index": folder / "config" / "index.json",
        "shard": shard(folder),
        "credentials": folder / "credentials" / "default.up.api-key",
        "keys": folder / "keys" / "team",
    }
    whole = files[name].read_bytes()
    files[name].write_bytes(whole[: at % len(whole)] + data)
    found = Volume(folder, Gateway()).read()
    if isinstance(found, Loaded):
        assert found.snapshot == PUBLISHED.snapshot
    else:
        assert name in ("index", "shard")
