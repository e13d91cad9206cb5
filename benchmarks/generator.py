"""The load generator: compiled on demand, run against a port, its figures read."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.credentials import PLAIN, Access

SOURCE = Path(__file__).parent / "load"
BUILD = Path(__file__).parent / "build"
PROGRAM, FLOOD = BUILD / "load", BUILD / "flood"
_UNITS = {PROGRAM: ("load.c",), FLOOD: ("flood.c", "fates.c")}
_SHARED = ("client.c", "messages.c", "tls.c")
LOOKUP, BATCH, STREAM = (f"/router.v1.InboundRouter/{name}" for name in ("Lookup", "LookupBatch", "LookupStream"))


class LoadError(RuntimeError):
    """The generator can't be built, or could not do its work."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A load: how many connections and calls at a time, or at what rate, for how long.

    Attributes:
        rate: calls a second in the open loop; 0 for the closed loop.
        window: messages on their way in each stream of a streaming method; 0 for unary calls.
        access: TLS, and what each call carries.
    """

    connections: int
    streams: int
    seconds: float
    warm: float = 1.0
    rate: float = 0.0
    window: int = 0
    path: str = LOOKUP
    deadline_ms: int = 1000
    access: Access = PLAIN


@dataclass(frozen=True, slots=True)
class Answers:
    """The generator's results of the measured part; latencies in milliseconds by percentile."""

    calls: int
    seconds: float
    cpu: float
    statuses: dict[int, int]
    lost: int
    percentiles: dict[str, float]
    worst: float

    @property
    def rate(self) -> float:
        """Answered calls a second."""
        return self.calls / self.seconds


def missing() -> str | None:
    """Why the generator can't be built here."""
    if PROGRAM.exists():
        return None
    if shutil.which("cc") is None:
        return "the load generator needs a C compiler: make bench-peers (gcc libnghttp2-dev)"
    headers = ["-include", "nghttp2/nghttp2.h", "-include", "openssl/ssl.h"]
    probe = ["cc", "-E", "-x", "c", *headers, "/dev/null"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        return "the load generator needs headers: make bench-peers (libnghttp2-dev libssl-dev)"
    return None


def build(program: Path = PROGRAM) -> None:
    """Compile it, or its sibling, unless it is newer than its source.

    Raises:
        LoadError: it can't be compiled.
    """
    units = [SOURCE / each for each in (*_UNITS[program], *_SHARED)]
    newest = max(each.stat().st_mtime for each in (*units, *SOURCE.glob("*.h")))
    if program.exists() and program.stat().st_mtime > newest:
        return
    BUILD.mkdir(exist_ok=True)
    command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(program), *map(str, units)]
    command += ["-lnghttp2", "-lssl", "-lcrypto"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"the load generator can't be compiled: {done.stderr[-600:]}")


def drive(port: int, requests: Path, shape: Shape, on_begin: Callable[[], None], on_end: Callable[[], None]) -> Answers:
    """Put load on a port; the two functions are called when the measured part begins and ends.

    Raises:
        LoadError: the generator failed.
    """
    command = [str(PROGRAM), "--port", str(port), "--requests", str(requests), "--path", shape.path]
    numbers = {
        "connections": shape.connections,
        "streams": shape.streams,
        "seconds": shape.seconds,
        "warm": shape.warm,
        "rate": shape.rate,
        "window": shape.window,
        # A stream lives as long as its run.
        "timeout-ms": int((shape.seconds + shape.warm + 10) * 1000) if shape.window else shape.deadline_ms,
    }
    command += [f"--{name}={value}" for name, value in numbers.items()]
    command += [f"--authority-file={shape.access.authority}"] if shape.access.authority else []
    command += [f"--{name}={value!s}" for name, value in shape.access.metadata]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            last = line
            if line == "begin\n":
                on_begin()
            elif line == "end\n":
                on_end()
        problem = process.stderr.read() if process.stderr else ""
    if process.returncode or not last.startswith("{"):
        raise LoadError(problem.strip() or f"the load generator ended with {process.returncode}")
    return _read(json.loads(last))


def _read(result: dict[str, float | dict[str, float]]) -> Answers:
    def number(name: str) -> float:
        value = result[name]
        assert not isinstance(value, dict)
        return value

    statuses, percentiles = result["statuses"], result["percentiles_us"]
    assert isinstance(statuses, dict)
    assert isinstance(percentiles, dict)
    if not number("calls"):
        raise LoadError(f"no call was answered ({int(number('resets'))} were reset)")
    return Answers(
        calls=int(number("calls")),
        seconds=number("seconds"),
        cpu=number("cpu"),
        statuses={int(code): int(count) for code, count in statuses.items()},
        lost=int(number("failed") + number("unsent") + number("unanswered")),
        percentiles={share: value / 1000 for share, value in percentiles.items()},
        worst=number("max_us") / 1000,
    )
