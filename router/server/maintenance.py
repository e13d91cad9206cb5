"""Maintenance from time to time, by whoever leads the following: one process of all."""

import logging
import threading

from router.couch.errors import CouchError
from router.follower.follower import Follower
from router.manager.maintenance import Maintenance, MaintenanceReport
from router.manager.manager import NumberManager
from router.settings import Settings
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds after which a walk whose process no longer leads is ended."""


class MaintenanceTimer:
    """Walks through all numbers every `maintenance_interval` seconds while the follower beside it leads."""

    def __init__(self, settings: Settings, stores: Stores, follower: Follower) -> None:
        self._settings = settings
        self._stores = stores
        self._follower = follower
        self._every = settings.manager.maintenance_interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)
        self.last: MaintenanceReport | None = None

    def start(self) -> None:
        """Begin to wait for the first walk."""
        if self._every:
            self._thread.start()

    def stop(self) -> None:
        """End; a walk ends at its next page."""
        self._stop.set()

    def _run(self) -> None:
        manager: NumberManager | None = None
        while not self._stop.wait(self._every):
            if not self._follower.leading.is_set():
                continue
            try:
                manager = manager or NumberManager(self._settings, self._stores)
                self._walk(manager)
            except CouchError as problem:
                log.warning("maintenance waits for the next time: %s", problem)
            except Exception:
                log.exception("maintenance failed")

    def _walk(self, manager: NumberManager) -> None:
        ending, done = threading.Event(), threading.Event()

        def watch() -> None:
            while not done.wait(_LOOK):
                if self._stop.is_set() or not self._follower.leading.is_set():
                    ending.set()

        threading.Thread(target=watch, name="maintenance-watch", daemon=True).start()
        try:
            self.last = report = Maintenance(manager, stop=ending).run()
        finally:
            done.set()
        log.info(
            "maintenance: %d numbers of %d databases looked at, %d available again, %d removed, %d failed",
            report.numbers,
            report.databases,
            report.available,
            report.removed,
            len(report.failed) + len(report.failed_databases),
        )
