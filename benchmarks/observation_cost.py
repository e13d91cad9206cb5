"""The cost of metrics, call log and traces on the hit path, by turns: near cache, native transport, one worker each.

python -m benchmarks.observation_cost
python -m benchmarks.observation_cost shipped "traces, unsampled"
python -m benchmarks.observation_cost --tokens

The first service is the same code with its metrics switched off (benchmarks/unobserved). Turns are short: a shared
machine's speed changes from second to second. Whatever else runs makes a turn slower and never faster, so the fastest
eighth of the turns of each service are compared, and the turns beside each other as well.
"""

import argparse
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles

from benchmarks import generator
from benchmarks.arena import Arena, arena
from benchmarks.credentials import Access
from benchmarks.deployment import COMMAND
from benchmarks.generator import Shape
from benchmarks.probe import wait_for_workers
from benchmarks.processes import Server, free_port, tree

_SMALL = 10_000
_CALLS = 200_000
"""Distinct requests; the generator plays them again from the start."""
_UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
_LOG: dict[str, object] = {"log_calls": "refused,slow,sample:0.001"}
_TRACES: dict[str, object] = {"trace_endpoint": "http://127.0.0.1:9/v1/traces"}
_OTHER, _UNOBSERVED = "other checkout", "metrics off"


@dataclass(frozen=True, slots=True)
class _Variant:
    settings: dict[str, object]
    traceparent: str = ""


_VARIANTS = {
    _UNOBSERVED: _Variant({}),
    "shipped": _Variant({}),
    "call log": _Variant(_LOG),
    "traces": _Variant(_TRACES),
    "traceparent": _Variant({}, _UNSAMPLED),
    "traces, unsampled": _Variant(_TRACES, _UNSAMPLED),
    "everything": _Variant(_LOG | _TRACES, _UNSAMPLED),
}
"""A service, and what its callers bring: no `traceparent`, or one that is not sampled."""


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("variants", nargs="*", metavar="VARIANT", help=f"of {', '.join(_VARIANTS)}; all of them")
    options.add_argument("--rounds", type=int, default=40, help="by turns (%(default)s)")
    options.add_argument("--seconds", type=float, default=0.3, help="of each turn (%(default)s)")
    options.add_argument("--other", type=Path, help="another checkout, measured beside this one")
    options.add_argument("--tokens", action="store_true", help="each call has a token")
    given = options.parse_args()
    generator.build()
    names = [*([_OTHER] if given.other else []), *(given.variants or _VARIANTS)]
    with arena(_SMALL) as on, ExitStack() as running:
        access = on.credentials.access(tls=False, tokens=given.tokens)
        servers = {name: running.enter_context(_server(on, name, given.other, access)) for name in names}
        for server in servers.values():
            wait_for_workers(server.port, 1)
            _pin(server.pid)
            _drive(on, server, "spread", _SMALL, Shape(8, 16, 1.5, warm=0.4, access=access))
        seen: dict[str, list[float]] = {name: [] for name in names}
        for number in range(given.rounds):
            for name in names if number % 2 else names[::-1]:
                brings = replace(access, traceparent=_VARIANTS[name].traceparent if name in _VARIANTS else "")
                shape = Shape(8, 16, given.seconds, warm=0.05, access=brings)
                seen[name].append(_drive(on, servers[name], "hits", _CALLS, shape))
    for name, mine in seen.items():
        _print(name, mine, seen[names[0]])


def _print(name: str, mine: list[float], first: list[float]) -> None:
    pairs = [one / other for one, other in zip(mine, first, strict=True)]
    low, middle, high = quantiles(pairs, n=4) if len(pairs) > 1 else (pairs[0],) * 3
    by_pairs = f"by pairs {middle:.3f} ({low:.3f} to {high:.3f})"
    print(f"{name:20}{_fastest(mine):10,.0f} lookups per CPU-second {_fastest(mine) / _fastest(first):.3f}; {by_pairs}")


def _fastest(turns: list[float]) -> float:
    """Return the median of the fastest eighth."""
    return median(sorted(turns)[-max(1, len(turns) // 8) :])


def _server(on: Arena, name: str, other: Path | None, access: Access) -> Server:
    port = free_port()
    settings = {"stale_after": 1_000_000, "couchdb_url": on.couchdb_url, "redis_url": on.redis_url}
    settings |= {"token_file": on.credentials.token_file} if access.token else {}
    settings |= _VARIANTS[name].settings if name in _VARIANTS else {}
    command = [COMMAND, "serve", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0", "--http", ""]
    command += ["--transport", "native", "--workers", "1", "--log-level", "warning"]
    command += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    paths = {_OTHER: other, _UNOBSERVED: Path(__file__).parent / "unobserved"}
    environment = {"PYTHONPATH": str(paths[name])} if name in paths else {}
    return Server(command, port, environment=environment)


def _pin(pid: int) -> None:
    """Keep a service on the first core: of five services only two would find a core to pin their worker to."""
    for process in tree(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), {min(os.sched_getaffinity(0))})


def _drive(on: Arena, server: Server, kind: str, count: int, shape: Shape) -> float:
    """Return lookups per CPU-second of the service."""
    spent: list[float] = []

    def note() -> None:
        spent.append(_cpu_seconds(server.pid))

    answers = generator.drive(server.port, on.requests(kind, "e164", count), shape, note, note)
    if set(answers.statuses) != {0} or answers.lost:
        raise SystemExit(f"not every call was answered: {answers}")
    return answers.calls / (spent[-1] - spent[0])


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a service's threads; ticks of a hundredth of a second are too coarse for a short turn."""
    total = 0
    for process in tree(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


if __name__ == "__main__":
    main()
