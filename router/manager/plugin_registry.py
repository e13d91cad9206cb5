"""Loads plug-ins by entry point, built-in ones like third-party ones; a broken one harms no other."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

OWN_PACKAGE = "did-router"

Plugin = TypeVar("Plugin")


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plug-in that can't be used.

    Attributes:
        name: of its entry point.
        package: name and version of the package; empty: none.
        reason: the fault and the remedy.
    """

    name: str
    package: str
    reason: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.name}{self.package and f' of package {self.package}'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class InstalledPlugins(Generic[Plugin]):
    """The plug-ins installed under one group.

    Attributes:
        plugins: by the name of their entry point.
        packages: entry point → package and version.
        broken: those that can't be used. A name may be here and in `plugins`, if a third party claims a built-in name.
    """

    plugins: dict[str, Plugin]
    packages: dict[str, str]
    broken: tuple[BrokenPlugin, ...]

    def reason(self, name: str) -> str | None:
        """Return why an installed plug-in of that name can't be used; None: it can, or none is installed."""
        if name in self.plugins:
            return None
        return next((str(each) for each in self.broken if each.name == name), None)


class PluginError(Exception):
    """A plug-in that does not satisfy its interface; the message says what to change."""


def load_plugins(group: str, make: Callable[[str, object], Plugin]) -> InstalledPlugins[Plugin]:
    """Load every plug-in of a group.

    Args:
        group: of entry points.
        make: builds the plug-in from an entry point's name and object. It raises PluginError, or anything else that
            third-party code may raise.
    """
    plugins: dict[str, Plugin] = {}
    packages: dict[str, str] = {}
    broken: list[BrokenPlugin] = []
    for name, claims in _by_name(entry_points(group=group)):
        point, others = _preferred(claims)
        broken += [BrokenPlugin(name, _package(each), _conflict_message(name, each, point)) for each in others]
        if point is None:
            continue
        try:
            plugins[name] = make(name, point.load())
            packages[name] = _package(point)
        except Exception as problem:  # noqa: BLE001 - a stranger's code may raise anything
            broken.append(BrokenPlugin(name, _package(point), _load_problem(point, problem)))
    for each in broken:
        log.error("plug-in unusable: %s", each)
    return InstalledPlugins(plugins, packages, tuple(broken))


def installed_names(group: str) -> frozenset[str]:
    """Return the names installed under a group, without loading anything."""
    return frozenset(point.name for point in entry_points(group=group))


def _by_name(points: Iterable[EntryPoint]) -> Iterator[tuple[str, list[EntryPoint]]]:
    claims: dict[str, list[EntryPoint]] = {}
    for point in points:
        claims.setdefault(point.name, []).append(point)
    return iter(sorted(claims.items()))


def _preferred(claims: list[EntryPoint]) -> tuple[EntryPoint | None, list[EntryPoint]]:
    """Return the claim of a name that counts: the only one, or the built-in one; several third-party claims: none."""
    if len(claims) == 1:
        return claims[0], []
    own = next((each for each in claims if each.dist is not None and each.dist.name == OWN_PACKAGE), None)
    return own, [each for each in claims if each is not own]


def _conflict_message(name: str, point: EntryPoint, preferred: EntryPoint | None) -> str:
    if preferred is not None:
        return f"{OWN_PACKAGE} has {name} itself and goes on using its own: rename the entry point {point.value}"
    return f"more than one package claims {name}, so none is used: uninstall all but one"


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"


def _load_problem(point: EntryPoint, problem: Exception) -> str:
    message = str(problem) if isinstance(problem, PluginError) else f"{type(problem).__name__}: {problem}"
    return f"{point.value} can't be used: {message}"
