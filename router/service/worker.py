"""Child processes of `serve`: workers, and the follower."""

import logging
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

from router.follower.follower import Follower
from router.service.doorman import allow_many_connections
from router.service.service import Service
from router.service.upkeep import UpkeepTimer
from router.settings import LOG_FORMAT, Settings, SettingsError
from router.stores import Stores

log = logging.getLogger(__name__)


def work(settings: Settings, log_level: int, parent: Connection, *, core: int | None) -> None:
    """Answer lookups until told to stop; tells the parent its admin port when it does.

    Args:
        core: the way of a hit stays on this one; None for anywhere.
    """
    stop = _prepare(log_level, parent)
    allow_many_connections()
    try:
        service = Service(settings, reuse_port=True, core=core)
        service.start()
    except (OSError, SettingsError) as problem:
        log.error("%s", problem)
        sys.exit(3)
    parent.send(service.admin.port)
    stop.wait()
    service.stop()
    # Threads that still wait for a store must not hold up the replacement.
    logging.shutdown()
    os._exit(0)


def follow(settings: Settings, log_level: int, parent: Connection) -> None:
    """Follow until told to stop."""
    stop = _prepare(log_level, parent)
    stores = Stores(settings)
    follower = Follower(settings, stores)
    follower.start()
    UpkeepTimer(settings, stores, follower).start()
    parent.send(0)
    stop.wait()
    follower.stop()


def _prepare(log_level: int, parent: Connection) -> threading.Event:
    """Stop on SIGTERM, or when the parent is gone; Ctrl-C and SIGHUP are the parent's to handle."""
    logging.basicConfig(level=log_level, stream=sys.stderr, format=LOG_FORMAT)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def wait_for_parent() -> None:
        try:
            parent.recv()
        except (EOFError, OSError):
            stop.set()

    threading.Thread(target=wait_for_parent, name="parent", daemon=True).start()
    return stop
