"""buildah and debootstrap, unpacked from Debian's packages once for a machine, and the base image that they make."""

import json
import os
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.build import locked
from tests.cluster.shell import run

BASE = "localhost/python:3.13-slim"  # what `FROM python:3.13-slim` finds
SUITE = "trixie"  # Debian 13: its Python is 3.13
DEBIAN_PACKAGES = ("buildah", "debootstrap", "libassuan0", "libdevmapper1.02.1", "libgpgme11", "libseccomp2")
IN_BASE = ("python3", "python3-venv", "ca-certificates")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RECIPE = "1"  # raise it to have tools and bases made anew


def cache_folder() -> Path:
    """Where tools, bases and layers are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sluice" / "images" / RECIPE


@dataclass(frozen=True)
class Builder:
    """buildah with storage of its own."""

    folder: Path

    def run(self, *arguments: str | Path) -> str:
        """What buildah prints; raises ClusterError.

        It starts itself again without the environment, so that its libraries are told to the loader by the loader's
        own cache, in a mount namespace of its own.
        """
        tools = self.folder / "tools"
        storage = (f"--root={self.folder}/storage", f"--runroot={self.folder}/run")
        config = f"--registries-conf={tools}/registries.conf"
        script = 'mount --bind "$0/ld.so.cache" /etc/ld.so.cache && exec "$@"'
        command = ("unshare", "--mount", "sh", "-c", script, tools, tools / "usr/bin/buildah", *storage, config)
        return run(*command, *arguments, env=os.environ | {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"})

    @property
    def policy(self) -> str:
        """The flag that lets it use images that nobody signed: all are made here."""
        return f"--signature-policy={self.folder}/tools/policy.json"


@contextmanager
def only_builder() -> Iterator[Builder]:
    """The builder, with the base image in its storage; whoever comes second waits, also from another checkout."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    builder = Builder(folder)
    with locked(folder / "lock"):
        for name, make in (("tools", _unpack_tools), ("base", _make_base)):
            if not (made := folder / f"{name}.made").exists():
                make(builder)
                made.touch()  # last, so what is half made is made again
        yield builder


def _unpack_tools(builder: Builder) -> None:
    tools, downloads = builder.folder / "tools", builder.folder / "packages"
    for path in (tools, downloads):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *DEBIAN_PACKAGES, cwd=downloads)
    for package in downloads.glob("*.deb"):
        run("dpkg", "-x", package, tools)
    shutil.rmtree(downloads)
    (tools / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    (tools / "registries.conf").write_text('unqualified-search-registries = ["localhost"]\n')
    libraries = tools / "usr" / "lib" / str(sysconfig.get_config_var("MULTIARCH"))
    run("/sbin/ldconfig", "-C", tools / "ld.so.cache", libraries)


def _make_base(builder: Builder) -> None:
    """Debian with Python where the official image has it."""
    root, tools = builder.folder / "base", builder.folder / "tools"
    shutil.rmtree(root, ignore_errors=True)
    run(
        tools / "usr/sbin/debootstrap",
        "--variant=minbase",
        f"--include={','.join(IN_BASE)}",
        SUITE,
        root,
        _mirror(),
        env=os.environ | {"DEBOOTSTRAP_DIR": str(tools / "usr/share/debootstrap")},
    )
    shutil.rmtree(root / "var/cache/apt")
    for name in ("python", "python3"):
        (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
    container = builder.run("from", builder.policy, "scratch").strip()
    builder.run("copy", "--quiet", container, root, "/")
    builder.run("config", "--env", SEARCH_PATH, container)
    builder.run("commit", "--quiet", "--rm", builder.policy, container, BASE)
    shutil.rmtree(root)


def _mirror() -> str:
    """Where this machine has its packages from."""
    first = run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages").split()
    return first[0]
