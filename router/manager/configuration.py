"""The rules in force: the cluster's system_config, overridden by the settings."""

import threading
import time

from router.couch.server import CouchServer
from router.numbers.rules import Rules
from router.reference_data.cluster_configuration import read_cluster_configuration
from router.settings import Settings
from router.settings.rules import build_rules_or_defaults

CONFIGURATION_TTL = 5.0
"""Seconds that a reading is used before the next one."""


class Configuration:
    """Caches the number manager's configuration for `CONFIGURATION_TTL` seconds. Thread-safe."""

    def __init__(self, settings: Settings, databases: CouchServer) -> None:
        self._settings = settings
        self._databases = databases
        self._lock = threading.Lock()
        self._section: dict[str, object] | None = None
        self._rules: Rules | None = None
        self._until = 0.0

    def current(self) -> Rules:
        """Return dial plans, policy and configuration.

        Raises:
            CouchError: CouchDB can't be asked.
        """
        with self._lock:
            if self._rules is None or time.monotonic() >= self._until:
                section = read_cluster_configuration(self._databases)
                if self._rules is None or section != self._section:
                    self._section, self._rules = section, build_rules_or_defaults(self._settings, section)
                self._until = time.monotonic() + CONFIGURATION_TTL
            return self._rules
