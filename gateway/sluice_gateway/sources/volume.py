"""What the operator has published, as the kubelet mounts it: how a pod starts while the API server is away.

    <folder>/config/index.json                 from ConfigMap <gateway>-config, key index.json
    <folder>/config/<number>-<slot>.json.gz    from ConfigMap <gateway>-config-<number>-<slot>, key shard.json.gz
    <folder>/credentials/                      Secret <gateway>-credentials
    <folder>/keys/                             Secret <gateway>-keys

Everything is optional. ``config`` is a projected volume; the Secrets are volumes of their own, as a key may have any
name.
"""

from pathlib import Path

from sluice_config.compile import Gateway
from sluice_config.shards import BrokenShards, Index, Place, join
from sluice_config.snapshot import Snapshot
from sluice_gateway.sources.parts import Keys, Unusable, loaded, read_index
from sluice_gateway.sources.source import Loaded, Refused

ORIGIN = "mounted volume"
INDEX_FILE = "index.json"
_LARGEST = 4 * 1024 * 1024  # bytes of a file: an object of Kubernetes has less


def shard_file(place: Place) -> str:
    """The name of a shard's file in the folder ``config``."""
    number, slot = place
    return f"{number}-{slot}.json.gz"


class Volume:
    """The mounted files of one gateway. They may lag behind by the kubelet's minute."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self._folder = folder
        self._gateway = gateway
        self._joined: tuple[str, Snapshot] | None = None

    def read(self) -> Loaded | Refused:
        """What is there now. The Secrets' revision is not: it is an annotation, which no volume has."""
        config = self._folder / "config"
        data = _read(config / INDEX_FILE)
        if data is None:
            return Refused(f"no configuration is mounted in {self._folder}")
        try:
            index = read_index(data, str(self._gateway))
        except Unusable as error:
            return Refused(error.reason, digest=error.digest)
        try:
            snapshot = self._snapshot(config, index)
        except BrokenShards as error:  # the kubelet is in the middle of it, perhaps
            return Refused(str(error), digest=index.digest)
        return loaded(snapshot, index, _keys(self._folder / "credentials"), _keys(self._folder / "keys"), ORIGIN)

    def _snapshot(self, config: Path, index: Index) -> Snapshot:
        if self._joined is None or self._joined[0] != index.digest:
            places = [(entry.number, entry.slot) for entry in index.shards]
            found = {place: data for place in places if (data := _read(config / shard_file(place))) is not None}
            self._joined = index.digest, join(index, found)
        return self._joined[1]


def _keys(folder: Path) -> Keys:
    """Each file is a key; what begins with two dots is the kubelet's own."""
    try:
        names = sorted(path for path in folder.iterdir() if not path.name.startswith(".."))
    except OSError:
        return Keys({}, missing="is not mounted")
    return Keys({path.name: data for path in names if (data := _read(path)) is not None})


def _read(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST)
    except OSError:
        return None
