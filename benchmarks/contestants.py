"""The contestants: how each is started and asked, and why it is left out where it can't run."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlsplit

from benchmarks import switch_protocols
from benchmarks.arena import Arena
from benchmarks.credentials import Access
from benchmarks.deployment import COMMAND
from benchmarks.peers import build, sip_dns
from router.entries.codec import HEADER, VERSION
from router.settings import NAMES

_PYTHON = sys.executable
NOBODY = "redis://127.0.0.1:1/0"
"""A Redis that is not there."""

Start = Callable[[Arena, int], list[str]]
Missing = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server under measurement.

    Attributes:
        group: for --only.
        start: its command, from the arena and a port.
        missing: why it can't take part here; None when it can.
        tool: what drives it: "grpc", "http", "sip", "dns" or "redis".
        method: of gRPC: "lookup", "batch" or "stream".
        looks: whether it looks numbers up (echoes don't).
        workers: processes that share the port.
        warm: seconds before it is measured, where a compiler at run time needs them.
        filling: seconds in which every number is asked before the first load, where answers are kept in memory.
        tls, tokens: whether it speaks TLS, and wants a token with each call.
        uncompiled: why its program would have to be compiled first; None where it need not be.
    """

    name: str
    group: str
    start: Start
    missing: Missing = lambda: None
    tool: str = "grpc"
    method: str = "lookup"
    looks: bool = True
    workers: int = 1
    warm: float = 0.0
    filling: float = 0.0
    tls: bool = False
    tokens: bool = False
    uncompiled: Missing = lambda: None

    @property
    def udp(self) -> bool:
        """Asked over UDP."""
        return self.tool in {"sip", "dns"}

    def access(self, arena: Arena) -> Access:
        """Return how it is called."""
        return arena.credentials.access(tls=self.tls, tokens=self.tokens)


def all_contestants() -> list[Contestant]:
    """In the order of their turns; what is compared stands close together."""
    return [
        _ours("near", "native"),
        _echo("native"),
        Contestant("textbook", "peers", _textbook, _lacks_module("uvloop")),
        _ours("redis", "native"),
        Contestant("go map", "peers", _go_map, build.go_missing, uncompiled=build.go_uncompiled),
        Contestant("c++ map", "peers", _cpp_map, build.cpp_missing, uncompiled=build.cpp_uncompiled),
        Contestant("go redis", "peers", _go_redis, build.go_missing, uncompiled=build.go_uncompiled),
        Contestant("node redis", "peers", _node, build.node_missing, warm=2.0),
        _ours("near", "grpcio"),
        _echo("grpcio"),
        _ours("redis", "grpcio"),
        _ours("near", "native", workers=2),
        _ours("redis", "native", workers=2),
        _ours("near", "grpcio", workers=2),
        _ours("redis", "grpcio", workers=2),
        _ours("near", "edge", tls=True, tokens=True),
        Contestant("echo edge tls tokens", "ceilings", _edge_echo, _edge_missing, looks=False, tls=True, tokens=True),
        _ours("near", "grpcio", tls=True),
        Contestant("textbook tls", "peers", _textbook_tls, _lacks_module("uvloop"), tls=True),
        Contestant("go map tls", "peers", _go_map_tls, build.go_missing, tls=True, uncompiled=build.go_uncompiled),
        Contestant("c++ map tls", "peers", _cpp_map_tls, build.cpp_missing, tls=True, uncompiled=build.cpp_uncompiled),
        _ours("fallback", "native"),
        _ours("fallback", "grpcio"),
        _ours("near", "native", method="batch"),
        _ours("near", "native", method="stream"),
        _ours("redis", "native", method="batch"),
        _ours("redis", "native", method="stream"),
        Contestant("near http", "ours", switch_protocols.http, switch_protocols.wrk_missing, tool="http"),
        Contestant("near sip", "ours", switch_protocols.sip, switch_protocols.sipp_missing, tool="sip"),
        Contestant("kamailio", "others", sip_dns.kamailio, sip_dns.kamailio_missing, tool="sip"),
        Contestant("near enum", "ours", switch_protocols.enum, switch_protocols.dnsperf_missing, tool="dns"),
        Contestant("knot", "others", sip_dns.knot, sip_dns.knot_missing, tool="dns"),
        Contestant("redis-benchmark", "others", lambda _arena, _port: [], sip_dns.redis_missing, tool="redis"),
    ]


_FILLING = {"native": 1.0, "edge": 1.0, "grpcio": 6.0}
"""Enough for each of 10,000 numbers: a near cache in use for a minute holds what is called."""

GROUPS = ("ours", "ceilings", "peers", "others")


def _ours(
    store: str, transport: str, *, workers: int = 1, method: str = "lookup", tls: bool = False, tokens: bool = False
) -> Contestant:
    """Us: near cache, Redis only (no near cache), or fallback only (no Redis either)."""
    extras = [f"x{workers}"] if workers > 1 else [] if method == "lookup" else [method]
    extras += ["tls"] * tls + ["tokens"] * tokens

    def start(arena: Arena, port: int) -> list[str]:
        command = [COMMAND, "serve", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0", "--http", ""]
        command += ["--transport", transport, "--workers", str(workers), "--log-level", "warning"]
        command += ["--couchdb-url", arena.couchdb_url]
        command += ["--redis-url", NOBODY if store == "fallback" else arena.redis_url]
        files = arena.credentials
        secure = {"tls_certificate": files.certificate, "tls_key": files.key} if tls else {}
        guarded = {"token_file": files.token_file} if tokens else {}
        caches = {} if store == "near" else {"near_cache_entries": 0}
        settings = {"stale_after": 1_000_000, "http_listen": "", **caches, **secure, **guarded}
        return command + [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]

    return Contestant(
        " ".join((store, transport, *extras)),
        "ours",
        start,
        _MISSING[transport],
        method=method,
        workers=workers,
        filling=_FILLING[transport] if store == "near" else 0.0,
        tls=tls,
        tokens=tokens,
    )


def _edge_missing() -> str | None:
    """Why nothing of ours can be started behind the edge."""
    if "edge" not in get_args(NAMES.fields["transport"].annotation):
        return "there is no transport called edge yet"
    if importlib.util.find_spec("envoy") is not None or shutil.which("envoy") is not None:
        return None
    return "Envoy is not installed: pip install 'did-router[edge]'"


def _echo(transport: str) -> Contestant:
    module = f"benchmarks.ceilings.{transport}_echo"

    def start(arena: Arena, port: int) -> list[str]:
        return [_PYTHON, "-m", module, "--listen", f"127.0.0.1:{port}", "--answer", str(arena.answer)]

    return Contestant(f"echo {transport}", "ceilings", start, _MISSING[transport], looks=False)


def _edge_echo(arena: Arena, port: int) -> list[str]:
    command = [_PYTHON, "-m", "benchmarks.ceilings.edge_echo", "--listen", f"127.0.0.1:{port}"]
    files = arena.credentials
    return [
        *command,
        "--answer",
        str(arena.answer),
        "--certificate",
        str(files.certificate),
        "--key",
        str(files.key),
    ]


def _textbook(arena: Arena, port: int) -> list[str]:
    return [_PYTHON, "-m", "benchmarks.peers.textbook", "--port", str(port), "--redis-url", arena.redis_url]


def _textbook_tls(arena: Arena, port: int) -> list[str]:
    files = arena.credentials
    return [*_textbook(arena, port), "--certificate", str(files.certificate), "--key", str(files.key)]


def _go_map(arena: Arena, port: int) -> list[str]:
    return [build.go_server(), "-port", str(port), "-answers", str(arena.answers)]


def _go_map_tls(arena: Arena, port: int) -> list[str]:
    files = arena.credentials
    return [*_go_map(arena, port), "-certificate", str(files.certificate), "-key", str(files.key)]


def _go_redis(arena: Arena, port: int) -> list[str]:
    layout = ["-version", str(VERSION), "-header", str(HEADER)]
    return [build.go_server(), "-port", str(port), "-redis", urlsplit(arena.redis_url).netloc, *layout]


def _cpp_map(arena: Arena, port: int) -> list[str]:
    return [build.cpp_server(), str(port), str(arena.answers)]


def _cpp_map_tls(arena: Arena, port: int) -> list[str]:
    return [*_cpp_map(arena, port), str(arena.credentials.certificate), str(arena.credentials.key)]


def _node(arena: Arena, port: int) -> list[str]:
    return ["node", str(build.NODE / "server.js"), str(port), arena.redis_url, str(VERSION), str(HEADER)]


def _lacks_module(module: str) -> Missing:
    def missing() -> str | None:
        if importlib.util.find_spec(module) is not None:
            return None
        return f"{module} is not installed: make bench-peers"

    return missing


_MISSING: dict[str, Missing] = {
    "native": _lacks_module("pygrpc_native"),
    "edge": _edge_missing,
    "grpcio": lambda: None,
}


def chosen(all_of_them: Sequence[Contestant], groups: set[str], names: set[str]) -> list[Contestant]:
    """Return the contestants of the groups, or those of the names."""
    return [each for each in all_of_them if each.group in groups or each.name in names]
