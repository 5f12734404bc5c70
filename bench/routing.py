"""What choosing a target, watching over it and keeping limits cost, beyond a route that has one target and no limit."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.contender import Contender
from bench.contenders import sluice
from bench.figures import spread, table
from bench.load import CONNECTIONS, load_plain
from bench.measured import LOAD_CORE, MEASURED_CORE, Measured, free_port
from bench.packages import missing_programs
from bench.wire import MODEL
from tests.support.redis_server import RedisServer, fetched

BARE = "one target, no limits"
LOCAL = "balanced, 5 targets, limits in the process"
SHARED = "the same, limits in Redis"
SECONDS = 4  # of one measurement
TARGETS = 5

_POLICY = """apiVersion: sluice.dev/v1alpha1
kind: ProviderPolicy
metadata: {{name: {name}}}
spec:
  provider: openai-compatible
  baseURL: http://127.0.0.1:{port}/v1
  credentials: {{secretRef: {{name: provider, key: api-key}}}}
  models:
    - name: m
      pricing: {{inputPerMillion: "0.15", outputPerMillion: "0.60"}}
      contextWindow: 128000
      capabilities: [chat, tools, json]
"""
_LIMITED = """  rateLimit: {requestsPerMinute: 10000000, tokensPerMinute: 1000000000000, maxConcurrent: 10000}
"""
_ROUTE = f"""apiVersion: sluice.dev/v1alpha1
kind: ModelRoute
metadata: {{{{name: {MODEL}}}}}
spec:
  models: [{MODEL}]
  targets: [{{targets}}]
"""
_LIMITS = """  strategy: balanced
  limits:
    - {name: requests, per: route, requests: 1000000000, window: minute}
    - {name: tokens, per: route, tokens: 1000000000000000, window: day}
    - {name: caller, per: consumer, requests: 1000000000, window: minute}
"""


@dataclass
class Setup:
    """One configuration, and what is measured of it; ``quiet`` are medians of one caller alone, in milliseconds."""

    contender: Contender
    quiet: list[float] = field(default_factory=list)


def run(folder: Path, rounds: int) -> str:
    """Measure, and return the table."""
    if missing := missing_programs() & {"wrk"}:
        return f"Left out, because it could not be installed: {', '.join(missing)}."
    with ExitStack() as stack:
        setups = list(_start(stack, folder))
        for setup in setups:
            setup.contender.warm_up(folder, plain=True)
        for turn in range(rounds):
            print(f"routing: round {turn + 1} of {rounds}", flush=True)
            for setup in setups:
                setup.contender.measure_plain(SECONDS, folder)
                setup.quiet.append(load_plain(setup.contender.process.port, SECONDS / 2, folder, 1).p50)
    introduction = (
        f"Plain requests, medians of {rounds} interleaved rounds of {SECONDS} s, lowest and highest in brackets; "
        f"{CONNECTIONS} connections, and for the latency one alone. Differences are those within a round."
    )
    return f"{introduction}\n\n{measured(setups)}"


def _start(stack: ExitStack, folder: Path) -> Iterator[Setup]:
    """The provider, Redis, and all gateways, ready."""
    upstream_port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(upstream_port)]
    upstream = Measured(command, port=upstream_port, output=folder / "upstream.log", core=LOAD_CORE)
    stack.enter_context(upstream).wait_until_listening()
    server = RedisServer(fetched(), folder)
    stack.callback(server.kill)
    state = {"SLUICE_STATE_URL": f"redis://127.0.0.1:{server.port}"}
    for number, name in enumerate((BARE, LOCAL, SHARED)):
        configuration = write(folder / f"configuration-{number}", upstream_port, full=name != BARE)
        environ = {**sluice.environ(folder / f"home-{number}"), **(state if name == SHARED else {})}
        port = free_port()
        command, log = sluice.command(configuration, port), folder / f"{number}.log"
        gateway = Measured(command, port=port, output=log, core=MEASURED_CORE, environ=environ)
        yield Setup(Contender(name, stack.enter_context(gateway).wait_until_ready()))


def write(folder: Path, upstream_port: int, *, full: bool) -> Path:
    """A configuration, in a folder of its own: the bare one or the full one."""
    folder.mkdir()
    names = [f"p{number}" for number in range(TARGETS if full else 1)]
    policies = [_POLICY.format(name=name, port=upstream_port) + (_LIMITED if full else "") for name in names]
    targets = ", ".join(f"{{provider: {name}, model: m}}" for name in names)
    route = _ROUTE.format(targets=targets) + (_LIMITS if full else "")
    (folder / "all.yaml").write_text("---\n".join([sluice.SECRETS, *policies, route]))
    return folder


def measured(setups: list[Setup]) -> str:
    """The table; the first of them is what the others are compared with."""
    bare = setups[0]
    header = ("", "CPU us/request", "more us", "requests/s", "p50 ms of one caller", "more ms", "failed")
    rows = [
        (
            one.contender.name,
            spread(one.contender.plain_cpu, 1),
            spread(_more(one.contender.plain_cpu, bare.contender.plain_cpu), 1),
            spread(one.contender.per_second),
            spread(one.quiet, 3),
            spread(_more(one.quiet, bare.quiet), 3),
            f"{one.contender.failed} of {one.contender.requests:,}",
        )
        for one in setups
    ]
    return table(header, rows)


def _more(values: list[float], baseline: list[float]) -> list[float]:
    return [value - base for value, base in zip(values, baseline, strict=True)]
