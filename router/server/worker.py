"""The child processes of `serve`: workers, and the follower."""

import logging
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection

from router.follower.follower import Follower
from router.runtime.log_format import configure_logging
from router.runtime.open_files import raise_open_file_limit
from router.server.admin.follower_pages import open_follower_pages
from router.server.app import Service
from router.server.maintenance import MaintenanceTimer
from router.server.transport import UNIX_PREFIX
from router.settings import Settings, SettingsError
from router.stores.clients import Stores

log = logging.getLogger(__name__)

NOT_READY = "not ready"
"""Message of the supervisor: the service is about to stop."""
STOP = "stop"


def work(settings: Settings, log_level: int, parent: Connection, *, core: int | None) -> None:
    """Run a worker until a stop message; sends the port of its admin pages to the parent when in service.

    Args:
        core: pins the threads of the hit path; None for any core.
    """
    messages = _prepare(settings, log_level, parent)
    raise_open_file_limit()
    try:
        service = Service(settings, reuse_port=not settings.server.listen.startswith(UNIX_PREFIX), core=core)
        service.start()
    except (OSError, SettingsError) as problem:
        log.error("%s", problem)
        sys.exit(3)
    parent.send(service.admin.port)
    while messages.get() == NOT_READY:
        service.announce_end()
    service.stop()
    # Threads that still wait for a store must not delay the exit.
    logging.shutdown()
    os._exit(0)


def follow(settings: Settings, log_level: int, parent: Connection) -> None:
    """Run the follower until a stop message."""
    messages = _prepare(settings, log_level, parent)
    stores = Stores(settings)
    follower = Follower(settings, stores)
    pages = open_follower_pages(settings, follower, stores, "127.0.0.1:0")
    pages.start()
    follower.start()
    MaintenanceTimer(settings, stores, follower).start()
    parent.send(pages.port)
    while messages.get() == NOT_READY:
        pass  # the follower runs until STOP
    follower.stop()
    pages.stop()


def console(settings: Settings, log_level: int, parent: Connection) -> None:
    """Run the console until a stop message."""
    # Needs the extra [console], which a service without one does not have.
    from router.console.server import ConsoleServer  # noqa: PLC0415

    messages = _prepare(settings, log_level, parent)
    try:
        server = ConsoleServer(settings)
    except (OSError, SettingsError) as problem:
        log.error("%s", problem)
        sys.exit(3)

    # Not log records: one may hold the console's own key.
    server.start(_announce)
    parent.send(0)
    while messages.get() == NOT_READY:
        pass  # it serves until STOP
    server.stop()


def _announce(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _prepare(settings: Settings, log_level: int, parent: Connection) -> "queue.SimpleQueue[str]":
    """Return the queue of NOT_READY and STOP messages; STOP arrives on SIGTERM, or when the parent has exited.

    The parent handles Ctrl-C and SIGHUP.
    """
    configure_logging(log_level, settings.log.format, masked=settings.log.numbers == "masked")
    messages: queue.SimpleQueue[str] = queue.SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: messages.put(STOP))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def receive_messages() -> None:
        try:
            while True:
                messages.put(parent.recv())
        except (EOFError, OSError):
            messages.put(STOP)

    threading.Thread(target=receive_messages, name="supervisor-messages", daemon=True).start()
    return messages
