"""The installed carriers, by the names used in `pvt_module_name`."""

import re
from collections.abc import Callable
from typing import cast

from router.couch.server import CouchServer
from router.manager import plugin_registry
from router.manager.carriers.carrier import Carrier, CarrierSetup
from router.manager.carriers.unavailable import BrokenCarrier, UnknownCarrier
from router.manager.plugin_registry import BrokenPlugin, PluginError
from router.numbers.carriers import module_name
from router.settings import Settings

GROUP = "did_router.carriers"
"""Entry-point group; each entry point names a callable that takes a CarrierSetup and returns a Carrier."""

_NAME = re.compile(r"knm_[a-z0-9_]{1,60}", re.ASCII)
_TRAITS = ("is_local", "deletes_on_release", "only_in_service")
_METHODS = ("acquire", "disconnect")


class CarrierRegistry:
    """All carriers, each built once. Thread-safe.

    Attributes:
        broken: plug-ins that can't be used, and settings for carriers that aren't installed.
    """

    def __init__(self, settings: Settings, databases: CouchServer) -> None:
        self._settings = settings
        self._databases = databases
        self._installed = plugin_registry.load_plugins(GROUP, self._make)
        self.broken: tuple[BrokenPlugin, ...] = self._installed.broken + self._unused_settings()

    def find(self, name: str) -> Carrier:
        """Return the carrier of that name, in any spelling; a placeholder that orders nothing if none is installed."""
        name = module_name(name)
        carrier = self._installed.plugins.get(name)
        if carrier is not None:
            return carrier
        reason = self._installed.reason(name)
        return UnknownCarrier(name) if reason is None else BrokenCarrier(name, reason)

    def names(self) -> list[str]:
        """Return the usable carriers' names in alphabetical order."""
        return sorted(self._installed.plugins)

    def packages(self) -> dict[str, str]:
        """Return carrier name → package and version."""
        return dict(self._installed.packages)

    def _make(self, name: str, factory: object) -> Carrier:
        if not _NAME.fullmatch(name):
            raise PluginError("a carrier's entry point is named knm_ and small letters, digits, underscores: rename it")
        if not callable(factory):
            raise PluginError("the entry point must name something that takes a CarrierSetup and returns a Carrier")
        setup = CarrierSetup(name, self._settings.carriers.get(name, {}), self._databases)
        return _validated(name, cast("Callable[[CarrierSetup], object]", factory)(setup))

    def _unused_settings(self) -> tuple[BrokenPlugin, ...]:
        known = {*self._installed.plugins, *(each.name for each in self._installed.broken)}
        return tuple(
            BrokenPlugin(name, "", f"setting 'carriers.{name}' is for a carrier that is not installed: install it")
            for name in sorted(set(self._settings.carriers) - known)
        )


def _validated(name: str, made: object) -> Carrier:
    actual = getattr(made, "name", None)
    if actual != name:
        raise PluginError(f"the carrier calls itself {actual!r}: its name must be that of its entry point")
    for trait in _TRAITS:
        if not isinstance(getattr(made, trait, None), bool):
            raise PluginError(f"the carrier's {trait} must be True or False")
    for method in _METHODS:
        if not callable(getattr(made, method, None)):
            raise PluginError(f"the carrier has no {method}(order)")
    return cast("Carrier", made)
