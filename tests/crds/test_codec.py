"""The snapshot's bytes: canonical, the same in every process, and refused when they are something else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluice_config.codec import InvalidSnapshot, digest, digest_of, dump, load
from sluice_config.compile import compile_resources
from sluice_config.snapshot import Snapshot
from tests.support.resources import inputs, read

GOLDEN = Path(__file__).parents[1] / "golden"

# Of everything_snapshot(): every Python version has to reproduce it. It changes only when what a snapshot says
# changes, and then running gateways of another version must still read it, or SCHEMA_VERSION has to be raised.
KNOWN_DIGEST = "sha256:c04a466e5877fd6b7d40894381daf867e4697b7cefc2eff2ae8e11bc0875fdab"


def everything_snapshot() -> Snapshot:
    """A snapshot with every field set."""
    return compile_resources(*inputs(read(GOLDEN / "codec" / "everything.yaml"))).snapshot


def test_known_digest() -> None:
    assert digest(everything_snapshot()) == KNOWN_DIGEST


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_the_digest_is_the_same_in_every_process(seed: str) -> None:
    program = "from tests.crds.test_codec import *; print(digest(everything_snapshot()))"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, env=environment, cwd=GOLDEN.parents[1], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == KNOWN_DIGEST


def test_dump_is_canonical() -> None:
    data = dump(everything_snapshot())
    content = json.loads(data)
    assert data.decode() == json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert "ü".encode() in data
    assert b"null" not in data


def test_load_gives_what_was_dumped() -> None:
    snapshot = everything_snapshot()
    assert load(dump(snapshot)) == snapshot
    assert digest_of(dump(snapshot)) == digest(snapshot)


def test_defaults_are_written_out() -> None:
    """What an absent field means must not depend on the reader's version."""
    (provider,) = json.loads(dump(everything_snapshot()))["providers"][:1]
    assert provider["retry"]["maxRetries"] == 2


def test_generations() -> None:
    assert everything_snapshot().generations == {
        "CachePolicy/default/answers": 4,
        "ModelRoute/default/chat": 7,
        "ProviderPolicy/default/mock": 1,
        "ProviderPolicy/default/vendor": 3,
    }


def test_equal_snapshots_have_equal_digests_and_others_have_not() -> None:
    snapshot = everything_snapshot()
    (route,) = snapshot.routes
    changed = snapshot.model_copy(update={"routes": (route.model_copy(update={"generation": 8}),)})
    assert digest(changed) != digest(snapshot)
    assert digest(Snapshot.model_validate(snapshot.model_dump())) == digest(snapshot)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a JSON object"),
        (b"{", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "not a JSON object"),
        (b'{"schemaVersion":2,"gateway":"a/b"}', "not a snapshot of schema version 1"),
        (b'{"schemaVersion":1}', "not a snapshot: gateway"),
        (b'{"schemaVersion":1,"gateway":"a/b","extra":1}', "not a snapshot: extra"),
        (b'{"schemaVersion":1,"gateway":"a/b","routes":[{"name":"x"}]}', "not a snapshot: routes.0.namespace"),
        (b'{"schemaVersion":1,"gateway":"a/b","routes":"sk-canary"}', "not a snapshot: routes"),
    ],
)
def test_what_is_no_snapshot_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(InvalidSnapshot) as caught:
        load(data)
    assert str(caught.value).startswith(message)
    assert "canary" not in repr(caught.value)
