"""The images of this repository as archives, with their SBOMs; built again when what goes into them has changed."""

import hashlib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.build import locked
from tests.cluster.shell import ClusterError, run, say
from tests.images.archive import added_bytes
from tests.images.builder import CERTIFICATES, RECIPE, Builder, only_builder
from tests.images.sbom import describe

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "dist" / "images"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SOURCES = ("pyproject.toml", "LICENSE", "README.md", ".dockerignore", "crds/sluice_config", "gateway", "operator")


@dataclass(frozen=True)
class Image:
    """An image: its name in manifests, its Dockerfile, and what else it is made of."""

    name: str
    dockerfile: str
    inputs: tuple[str, ...]

    @property
    def archive(self) -> Path:
        """Where its oci-archive is."""
        return OUT / f"{self.name.partition(':')[0]}.tar"

    @property
    def sbom(self) -> Path:
        """Where its CycloneDX document is."""
        return self.archive.with_suffix(".cdx.json")

    @property
    def reference(self) -> str:
        """What a container runtime makes of its name."""
        return f"docker.io/library/{self.name}"

    def digest(self) -> str:
        """A digest of all that decides what is in it."""
        digest = hashlib.sha256(f"{RECIPE} {self.name}".encode())
        for top in (self.dockerfile, *self.inputs):
            for path in sorted([ROOT / top] if (ROOT / top).is_file() else _shipped(ROOT / top)):
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()


def _shipped(folder: Path) -> Iterator[Path]:
    """Programs, and what they read: scripts, lists."""
    return (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


GATEWAY = Image(f"sluice-gateway:{VERSION}", "Dockerfile.gateway", (*SOURCES, "requirements/gateway.txt"))
OPERATOR = Image(f"sluice-operator:{VERSION}", "Dockerfile.operator", (*SOURCES, "requirements/operator.txt"))
REDIS = Image("redis:8.0", "tests/images/redis.Dockerfile", ())


def built(*images: Image) -> tuple[Path, ...]:
    """Their archives, built if need be. Whoever comes second waits. Raises ClusterError."""
    OUT.mkdir(parents=True, exist_ok=True)
    with locked(OUT / "lock"):
        for image in images:
            stamp = image.archive.with_suffix(".digest")
            if not (image.archive.exists() and stamp.exists() and stamp.read_text() == image.digest()):
                stamp.unlink(missing_ok=True)
                say(f"building {image.name}")
                with only_builder() as builder:
                    _build(builder, image)
                stamp.write_text(image.digest())
    return tuple(image.archive for image in images)


def _build(builder: Builder, image: Image) -> None:
    """Build it, write its archive and its SBOM, and say what it adds to its base."""
    builder.run(
        *("bud", builder.policy, "--pull-never", "--quiet", f"--file={ROOT / image.dockerfile}"),
        f"--volume={CERTIFICATES}:{CERTIFICATES}:ro",
        *(f"--build-arg=VERSION={VERSION}", f"--build-arg=REVISION={_revision()}"),
        *(f"--tag={image.name}", ROOT),
    )
    image.archive.unlink(missing_ok=True)
    builder.run("push", builder.policy, "--quiet", image.name, f"oci-archive:{image.archive}:{image.reference}")
    builder.run("rmi", "--prune")  # what was built before
    image.sbom.write_text(json.dumps(describe(image.name, image.archive), indent=2) + "\n")
    added, size = added_bytes(image.archive) / 1e6, image.archive.stat().st_size / 1e6
    say(f"{image.name}: {added:.0f} MB on its base, {size:.0f} MB as an archive")


def _revision() -> str:
    """The commit that is checked out, where there is one."""
    try:
        return run("git", "rev-parse", "HEAD", cwd=ROOT).strip()
    except (ClusterError, OSError):
        return "unknown"
