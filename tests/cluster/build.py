"""The programs of a cluster: compiled or unpacked once for a machine, then found in a cache outside of the tree."""

import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.shell import Stopwatch, run

SOURCE = Path(__file__).resolve().parent / "kubernetes"
KUBERNETES_VERSION = "1.36.3"
PAUSE_IMAGE = "localhost/pause:1"
PROBE_IMAGE = "localhost/probe:1"
DEBIAN_PACKAGES = (
    "containerd",
    "containernetworking-plugins",
    "libbsd0",
    "libedit2",
    "libjansson4",
    "libmnl0",
    "libnftables1",
    "libnftnl11",
    "libseccomp2",
    "libxtables12",
    "nftables",
    "runc",
)


def programs_folder() -> Path:
    """Where this checkout's programs are, or will be once they are built."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sluice" / "cluster" / inputs_digest()


def inputs_digest() -> str:
    """A digest of all that decides what is built: the sources, the recipe in this file, the system, its processor."""
    digest = hashlib.sha256()
    system = platform.freedesktop_os_release()
    digest.update(f"{system.get('ID')} {system.get('VERSION_ID')} {platform.machine()}".encode())
    for path in (Path(__file__), *sorted(path for path in SOURCE.rglob("*") if path.is_file())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def build() -> Path:
    """Build what the cache doesn't have; a second build that runs at the same time waits for the first. The folder."""
    target = programs_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.parent / "lock"):
        if not target.exists():
            partial = target.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            build_into(partial)
            partial.rename(target)  # so a folder that exists is whole
    return target


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock on a file; the kernel drops it also when this process is killed."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_into(folder: Path) -> None:
    """Build everything. The compiler steps back for whatever else this machine does."""
    watch = Stopwatch()
    unpack_debian_packages(folder / "debian")
    watch.lap("Debian packages unpacked")
    compile_programs(folder)
    write_image(folder / "pause.tar", PAUSE_IMAGE, folder / "pause")
    write_image(folder / "probe.tar", PROBE_IMAGE, folder / "probe")
    watch.lap(f"Kubernetes {KUBERNETES_VERSION} compiled, {(folder / 'kubernetes').stat().st_size / 1e6:.0f} MB")


def compile_programs(folder: Path) -> None:
    """Compile the one program of all Kubernetes roles, what holds a pod's namespaces, and what pods run in tests."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    version = "k8s.io/component-base/version"
    flags = (
        f"-s -w -X {version}.gitVersion=v{KUBERNETES_VERSION}"
        f" -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    )
    go_build = ("nice", "-n", "10", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags)
    run(*go_build, "-o", folder, "./...", cwd=SOURCE, env=os.environ | {"CGO_ENABLED": "0"})
    (folder / "kubectl").symlink_to("kubernetes")


def unpack_debian_packages(target: Path) -> None:
    """Download the packages with the machine's own package sources, and unpack them without installing them."""
    downloads = target.parent / "packages"
    downloads.mkdir()
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *DEBIAN_PACKAGES, cwd=downloads)
    for package in downloads.glob("*.deb"):
        run("dpkg", "-x", package, target)
    shutil.rmtree(downloads)


def write_image(archive: Path, name: str, program: Path) -> None:
    """Write an image archive that holds one static program, in the docker-archive format."""
    layer = tar({program.name: program.read_bytes()}, mode=0o755)
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": run("dpkg", "--print-architecture").strip(),
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    archive.write_bytes(tar(files, mode=0o644))


def tar(files: dict[str, bytes], mode: int) -> bytes:
    """A tar archive of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
