"""Child processes of `serve`: workers, and the follower."""

import logging
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection

from router.follower.follower import Follower
from router.runtime.open_files import raise_open_file_limit
from router.server.app import Service
from router.server.maintenance import MaintenanceTimer
from router.server.transport import UNIX
from router.settings import LOG_FORMAT, Settings, SettingsError
from router.stores.clients import Stores

log = logging.getLogger(__name__)

NOT_READY = "not ready"
"""The parent's message that this service is about to end."""
STOP = "stop"


def work(settings: Settings, log_level: int, parent: Connection, *, core: int | None) -> None:
    """Answer lookups until told to stop; tells the parent its admin port when it does.

    Args:
        core: the way of a hit stays on this one; None for anywhere.
    """
    messages = _prepare(log_level, parent)
    raise_open_file_limit()
    try:
        service = Service(settings, reuse_port=not settings.server.listen.startswith(UNIX), core=core)
        service.start()
    except (OSError, SettingsError) as problem:
        log.error("%s", problem)
        sys.exit(3)
    parent.send(service.admin.port)
    while messages.get() == NOT_READY:
        service.announce_end()
    service.stop()
    # Threads that still wait for a store must not hold up the replacement.
    logging.shutdown()
    os._exit(0)


def follow(settings: Settings, log_level: int, parent: Connection) -> None:
    """Follow until told to stop."""
    messages = _prepare(log_level, parent)
    stores = Stores(settings)
    follower = Follower(settings, stores)
    follower.start()
    MaintenanceTimer(settings, stores, follower).start()
    parent.send(0)
    while messages.get() == NOT_READY:
        pass  # it follows until the end
    follower.stop()


def _prepare(log_level: int, parent: Connection) -> "queue.SimpleQueue[str]":
    """Return where NOT_READY and STOP arrive: the latter on SIGTERM, or when the parent is gone.

    Ctrl-C and SIGHUP are the parent's to handle.
    """
    logging.basicConfig(level=log_level, stream=sys.stderr, format=LOG_FORMAT)
    messages: queue.SimpleQueue[str] = queue.SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: messages.put(STOP))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def listen_to_parent() -> None:
        try:
            while True:
                messages.put(parent.recv())
        except (EOFError, OSError):
            messages.put(STOP)

    threading.Thread(target=listen_to_parent, name="parent", daemon=True).start()
    return messages
