"""did-router asked as switches ask, over HTTP, by SIP redirect and by ENUM: commands, and files with requests."""

from pathlib import Path
from urllib.parse import quote

from benchmarks.arena import Arena
from benchmarks.deployment import COMMAND
from benchmarks.peers import sip_dns
from benchmarks.peers.build import lacks
from benchmarks.processes import free_port

SCRIPT = Path(__file__).parent / "load" / "lookups.lua"
_NO_LIMIT = 0
"""Requests a second from one address: the generator is one address, and 2,000 a second are the default."""


def http(arena: Arena, port: int) -> list[str]:
    """Return the command of a service whose HTTP API is on a port."""
    return _serve(arena, {"http_listen": f"127.0.0.1:{port}"})


def sip(arena: Arena, port: int) -> list[str]:
    """Return the command of a service whose SIP redirect is on a port."""
    return _serve(arena, {"sip_listen": f"127.0.0.1:{port}", "sip_max_request_rate": _NO_LIMIT})


def enum(arena: Arena, port: int) -> list[str]:
    """Return the command of a service whose ENUM is on a port."""
    return _serve(arena, {"enum_listen": f"127.0.0.1:{port}", "enum_max_request_rate": _NO_LIMIT})


def wrk_missing() -> str | None:
    """Why nothing can be asked over HTTP."""
    return lacks(("wrk",), packages="wrk")


def sipp_missing() -> str | None:
    """Why nothing can be asked by SIP."""
    return lacks(("sipp",), packages="sip-tester")


def dnsperf_missing() -> str | None:
    """Why nothing can be asked by DNS."""
    return lacks(("dnsperf",), packages="dnsperf")


def http_paths(arena: Arena, kind: str = "hits") -> Path:
    """Return a file with the paths that wrk asks for; `kind` as for `sip_dns.sip_numbers`."""
    path = arena.folder / f"paths-{kind}"
    if not path.exists():
        path.write_text("".join(f"/v1/lookup/{quote(each, safe='+')}\n" for each in sip_dns.asked(arena, kind)))
    return path


def _serve(arena: Arena, settings: dict[str, object]) -> list[str]:
    command = [COMMAND, "serve", "--listen", f"127.0.0.1:{free_port()}", "--admin", "127.0.0.1:0"]
    command += ["--transport", "native", "--workers", "1", "--log-level", "warning"]
    command += ["--couchdb-url", arena.couchdb_url, "--redis-url", arena.redis_url]
    every = {"http_listen": "", "stale_after": 1_000_000} | settings
    return command + [word for name, value in every.items() for word in ("--set", f"{name}={value}")]
