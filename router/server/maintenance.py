"""Periodic maintenance in the process whose follower leads: one process of the whole deployment."""

import logging

from router.couch.errors import CouchError
from router.follower.follower import Follower
from router.manager.maintenance import Maintenance, MaintenanceReport
from router.manager.manager import NumberManager
from router.runtime.background_thread import BackgroundThread
from router.runtime.backoff import Backoff
from router.settings import Settings
from router.stores.clients import Stores

log = logging.getLogger(__name__)


class MaintenanceTimer:
    """Runs maintenance on all numbers every `maintenance_interval` seconds while the follower beside it leads."""

    def __init__(self, settings: Settings, stores: Stores, follower: Follower) -> None:
        self._settings = settings
        self._stores = stores
        self._follower = follower
        self._is_enabled = settings.manager.maintenance_interval > 0
        self._manager: NumberManager | None = None
        interval = settings.manager.maintenance_interval
        self._thread = BackgroundThread(
            "maintenance",
            self._run,
            failing="maintenance failed",
            interval=interval,
            log=log,
            starts_at_once=False,
            expected=(CouchError,),
            backoff=Backoff(interval, interval, jitter=0.0),
        )
        self.last: MaintenanceReport | None = None

    def start(self) -> None:
        """Start the timer."""
        if self._is_enabled:
            self._thread.start()

    def stop(self) -> None:
        """Stop the timer; a run in progress ends at its next page."""
        self._thread.stop()

    def _run(self) -> None:
        if self._follower.leading.is_set():
            self._manager = self._manager or NumberManager(self._settings, self._stores)
            self._maintain(self._manager)

    def _must_end(self) -> bool:
        return self._thread.stopping or not self._follower.leading.is_set()

    def _maintain(self, manager: NumberManager) -> None:
        self.last = report = Maintenance(manager, must_end=self._must_end).run()
        log.info(
            "maintenance finished: numbers=%d databases=%d available=%d removed=%d failed=%d",
            report.numbers,
            report.databases,
            report.available,
            report.removed,
            len(report.failed) + len(report.failed_databases),
        )
