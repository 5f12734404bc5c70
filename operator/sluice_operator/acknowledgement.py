"""What the pods of a gateway say that they run: nothing is live before a pod says so."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec

from sluice_operator.kube.api import Api
from sluice_operator.kube.errors import Forbidden, KubeError
from sluice_operator.kube.kinds import DEPLOYMENT, POD, Document, metadata_of
from sluice_operator.kube.together import together
from sluice_operator.reports import Report, Reports, read_report
from sluice_operator.status import Acknowledgement, Refusal
from sluice_operator.targets import Trouble
from sluice_operator.telemetry.log import Logger
from sluice_operator.work import Clock, Sleep

PORT: Final = 9090
"""Of a pod's internal listener, unless one of its containers names another port PORT_NAME."""
PORT_NAME: Final = "internal"
PATH: Final = "/internal/config"
REPORT_PATH: Final = "/internal/report"
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of an answer: it lists every resource, and ten thousand of them take one."""
MOST_AT_ONCE: Final = 32
TIMEOUT: Final = aiohttp.ClientTimeout(total=2.0, sock_connect=0.5)
"""A pod answers in milliseconds. One that doesn't must not hold up what is said about the others."""
FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 1.0
SILENCE_SECONDS: Final = 60.0
"""What a pod said last stands for so long while it does not answer: a slow pod must not make every status flap."""
FAILING_SECONDS: Final = 5.0
"""Of nothing but failures to find pods, before that is told: whatever passes sooner must not change any status."""
CALM_SECONDS: Final = 10.0
"""Between looks at pods that agree."""

GatewayKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the pods of a Deployment should run."""

    deployment: str
    digest: str
    credentials_revision: str


@dataclass(slots=True)
class _Watched:
    """One gateway: what its pods should run, what they said, and the task that asks."""

    wanted: Wanted
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    pods: tuple[Acknowledgement, ...] | None = None
    failing_since: float | None = None
    failure: str = ""
    heard: dict[str, tuple[Acknowledgement, float]] = field(default_factory=dict)
    reports: Reports = field(default_factory=Reports)
    task: asyncio.Task[None] | None = None

    @property
    def news(self) -> tuple[object, ...]:
        """All that a status may tell."""
        return self.pods, self.failure, self.reports.troubles, self.reports.pods


class Acknowledgements:
    """Asks the pods of every gateway: until they agree at short intervals, then every ten seconds.

    ``notify`` is called with a gateway's key when its pods say something new; ``clock`` gives seconds that only grow.
    Works while ``run`` runs.
    """

    def __init__(
        self, api: Api, clock: Clock, sleep: Sleep, notify: Callable[[GatewayKey], None], logger: Logger
    ) -> None:
        self._api, self._clock, self._sleep, self._notify, self._logger = api, clock, sleep, notify, logger
        self._watched: dict[GatewayKey, _Watched] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Ask until cancelled."""
        session = aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False)
        async with session as self._http, asyncio.TaskGroup() as self._tasks:
            for key, watched in self._watched.items():
                self._begin(self._tasks, key, watched)
            await asyncio.Event().wait()

    def expect(self, key: GatewayKey, wanted: Wanted) -> None:
        """Ask a gateway's pods for this from now on, at once if it is new."""
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = _Watched(wanted)
            if self._tasks:
                self._begin(self._tasks, key, watched)
        elif watched.wanted != wanted:
            watched.wanted = wanted
            watched.changed.set()

    def look(self, key: GatewayKey) -> None:
        """Ask a gateway's pods at once: one of them may be new, or ready, or gone."""
        if key in self._watched:
            self._watched[key].changed.set()

    def said(self, key: GatewayKey) -> tuple[Acknowledgement, ...] | None:
        """What the Ready pods said last; None before they were asked, or that has failed for long."""
        watched = self._watched.get(key)
        return watched.pods if watched else None

    def troubles(self, key: GatewayKey) -> tuple[tuple[Trouble, ...], int]:
        """What the pods report of targets, and how many pods have reported."""
        watched = self._watched.get(key)
        return (watched.reports.troubles, watched.reports.pods) if watched else ((), 0)

    def failure(self, key: GatewayKey) -> str:
        """Why the pods can't be found; empty while they can."""
        watched = self._watched.get(key)
        return watched.failure if watched else ""

    def behind(self, key: GatewayKey) -> int | None:
        """How many Ready pods do not run what they should; None before they were asked, and when they can't be."""
        watched = self._watched.get(key)
        if watched is None or watched.pods is None or watched.failure:
            return None
        return behind(watched.pods, watched.wanted)

    def forget(self, key: GatewayKey) -> None:
        """Ask no more: the gateway is gone."""
        watched = self._watched.pop(key, None)
        if watched and watched.task:
            watched.task.cancel()

    def _begin(self, tasks: asyncio.TaskGroup, key: GatewayKey, watched: _Watched) -> None:
        watched.task = tasks.create_task(self._follow(key, watched))

    async def _follow(self, key: GatewayKey, watched: _Watched) -> None:
        pause = FIRST_PAUSE
        while True:
            watched.changed.clear()
            wanted = watched.wanted
            before = watched.news
            try:
                watched.pods = await self._ask(key[0], wanted.deployment, watched)
            except KubeError as error:
                self._failed(key, watched, error)
            else:
                watched.failing_since, watched.failure = None, ""
            if watched.news != before:
                self._notify(key)
            calm = watched.pods is not None and not behind(watched.pods, wanted)
            if await self._changes(watched, CALM_SECONDS if calm else pause):
                pause = FIRST_PAUSE
            else:
                pause = min(pause * 2, LONGEST_PAUSE)

    def _failed(self, key: GatewayKey, watched: _Watched, error: KubeError) -> None:
        """What was said last stands, but not without the right to ask. What was never said is waited for no more."""
        now = self._clock()
        watched.failing_since = now if watched.failing_since is None else watched.failing_since
        if now - watched.failing_since < FAILING_SECONDS:
            return
        if not watched.failure:
            self._logger.warning("pods not asked", gateway="/".join(key), reason=error.reason, error=str(error))
        watched.failure = str(error)
        if watched.pods is None or isinstance(error, Forbidden):
            watched.pods = ()

    async def _changes(self, watched: _Watched, seconds: float) -> bool:
        """Whether something changed within so many seconds."""
        change, pause = asyncio.ensure_future(watched.changed.wait()), asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({change, pause}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            pause.cancel()
        return watched.changed.is_set()

    async def _ask(self, namespace: str, deployment: str, watched: _Watched) -> tuple[Acknowledgement, ...]:
        found = await self._api.get(DEPLOYMENT, namespace, deployment)
        listed = await self._api.list(POD, namespace, labels=selector(found))
        ready = sorted((pod for pod in listed if is_ready(pod)), key=lambda pod: str(pod["metadata"]["name"]))
        answers = await together(self._ask_pod, ready, MOST_AT_ONCE)
        now = self._clock()
        heard = {metadata_of(pod)["uid"]: (answer, now) for pod, answer in zip(ready, answers, strict=True) if answer}
        watched.heard = {uid: was for uid, was in watched.heard.items() if now - was[1] < SILENCE_SECONDS} | heard
        if watched.reports.due(now):
            reports = await together(self._ask_report, ready, MOST_AT_ONCE)
            uids = [metadata_of(pod)["uid"] for pod in ready]
            await asyncio.to_thread(watched.reports.take, dict(zip(uids, reports, strict=True)), now)
        nothing = {metadata_of(pod)["uid"]: Acknowledgement(metadata_of(pod)["name"]) for pod in ready}
        return tuple(watched.heard[uid][0] if uid in watched.heard else silent for uid, silent in nothing.items())

    async def _ask_pod(self, pod: Document) -> Acknowledgement | None:
        answer = await self._get(url_of(pod))
        return None if answer is None else read(metadata_of(pod)["name"], answer[0])

    async def _ask_report(self, pod: Document) -> Report | None:
        answer = await self._get(url_of(pod, REPORT_PATH))
        # In a thread: where thousands of routes are in trouble, each pod names them all, and the Lease must be held.
        return None if answer is None else await asyncio.to_thread(read_report, answer[0])

    async def _get(self, url: str) -> tuple[Any] | None:
        """The JSON of an answer, that of an empty object for one that is no success; None when there is none."""
        try:
            async with self._http.get(url, allow_redirects=False) as answer:
                body = await answer.content.read(MOST_BYTES) if answer.status == 200 else b"{}"
                while not answer.content.at_eof() and len(body) < MOST_BYTES:
                    body += await answer.content.read(MOST_BYTES)
            return (msgspec.json.decode(body),)
        except (aiohttp.ClientError, OSError, ValueError, RecursionError):  # not UTF-8, not JSON, [[[[…
            return None


def behind(pods: tuple[Acknowledgement, ...], wanted: Wanted) -> int:
    """How many pods do not run what they should."""
    meant = (wanted.digest, wanted.credentials_revision)
    return sum((pod.digest, pod.credentials_revision) != meant for pod in pods)


def read(pod: str, answer: Any) -> Acknowledgement:
    """A pod's answer. Whatever is not as it should be counts as not said."""
    if not isinstance(answer, dict):
        return Acknowledgement(pod)
    refused = answer.get("refused")
    refusal = (
        Refusal(_text(refused.get("digest")), _text(refused.get("reason")) or "") if isinstance(refused, dict) else None
    )
    return Acknowledgement(pod, _text(answer.get("digest")), _text(answer.get("credentialsRevision")), refusal)


def is_ready(pod: Document) -> bool:
    """Whether the pod gets traffic, and can be asked."""
    status = pod.get("status") or {}
    conditions = status.get("conditions") or ()
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and bool(status.get("podIP")) and "deletionTimestamp" not in metadata_of(pod)


def url_of(pod: Document, path: str = PATH) -> str:
    """Where to ask."""
    address = pod["status"]["podIP"]
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    port = next((port["containerPort"] for port in ports if port.get("name") == PORT_NAME), PORT)
    return f"http://{f'[{address}]' if ':' in address else address}:{port}{path}"


def selector(deployment: Document) -> str:
    """The label selector of a Deployment's pods."""
    meant = deployment["spec"].get("selector") or {}
    parts = [f"{name}={value}" for name, value in sorted((meant.get("matchLabels") or {}).items())]
    for one in meant.get("matchExpressions") or ():
        values = ",".join(one.get("values") or ())
        parts.append(_EXPRESSIONS[one["operator"]].format(key=one["key"], values=values))
    return ",".join(parts)


_EXPRESSIONS: Final = {
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
}


def _text(value: object) -> str | None:
    return value[:1000] if isinstance(value, str) else None
