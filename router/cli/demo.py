"""did-router demo."""

import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

import click
import grpc
from rich import box
from rich.console import Console
from rich.table import Table

from router.cli import sample_numbers
from router.cli.client import LookupResult, send_lookup
from router.cli.local_servers import check_ports_free, embedded_redis
from router.cli.options import Exit, fail, set_up_logging
from router.cli.progress import BarProgress
from router.couch.server import CouchServer
from router.embedded.couchdb import EmbeddedCouchDB
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG
from router.server.app import Service
from router.settings import Settings
from router.stores.clients import Stores
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from router.warm_up.warm_up import WarmUp

_SHARD = "numbers/+1415"
_DEADLINE = 2.0
_PORT = click.IntRange(0, 65535)
_OPEN: dict[str, None] = dict.fromkeys(("tls_certificate", "tls_key", "tls_client_ca", "token_file"))
"""The demo is on loopback and asks itself, whatever the environment says of TLS and tokens."""
_WIDTH = 150
"""Columns of the table where no terminal says otherwise."""
_MIN_WIDTHS = {"what": len("only a port request"), "outcome": len("NUMBER_DATABASE_UNAVAILABLE"), "ms": len("1000.0")}
"""Columns that fold nowhere else on a slow machine, whose milliseconds are longer."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One lookup of the table."""

    title: str
    number: str
    authoritative: bool = False
    seconds: float = _DEADLINE


SCENES = (
    Scene("a SIP user part", "4158867900"),
    Scene("a SIP URI", "sip:+14158867900@carrier.example;transport=udp"),
    Scene("written by a person", "+1 (415) 886-7900"),
    Scene("past the caches", "+14158867900", authoritative=True),
    Scene("not in the cache yet", "+14158867999"),
    Scene("reserved numbers route", "+14158867901"),
    Scene("being ported in", "+14158867902"),
    Scene("only a port request", "+14158867903"),
    Scene("an emergency number", "911"),
    Scene("nobody's number", "+14158860000"),
    Scene("aging after release", "+14158867904"),
    Scene("no account yet", "+14158867905"),
    Scene("a disabled account", "+14158867906"),
    Scene("no time left", "+14158860001", authoritative=True, seconds=-1.0),  # gRPC counts coarsely: 0 may be answered
)


@click.command()
@click.option("--once", is_flag=True, help="Exit after the demonstration instead of serving on.")
@click.option(
    "--port",
    type=_PORT,
    default=50051,
    show_default=True,
    help="Port of the gRPC service on loopback; 0: a free one.",
)
@click.option(
    "--admin-port",
    type=_PORT,
    default=9050,
    show_default=True,
    help="Port of the admin pages on loopback; 0: a free one.",
)
@click.option(
    "--http-port", type=_PORT, default=8080, show_default=True, help="Port of the HTTP API; 0 for a free one."
)
def demo(port: int, admin_port: int, http_port: int, *, once: bool) -> None:
    """Show the main job on embedded stores: nothing to install, nothing kept.

    Starts a Redis and a CouchDB-speaking database, loads example numbers from all over the world, warms the
    cache, serves, and prints lookups with each possible outcome. Then changes an owner in the database and
    measures how long it takes until a lookup tells so.
    """
    set_up_logging("error")
    check_ports_free({"--port": port, "--admin-port": admin_port, "--http-port": http_port})
    stop = threading.Event()
    if not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    with embedded_redis() as redis, EmbeddedCouchDB() as couchdb:
        settings = Settings.load(
            couchdb_url=couchdb.url,
            redis_url=redis.url,
            listen=f"127.0.0.1:{port}",
            admin_listen=f"127.0.0.1:{admin_port}",
            http_listen=f"127.0.0.1:{http_port}",
        ).with_values(**_OPEN)
        stores = Stores(settings)
        _load(console, stores)
        _warm(console, settings, stores)
        service = Service(settings, with_follower=True)
        service.start()
        try:
            _wait_ready(service)
            target = f"127.0.0.1:{service.transport.port}"
            with grpc.insecure_channel(target) as channel:
                stub = InboundRouterStub(channel)
                _show_lookups(console, stub, stores.databases, couchdb)
                _change_owner(console, stub, stores.databases)
            if not once:
                _say_what_next(console, target, service.admin.port, couchdb.url, redis.url)
                stop.wait()
                console.print("stopping")
        finally:
            service.stop()


def _load(console: Console, stores: Stores) -> None:
    began = time.monotonic()
    numbers = sample_numbers.number_documents()
    numbers.setdefault(_SHARD, []).extend(_scene_documents())
    databases = stores.databases
    for name, documents in numbers.items():
        databases.database(name).create()
        databases.database(name).put_many(documents)
    for name, documents in (
        (ACCOUNTS, sample_numbers.account_documents()),
        (PORT_REQUESTS, [_port_request()]),
        (SYSTEM_CONFIG, []),
    ):
        databases.database(name).create()
        databases.database(name).put_many(documents)
    count = sum(len(documents) for documents in numbers.values())
    console.print(
        f"Loaded {count:,} example numbers of {len(numbers)} number databases "
        f"(numbers/+1415, numbers/+4420 …) in {time.monotonic() - began:.1f} s."
    )


def _scene_documents() -> list[dict[str, Any]]:
    accounts = list(sample_numbers.ACCOUNTS)
    made = {
        "+14158867900": {"pvt_number_state": "in_service", "pvt_assigned_to": accounts[0]},
        "+14158867901": {"pvt_number_state": "reserved", "pvt_assigned_to": accounts[1]},
        "+14158867902": {"pvt_number_state": "port_in", "pvt_assigned_to": accounts[2]},
        "+14158867904": {"pvt_number_state": "aging", "pvt_assigned_to": accounts[3]},
        "+14158867905": {"pvt_number_state": "in_service"},
        "+14158867906": {"pvt_number_state": "in_service", "pvt_assigned_to": sample_numbers.DISABLED},
    }
    return [{"_id": number, "pvt_type": "number", **fields} for number, fields in made.items()]


def _port_request() -> dict[str, Any]:
    return {
        "_id": "port-1",
        "pvt_type": "port_request",
        "pvt_port_state": "scheduled",
        "pvt_account_id": next(iter(sample_numbers.ACCOUNTS)),
        "numbers": {"+14158867903": {}},
    }


def _warm(console: Console, settings: Settings, stores: Stores) -> None:
    with BarProgress("warming") as progress:
        report = WarmUp(settings, stores, progress).run()
    console.print(
        f"Warmed the cache: {report.databases} databases, {report.written:,} numbers, {report.seconds:.1f} s, "
        f"{report.rate:,.0f}/s, {len(report.failed_databases)} left out."
    )


def _wait_ready(service: Service) -> None:
    end = time.monotonic() + 15
    while service.readiness.state.name != "ready":
        if time.monotonic() > end:
            fail(f"the service is not ready: {service.readiness.state.why}", Exit.UNREACHABLE)
        time.sleep(0.02)


def _show_lookups(console: Console, stub: InboundRouterStub, databases: CouchServer, couchdb: EmbeddedCouchDB) -> None:
    table = Table(title="Which account owns this DID?", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("what", "dialled", "E.164", "account", "state", "from", "outcome", "ms"):
        table.add_column(title, overflow="fold", min_width=_MIN_WIDTHS.get(title))
    for scene in SCENES:
        if scene.title == "not in the cache yet":
            # Written this moment: the lookup is faster than any feed and falls back to the database.
            account = list(sample_numbers.ACCOUNTS)[4]
            databases.database(_SHARD).put(
                {"_id": scene.number, "pvt_number_state": "in_service", "pvt_assigned_to": account}
            )
        _add(table, scene, stub)
    couchdb.stop()
    _add(table, Scene("the database is down", "+14158867900"), stub)
    _add(table, Scene("down, and not in any cache", "+14158860002"), stub)
    couchdb.start()
    console.print(table)


def _add(table: Table, scene: Scene, stub: InboundRouterStub) -> None:
    consistency = pb.AUTHORITATIVE if scene.authoritative else pb.CACHED
    began = time.monotonic()
    result = send_lookup(stub, pb.LookupRequest(number=scene.number, consistency=consistency), scene.seconds)
    took = (time.monotonic() - began) * 1000
    fields = result.as_json()
    source = (fields["source"] or "").replace("_", " ").lower()
    table.add_row(
        scene.title,
        scene.number,
        fields["number"] or "",
        _name(fields["account_id"]),
        fields["state"] or "",
        source,
        _outcome(result),
        f"{took:.1f}",
    )


def _name(account: str | None) -> str:
    if account is None:
        return ""
    return {**sample_numbers.ACCOUNTS, sample_numbers.DISABLED: "Closed Shop"}.get(account, account)


def _outcome(result: LookupResult) -> str:
    if result.route is not None:
        return "[green]routes[/green]" + (", pending port" if result.route.pending_port else "")
    return f"[yellow]{result.status}[/yellow] {result.reason}"


def _change_owner(console: Console, stub: InboundRouterStub, databases: CouchServer) -> None:
    number = "+14158867900"
    took = []
    first, *others = sample_numbers.ACCOUNTS
    for owner in (*others[:3], first):  # at the end it is as in the table above
        document = dict(databases.database(_SHARD).get(number))
        databases.database(_SHARD).put(document | {"pvt_assigned_to": owner})
        began = time.monotonic()
        while _owner(stub, number) != owner:
            if time.monotonic() - began > 10:  # noqa: PLR2004 - far beyond anything seen
                fail(f"{number} still routes to its old owner after 10 s", Exit.REFUSED)
        took.append((time.monotonic() - began) * 1000)
    each = ", ".join(f"{ms:.0f}" for ms in took)
    console.print(
        f"Changed the owner of {number} in the database {len(took)} times; a lookup told so after {each} ms "
        "(the first change wakes the shard, later ones come by its own feed)."
    )


def _owner(stub: InboundRouterStub, number: str) -> str:
    result = send_lookup(stub, pb.LookupRequest(number=number), _DEADLINE)
    return result.route.account_id if result.route is not None else ""


def _say_what_next(console: Console, target: str, admin: int, couchdb: str, redis: str) -> None:
    console.print(
        f"""
Serving on {target} until Ctrl-C. In another terminal:

  . .venv/bin/activate
  did-router lookup --target {target} 4158867900 +441212345678 911
  did-router explain --target {target} 4158867900
  did-router audit --couchdb-url {couchdb} --redis-url {redis}
  curl -s http://127.0.0.1:{admin}/state
""",
        highlight=False,
        soft_wrap=True,
    )
