"""Configurations and requests for the peers that don't speak gRPC: Kamailio, Knot DNS, and Redis itself."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.arena import KEYS, Arena
from benchmarks.peers.build import PEERS, find, lacks
from router.entries.codec import ACCOUNT, VERSION

SCENARIO = PEERS / "kamailio" / "invite.xml"
_ASKED = 100_000
"""Requests in a file; it is read again from the start."""


def kamailio_missing() -> str | None:
    """Why Kamailio can't be measured."""
    return lacks(("kamailio", "sipp"), packages="kamailio kamailio-redis-modules sip-tester")


def knot_missing() -> str | None:
    """Why Knot DNS can't be measured."""
    return lacks(("knotd", "dnsperf"), packages="knot dnsperf")


def redis_missing() -> str | None:
    """Why Redis alone can't be measured."""
    return lacks(("redis-benchmark",), packages="redis-tools")


def kamailio(arena: Arena, port: int) -> list[str]:
    """Its command; the configuration is written for this port."""
    path = arena.folder / "kamailio.cfg"
    text = (PEERS / "kamailio" / "kamailio.cfg.in").read_text()
    values = {"PORT": port, "REDIS_PORT": urlsplit(arena.redis_url).port, "VERSION": VERSION, "ACCOUNT": ACCOUNT}
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    path.write_text(text)
    return [find("kamailio") or "kamailio", "-DD", "-E", "-Y", str(arena.folder), "-f", str(path)]


def knot(arena: Arena, port: int) -> list[str]:
    """Its command; the zone is written once."""
    folder = arena.folder / "knot"
    folder.mkdir(exist_ok=True)
    if not (folder / "zone").exists():
        with (folder / "zone").open("w") as zone:
            zone.write("$ORIGIN e164.arpa.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n")
            for index in range(arena.directory.count):
                name, account = enum_name(arena.directory.number(index)), arena.directory.account(index)
                zone.write(f'{name} NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:{account}.invalid!" .\n')
    text = (PEERS / "knot" / "knot.conf.in").read_text()
    path = folder / "knot.conf"
    path.write_text(text.replace("@FOLDER@", str(folder)).replace("@PORT@", str(port)))
    return [find("knotd") or "knotd", "-c", str(path)]


def enum_name(number: str) -> str:
    """A number's name below e164.arpa."""
    return ".".join(reversed(number.removeprefix("+")))


def sip_numbers(arena: Arena, kind: str = "hits") -> Path:
    """SIPp's injection file.

    Args:
        kind: of the numbers, as `Directory.asked` has it; of "spread", each number once.
    """
    path = arena.folder / f"numbers-{kind}.csv"
    if not path.exists():
        path.write_text("SEQUENTIAL\n" + "".join(f"{each};\n" for each in asked(arena, kind)))
    return path


def dns_queries(arena: Arena, kind: str = "hits") -> Path:
    """Dnsperf's query file; `kind` as for `sip_numbers`."""
    path = arena.folder / f"queries-{kind}"
    if not path.exists():
        path.write_text("".join(f"{enum_name(each)}.e164.arpa NAPTR\n" for each in asked(arena, kind)))
    return path


def asked(arena: Arena, kind: str) -> Iterator[str]:
    """Numbers for a file that a tool reads again from the start; of "spread", each number once."""
    return arena.directory.asked(kind, routable(arena) if kind == "spread" else _ASKED)


def routable(arena: Arena) -> int:
    """Return the count of numbers in "spread"."""
    return sum(not arena.directory.refused(index) for index in range(arena.directory.count))


def redis_key(arena: Arena) -> str:
    """redis-benchmark can't vary a key as ours are written, so it asks for this one."""
    return KEYS.number(arena.directory.number(0))
