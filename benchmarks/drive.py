"""One turn: a started contestant under one load, with the CPU time of all processes involved."""

import contextlib
import re
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks import generator, switch_protocols
from benchmarks.arena import Arena
from benchmarks.contestants import Contestant
from benchmarks.figures import Load, Turn
from benchmarks.generator import Answers, Shape
from benchmarks.peers import sip_dns
from benchmarks.processes import cpu_seconds, resident_megabytes

BATCH = 100
WINDOW = 64
_DISTINCT, _MOST_DISTINCT = 200_000, 500_000
"""Requests in a file; the generator plays them again from the start."""
_HTTP_WARM = 2
"""Seconds, enough for each number once: a near cache in use for a minute holds what is called."""
_FIRST_PART = 15.0
"""Seconds after which SIPp has had enough time for each number once."""
_RIGHT = {"hits": {0}, "spread": {0}, "refusals": {9}, "misses": {5}, "mix": {0, 5, 9}}
"""gRPC statuses that the numbers call for."""


class Meter:
    """CPU-seconds spent between begin and end, by process tree.

    Attributes:
        tools: the same of tools that were started and ended in between.
    """

    def __init__(self, **pids: int) -> None:
        self.pids = pids
        self.began = self.seconds = self.tools = 0.0
        self._at: dict[str, float] = {}
        self._spent: dict[str, float] = {}

    def begin(self) -> None:
        """From now."""
        self._at = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        self.began = time.monotonic()
        self.tools = -_children()

    def end(self) -> None:
        """Until now."""
        self.seconds = time.monotonic() - self.began
        self.tools = (self.tools + _children()) / self.seconds
        self._spent = {name: cpu_seconds(pid) - self._at[name] for name, pid in self.pids.items()}

    def cores(self, name: str) -> float:
        """CPU-seconds a second."""
        return self._spent.get(name, 0.0) / self.seconds if self.seconds else 0.0


def turn(arena: Arena, who: Contestant, pid: int, port: int, load: Load, *, seconds: float, rate: float) -> Turn:
    """Drive it once.

    Args:
        rate: lookups a second for the open loop; 0 for the closed one.

    Raises:
        LoadError: the tool failed.
    """
    meter = Meter(server=pid, redis=arena.redis_pid, couchdb=arena.couchdb_pid)
    seen = _TOOLS[who.tool](arena, who, port, load, seconds, rate, meter)
    return replace(
        seen,
        generator=seen.generator or meter.tools,
        numbers=arena.directory.count,
        cores=meter.cores("server"),
        redis=meter.cores("redis"),
        couchdb=meter.cores("couchdb"),
        offered=rate,
        megabytes=resident_megabytes(pid),
    )


def fill(arena: Arena, who: Contestant, port: int, seconds: float) -> None:
    """Have every number asked for once, as far as there is time: what is called often is then in memory."""
    requests = arena.requests("spread", "e164", min(arena.directory.count, _DISTINCT))
    shape = Shape(8, 16, seconds, warm=0.1, access=who.access(arena))
    generator.drive(port, requests, shape, lambda: None, lambda: None)


def _grpc(arena: Arena, who: Contestant, port: int, load: Load, seconds: float, rate: float, meter: Meter) -> Turn:
    lookups = BATCH if who.method == "batch" else 1
    warm = max(0.4, seconds / 3, who.warm, load.warm)
    shape = Shape(load.connections, load.streams, seconds, warm=warm, rate=rate / lookups, access=who.access(arena))
    if who.method == "batch":
        shape = replace(shape, streams=max(1, load.streams // 4), path=generator.BATCH)
    elif who.method == "stream":
        shape = replace(shape, streams=max(1, load.streams // 4), path=generator.STREAM, window=WINDOW)
    elif rate:
        # Room for what waits: the loop is open, so a slow answer must not hold up the next call.
        shape = replace(shape, streams=100)
    calls = min(max(_DISTINCT, arena.directory.count), _MOST_DISTINCT)
    requests = arena.requests(
        load.kind, load.form, calls, batch=BATCH if who.method == "batch" else 0, stream=who.method == "stream"
    )
    return _judge(who, load, generator.drive(port, requests, shape, meter.begin, meter.end), lookups)


def _judge(who: Contestant, load: Load, seen: Answers, lookups: int) -> Turn:
    expected = _RIGHT[load.kind] if who.looks and who.method == "lookup" else {0}
    right = sum(count for status, count in seen.statuses.items() if status in expected)
    return Turn(
        who.name,
        load.name,
        0,
        rate=right * lookups / seen.seconds,
        cores=0.0,
        generator=seen.cpu / seen.seconds,
        wrong=seen.calls - right,
        lost=seen.lost,
        percentiles={} if who.method == "stream" else seen.percentiles,
        statuses=seen.statuses,
    )


def _sip(arena: Arena, who: Contestant, port: int, load: Load, seconds: float, _rate: float, meter: Meter) -> Turn:
    """SIPp has no time limit that ends well: a part with each number once finds how many calls fill the time."""
    users = load.connections * load.streams
    command = ["sipp", f"127.0.0.1:{port}", "-sf", str(sip_dns.SCENARIO), "-i", "127.0.0.1", "-nostdin"]
    command += ["-users", str(users), "-inf"]
    first = sip_dns.routable(arena)
    _sipp([*command, str(sip_dns.sip_numbers(arena, "spread")), "-m", str(first)], arena, meter, _FIRST_PART)
    calls = int(first / meter.seconds * seconds * 1.5)
    result = _sipp([*command, str(sip_dns.sip_numbers(arena)), "-m", str(calls)], arena, meter, 4 * seconds + 4)
    failed = int((re.findall(r"Failed call .*\|\s*(\d+)", result) or ["0"])[-1])
    return Turn(who.name, load.name, 0, rate=(calls - failed) / meter.seconds, cores=0.0, wrong=failed)


def _sipp(command: list[str], arena: Arena, meter: Meter, limit: float) -> str:
    """SIPp 3.6 sometimes starts and then never sends anything: it is given up and started again."""
    for _ in range(5):
        with contextlib.suppress(subprocess.TimeoutExpired):
            meter.begin()
            result = _run(command, arena, fine=(0, 1), limit=limit)
            meter.end()
            return result
    raise generator.LoadError("SIPp hangs")


def _dns(arena: Arena, who: Contestant, port: int, load: Load, seconds: float, _rate: float, meter: Meter) -> Turn:
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port)]
    command += ["-c", str(load.connections), "-q", str(load.connections * load.streams), "-d"]
    _run([*command, str(sip_dns.dns_queries(arena, "spread")), "-n", "1"], arena)
    meter.begin()
    result = _run([*command, str(sip_dns.dns_queries(arena)), "-l", f"{max(1, round(seconds))}"], arena)
    meter.end()
    found = {name: float(value) for name, value in re.findall(r"(Queries \w+(?: \w+)*):\s+([\d.]+)", result)}
    right = float((re.search(r"NOERROR (\d+)", result) or ["", "0"])[1])
    wrong = int(found.get("Queries completed", 0) - right)
    return Turn(
        who.name,
        load.name,
        0,
        rate=found["Queries per second"],
        cores=0.0,
        wrong=wrong,
        lost=int(found.get("Queries lost", 0)),
    )


def _http(arena: Arena, who: Contestant, port: int, load: Load, seconds: float, _rate: float, meter: Meter) -> Turn:
    url = f"http://127.0.0.1:{port}"
    command = ["wrk", "-t", "1", "-c", str(load.connections * load.streams), "-s", str(switch_protocols.SCRIPT), "-d"]
    _run([*command, f"{_HTTP_WARM}s", url, str(switch_protocols.http_paths(arena, "spread"))], arena)
    meter.begin()
    result = _run([*command, f"{max(1, round(seconds))}s", url, str(switch_protocols.http_paths(arena))], arena)
    meter.end()
    made, wrong, lost = (
        int((re.search(pattern, result) or ["", "0"])[1])
        for pattern in (r"(\d+) requests in", r"Non-2xx or 3xx responses: (\d+)", r"timeout (\d+)")
    )
    return Turn(who.name, load.name, 0, rate=(made - wrong) / meter.seconds, cores=0.0, wrong=wrong, lost=lost)


def _redis(arena: Arena, who: Contestant, _port: int, load: Load, seconds: float, _rate: float, meter: Meter) -> Turn:
    clients = str(load.connections * load.streams)
    port = arena.redis_url.rpartition(":")[2].partition("/")[0]
    command = ["redis-benchmark", "-p", port, "-c", clients, "--csv", "-n"]
    calls, rate = 20_000, 0.0
    for measured in (False, True):
        meter.begin()
        result = _run([*command, str(calls), "GET", sip_dns.redis_key(arena)], arena)
        meter.end()
        rate = float(re.findall(r'"([\d.]+)"', result.splitlines()[-1])[0])
        if not measured:
            calls = int(rate * seconds)
    return Turn(who.name, load.name, 0, rate=rate, cores=0.0)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: list[str], arena: Arena, fine: tuple[int, ...] = (0,), limit: float = 120) -> str:
    done = subprocess.run(
        command, cwd=arena.folder, capture_output=True, text=True, errors="replace", check=False, timeout=limit
    )
    if done.returncode not in fine:
        raise generator.LoadError(f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-400:]}")
    return done.stdout


_Tool = Callable[[Arena, Contestant, int, Load, float, float, Meter], Turn]
_TOOLS: dict[str, _Tool] = {"grpc": _grpc, "sip": _sip, "dns": _dns, "http": _http, "redis": _redis}
