"""The Redis for what gateways share: it keeps what it was told, refuses rather than forgets, and takes a password."""

import pytest

from tests.support.cluster import KubectlFailed
from tests.support.installation import Installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def redis(installation: Installation, *command: str, password: str = "") -> str:
    """What it answers in its own pod."""
    login = ("--no-auth-warning", "-a", password) if password else ()
    return installation.kubectl("exec", "sluice-state-0", "--", "redis-cli", *login, *command).strip()


def test_its_files_are_all_that_it_may_write(installation: Installation) -> None:
    with pytest.raises(KubectlFailed, match="Read-only file system"):
        installation.kubectl("exec", "sluice-state-0", "--", "touch", "/etc/anything")


def test_it_keeps_what_it_was_told_and_takes_a_password(installation: Installation) -> None:
    assert redis(installation, "config", "get", "maxmemory-policy").split() == ["maxmemory-policy", "noeviction"]
    assert redis(installation, "config", "get", "appendonly").split() == ["appendonly", "yes"]
    assert redis(installation, "set", "spent", "12") == "OK"
    password = "--from-literal=password.conf=requirepass correct-horse"
    installation.kubectl("create", "secret", "generic", "sluice-state", password)
    installation.kubectl("delete", "pod", "sluice-state-0", within=120)
    installation.roll_out("sts/sluice-state")
    assert "NOAUTH" in redis(installation, "get", "spent")
    assert redis(installation, "get", "spent", password="correct-horse") == "12"
    installation.kubectl("delete", "secret", "sluice-state")
    installation.kubectl("delete", "pod", "sluice-state-0", "--wait=false")  # it comes back as it was, for others
