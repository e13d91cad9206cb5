"""The command `did-router demo`."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from router.cli.channel import NO_BREAKER
from router.cli.console import MISSING, is_installed
from router.cli.demo import rendering
from router.cli.demo.owner_change import measure_owner_changes
from router.cli.demo.scenes import OUTAGE_SCENES, SCENES, SceneResult, run_scene
from router.cli.demo.seed import MAIN_NUMBER, seed
from router.cli.local_servers import check_ports_free, embedded_redis
from router.cli.options import Exit, fail, set_up_logging
from router.cli.progress import BarProgress
from router.cli.via.view import Question, SwitchView
from router.cli.via.ways import WAYS
from router.client import Client
from router.couch.server import CouchServer
from router.embedded.couchdb import EmbeddedCouchDB
from router.runtime.addresses import Address
from router.server.app import Service
from router.settings import Settings
from router.stores.clients import Stores
from router.warm_up.warm_up import WarmUp

_PORT = click.IntRange(0, 65535)
_OPEN: dict[str, None] = dict.fromkeys(("tls_certificate", "tls_key", "tls_client_ca", "token_file"))
"""Settings without TLS and tokens, whatever the environment says: the demo listens on loopback and calls itself."""
_READY_TIMEOUT = 15.0
"""Seconds."""
_READY_POLL_INTERVAL = 0.02
"""Seconds."""


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
    "--http-port",
    type=_PORT,
    default=8080,
    show_default=True,
    help="Port of the HTTP API on loopback; 0: a free one.",
)
@click.option(
    "--sip-port",
    type=_PORT,
    default=5070,
    show_default=True,
    help="Port of SIP redirect on loopback; 0: a free one.",
)
@click.option(
    "--enum-port",
    type=_PORT,
    default=5300,
    show_default=True,
    help="Port of ENUM on loopback; 0: a free one.",
)
@click.option(
    "--console-port",
    type=_PORT,
    default=9060,
    show_default=True,
    help="Port of the operators' pages on loopback; 0: a free one.",
)
def demo(
    port: int, admin_port: int, http_port: int, sip_port: int, enum_port: int, console_port: int, *, once: bool
) -> None:
    """Demonstrate lookups on embedded stores: nothing to install, nothing kept.

    Starts a Redis and a CouchDB-speaking database, loads example numbers from all over the world, warms the cache,
    serves, and prints lookups with every possible outcome, and one as a switch sees it over HTTP, by SIP and by ENUM.
    Then changes a number's owner in the database several times, and measures how long each change takes until lookups
    return it.
    """
    set_up_logging("error")
    ports = {"--port": port, "--admin-port": admin_port, "--http-port": http_port}
    check_ports_free({**ports, "--sip-port": sip_port, "--enum-port": enum_port, "--console-port": console_port})
    stop = threading.Event()
    if not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    console = rendering.console()
    with embedded_redis() as redis, EmbeddedCouchDB() as couchdb:
        settings = Settings.load(
            couchdb_url=couchdb.url,
            redis_url=redis.url,
            listen=f"127.0.0.1:{port}",
            admin_listen=f"127.0.0.1:{admin_port}",
            http_listen=f"127.0.0.1:{http_port}",
            sip_listen=f"127.0.0.1:{sip_port}",
            enum_listen=f"127.0.0.1:{enum_port}",
            console_listen=f"127.0.0.1:{console_port}",
        ).with_values(**_OPEN)
        stores = Stores(settings)
        _load(console, stores)
        _warm(console, settings, stores)
        service = Service(settings, with_follower=True)
        service.start()
        try:
            _wait_ready(service)
            target = f"127.0.0.1:{service.transport.port}"
            with Client(target, options=NO_BREAKER) as client:
                console.print(rendering.lookup_table(_run_scenes(client, stores.databases, couchdb)))
                console.print(rendering.switch_views(_ask_as_switches(service)), highlight=False, soft_wrap=True)
                console.print(rendering.owner_changes(MAIN_NUMBER, measure_owner_changes(client, stores.databases)))
            if not once:
                steps = rendering.next_steps(target, service, couchdb.url, redis.url)
                console.print(steps, highlight=False, soft_wrap=True)
                with _operators_pages(settings, service) as invitation:
                    console.print(invitation, highlight=False, soft_wrap=True)
                    stop.wait()
                console.print("stopping")
        finally:
            service.stop()


@contextmanager
def _operators_pages(settings: Settings, service: Service) -> Iterator[str]:
    """Run the console during the block, where it is installed; return where it is, and what to log in with."""
    if not is_installed():
        yield f"No operators' pages: {MISSING}"
        return
    from router.console.server import ConsoleServer  # noqa: PLC0415 - needs the extra

    server = ConsoleServer(
        settings.with_values(
            console_services=(f"127.0.0.1:{service.transport.port}",),
            console_instances=(f"127.0.0.1:{service.admin.port}",),
        )
    )
    server.start()
    try:
        yield rendering.invitation(server.url, server.console.key)
    finally:
        server.stop()


def _load(console: Console, stores: Stores) -> None:
    began = time.monotonic()
    seeded = seed(stores.databases)
    console.print(
        f"Loaded {seeded.numbers:,} example numbers of {seeded.databases} number databases "
        f"(numbers/+1415, numbers/+4420 …) in {time.monotonic() - began:.1f} s."
    )


def _warm(console: Console, settings: Settings, stores: Stores) -> None:
    with BarProgress("warming") as progress:
        report = WarmUp(settings, stores, progress).run()
    console.print(
        f"Warmed the cache: {report.databases} databases, {report.written:,} numbers, {report.seconds:.1f} s, "
        f"{report.rate:,.0f}/s, {len(report.failed_databases)} left out."
    )


def _wait_ready(service: Service) -> None:
    end = time.monotonic() + _READY_TIMEOUT
    while service.readiness.state.name != "ready":
        if time.monotonic() > end:
            fail(f"the service is not ready: {service.readiness.state.why}", Exit.UNREACHABLE)
        time.sleep(_READY_POLL_INTERVAL)


def _ask_as_switches(service: Service) -> dict[str, SwitchView]:
    """Ask for one number over HTTP, by SIP and by ENUM; by the command that does the same."""
    ports = {"http": service.http.port, "sip": service.sip.port, "enum": service.enum.port}
    views = {}
    for way, port in ports.items():
        question = Question(Address("127.0.0.1", port), MAIN_NUMBER, "", authoritative=False, timeout=_READY_TIMEOUT)
        views[f"did-router lookup --via {way} --target {question.target} {MAIN_NUMBER}"] = WAYS[way].ask(question)
    return views


def _run_scenes(client: Client, databases: CouchServer, couchdb: EmbeddedCouchDB) -> list[SceneResult]:
    results = [run_scene(scene, client, databases) for scene in SCENES]
    couchdb.stop()
    results += [run_scene(scene, client, databases) for scene in OUTAGE_SCENES]
    couchdb.start()
    return results
