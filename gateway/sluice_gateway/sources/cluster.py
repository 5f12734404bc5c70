"""The source of a pod: what the operator has published, through the API server.

Three objects are watched: the index, the credentials, the callers' keys. The shards are not: they are read when an
index names ones that are not here yet, not older than that index. The operator writes shards before the index, so there
is nothing half-written to see; if there is all the same (a shard was deleted or edited by hand), the last good state
stays while it is read again.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import structlog

from sluice_config.compile import Gateway
from sluice_config.published import (
    INDEX_KEY,
    REVISION,
    SHARD_KEY,
    callers_name,
    credentials_name,
    index_name,
    shard_name,
)
from sluice_config.shards import BrokenShards, Entry, Index, join
from sluice_config.snapshot import Snapshot
from sluice_gateway.sources.api_server import Access, ApiError, ApiServer, NotThere
from sluice_gateway.sources.following import Followed, Pace
from sluice_gateway.sources.parts import Keys, Unusable, loaded, read_index
from sluice_gateway.sources.source import Loaded, Refused, same

ORIGIN = "API server"
SETTLE_SECONDS = 3.0
"""How long parts that do not fit together may take to do so, before that is said, or they are served as they are."""
_WORTH_SAYING = 3  # failures in a row: a cut watch that comes back at once is everyday life

Next = tuple[Loaded | Refused | None, float | None]
"""What a look has found, and after how many seconds to look again if nothing happens before."""


class ClusterSource:
    """Follows what is published for one gateway. An index is served when all that it names is here, and verified."""

    def __init__(
        self,
        access: Access,
        gateway: Gateway,
        logger: structlog.typing.FilteringBoundLogger,
        pace: Pace | None = None,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._access = access
        self._gateway = gateway
        self._logger = logger
        self._pace = pace or Pace()
        self._settle_seconds = settle_seconds
        self._index_patience, self._keys_patience = _Patience(settle_seconds), _Patience(settle_seconds)
        self._shards = _Shards(gateway.name)
        self._index = Followed("configmaps", index_name(gateway.name))
        self._credentials = Followed("secrets", credentials_name(gateway.name))
        self._callers = Followed("secrets", callers_name(gateway.name))
        self._all = (self._index, self._credentials, self._callers)
        self._good: tuple[Snapshot, Index] | None = None
        self._loaded: Loaded | None = None
        self._last: Loaded | Refused | None = None
        self._matching: Keys | None = None
        self._away: set[str] = set()
        self._retries = 0

    async def events(self) -> AsyncGenerator[Loaded | Refused, None]:
        """The first event comes once the API server has answered, then one for each change."""
        news = asyncio.Event()
        async with ApiServer(self._access, self._gateway.namespace) as api:
            followers = [asyncio.create_task(one.follow(api, self._pace, news.set)) for one in self._all]
            try:
                for follower in followers:
                    follower.add_done_callback(lambda _: news.set())
                while True:
                    news.clear()
                    self._say_trouble()
                    event, again = await self._look(api)
                    for one in self._new(event):
                        yield one
                    await _wait(news, again)
                    for ended in filter(asyncio.Task.done, followers):
                        ended.result()  # raises: following never ends by itself
            finally:
                for follower in followers:
                    follower.cancel()
                await asyncio.gather(*followers, return_exceptions=True)

    def _new(self, event: Loaded | Refused | None) -> Iterator[Loaded | Refused]:
        """What of it has not been said. While an index is refused, keys still come and go: one that was taken away must
        not be good for as long as that lasts.
        """
        if isinstance(event, Refused) and self._good:
            kept, _ = self._with_keys(*self._good)
            if kept and not (self._loaded and same(kept, self._loaded)):
                self._last = self._loaded = kept
                yield kept
        if event and not (self._last and same(event, self._last)):
            self._last = event
            if isinstance(event, Loaded):
                self._loaded = event
            yield event

    async def _look(self, api: ApiServer) -> Next:
        """Put together what is here."""
        found = self._index.stored
        if not self._index.known:
            return None, None
        if found is None:
            return self._settling("index", Refused(f"ConfigMap {self._index.name} {_why_not(self._index)}"))
        try:
            index = read_index(found.data.get(INDEX_KEY, b""), str(self._gateway))
        except Unusable as error:
            return Refused(error.reason, digest=error.digest), self._settle_seconds  # in which keys may settle
        try:
            snapshot = await self._shards.snapshot(api, index, found.version)
        except BrokenShards as error:
            return self._settling(found.version, Refused(str(error), digest=index.digest))
        self._retries = 0
        self._good = snapshot, index
        return self._with_keys(snapshot, index)

    def _with_keys(self, snapshot: Snapshot, index: Index) -> tuple[Loaded | None, float | None]:
        """Serve, once the Secrets are known, and the credentials are those that the index is about."""
        if not (self._credentials.known and self._callers.known):
            return None, None
        wanted = index.credentials_revision
        credentials, callers = _keys(self._credentials), _keys(self._callers)
        if credentials.revision in (None, wanted):
            self._keys_patience.reset()
            self._matching = credentials
        elif credentials.missing and self._matching and self._matching.revision == wanted:
            credentials = self._matching  # whoever has deleted them, the index still means these
        elif (left := self._keys_patience.left((wanted, credentials.revision))) > 0:
            return None, left
        return loaded(snapshot, index, credentials, callers, ORIGIN), None

    def _settling(self, subject: str, refusal: Refused) -> Next:
        """Say it once it has lasted; look again meanwhile, and after."""
        left = self._index_patience.left(subject)
        return (None, min(left, self._retry())) if left > 0 else (refusal, self._retry())

    def _retry(self) -> float:
        self._retries += 1
        return self._pace.delay(self._retries)

    def _say_trouble(self) -> None:
        """One line when an object can't be followed any more, and one when it can again."""
        for one in self._all:
            if one.trouble and one.failures >= _WORTH_SAYING and one.name not in self._away:
                self._away.add(one.name)
                self._logger.warning("API server does not serve", object=one.name, reason=str(one.trouble))
            elif not one.trouble and one.name in self._away:
                self._away.discard(one.name)
                self._logger.info("API server serves again", object=one.name)


class _Shards:
    """The shards of the index that is served, and their snapshot: a change reads only what it changes."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._packed: dict[Entry, bytes] = {}
        self._snapshot: tuple[str, Snapshot] | None = None

    async def snapshot(self, api: ApiServer, index: Index, version: str) -> Snapshot:
        """What the index, of this version, names. Raises BrokenShards."""
        if self._snapshot and self._snapshot[0] == index.digest:
            return self._snapshot[1]
        packed = {entry: await self._read(api, entry, version) for entry in index.shards}
        snapshot = await asyncio.to_thread(join, index, {(one.number, one.slot): data for one, data in packed.items()})
        self._packed, self._snapshot = packed, (index.digest, snapshot)
        return snapshot

    async def _read(self, api: ApiServer, entry: Entry, version: str) -> bytes:
        if entry in self._packed:
            return self._packed[entry]
        name = shard_name(self._gateway, (entry.number, entry.slot))
        try:
            return (await api.get("configmaps", name, version)).data[SHARD_KEY]
        except (NotThere, KeyError) as error:
            raise BrokenShards(f"ConfigMap {name} is missing, or has no {SHARD_KEY}") from error
        except ApiError as error:
            raise BrokenShards(f"ConfigMap {name} can't be read: {error}") from error


class _Patience:
    """How much longer something may last. One thing at a time: another one starts anew."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._subject: object = None
        self._since = 0.0

    def left(self, subject: object) -> float:
        """Seconds, from the first time that this subject came up."""
        now = asyncio.get_running_loop().time()
        if subject != self._subject:
            self._subject, self._since = subject, now
        return self._since + self._seconds - now

    def reset(self) -> None:
        """All is well."""
        self._subject = None


def _keys(followed: Followed) -> Keys:
    if followed.stored is None:
        return Keys({}, "0", _why_not(followed))
    return Keys(followed.stored.data, followed.stored.annotations.get(REVISION))


def _why_not(followed: Followed) -> str:
    return f"can't be read: {followed.trouble}" if followed.trouble else "does not exist"


async def _wait(news: asyncio.Event, seconds: float | None) -> None:
    try:
        await asyncio.wait_for(news.wait(), seconds)
    except TimeoutError:
        return
