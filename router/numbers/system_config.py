"""The cluster's own settings: the `number_manager` document of the `system_config` database.

KAZOO writes its current defaults into that document at its first start, so an old cluster runs old converters. The
document counts, not the defaults of a newer KAZOO.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from router.numbers.classifiers import DEFAULT_CLASSIFIERS, Classifier
from router.numbers.dial_plans import DEFAULT_CONVERTERS, Converter, converters_of
from router.numbers.fields import Fields, is_visible, shown
from router.numbers.kazoo_databases import NUMBER_MANAGER
from router.numbers.normaliser import DEFAULT_RECONCILE_REGEX
from router.numbers.patterns import compiled

_OWNER = NUMBER_MANAGER
_CATCH_ALL = "unknown"
_MAX_REGEX_LENGTH = 4096
_MAX_NAME_LENGTH = 64
_KNOWN = {classifier.name: classifier for classifier in DEFAULT_CLASSIFIERS}
_OLDER_NAMES = {"force_local_outbound": "force_wnm_local_outbound", "port_in_module_name": "porting_module_name"}
_RELEASED_STATES = ("available", "aging", "released")
_LEGACY_FEATURES = {"cnam_notifier": "cnam", "port_notifier": "port", "dash_e911": "e911"}
_MAX_EXPIRY_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class FeaturePermissions:
    """KAZOO's `features`: the permitted features.

    Attributes:
        allow: only these; None for all.
        deny: all but these; None for KAZOO's own list.
    """

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NumberManagerConfig:
    """KAZOO's `number_manager` settings, by its names and with its defaults."""

    e164_converters: tuple[Converter, ...] = DEFAULT_CONVERTERS
    reconcile_regex: str = DEFAULT_RECONCILE_REGEX
    classifiers: tuple[Classifier, ...] = DEFAULT_CLASSIFIERS
    force_local_outbound: bool = True
    force_port_in_outbound: bool = True
    force_port_out_outbound: bool = True
    default_force_outbound: bool = False
    fetch_account_from_ports: bool = True
    use_stepswitch_cnam: bool = False
    released_state: str = "available"
    should_permanently_delete: bool = False
    should_age: bool = False
    available_module_name: str = "knm_local"
    port_in_module_name: str = "knm_local"
    carrier_modules: tuple[str, ...] = ("knm_local",)
    features: FeaturePermissions = FeaturePermissions()
    local_feature_override: bool = False
    cnam_provider: str = "knm_cnam_notifier"
    e911_provider: str = "knm_dash_e911"
    discovery_expiry_d: int = 1
    aging_expiry_d: int = 90


def default_section(doc: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the document's `default` object; None where it is deleted, or has no such object."""
    section = doc.get("default")
    return dict(section) if isinstance(section, Mapping) and not doc.get("_deleted") else None


def read(doc: Mapping[str, object] | None) -> tuple[NumberManagerConfig, tuple[str, ...]]:
    """Read the document's `default` object; the sections of nodes and zones are ignored.

    Args:
        doc: the document, or None where the cluster has none.

    Returns:
        The settings, and a line for each unusable value that was replaced by its default.
    """
    document = Fields(doc if isinstance(doc, Mapping) else {}, where=_OWNER)
    given = document.nested("default")
    values = {name: _plain(name, given) for name in _PLAIN} | {
        "e164_converters": _converters(given),
        "reconcile_regex": _reconcile_regex(given),
        "classifiers": _classifiers(given),
        "released_state": _released_state(given),
        "carrier_modules": given.word_list("carrier_modules"),
        "features": _features(given),
    }
    config = NumberManagerConfig(**{name: value for name, value in values.items() if value is not None})
    return config, tuple(given.problems)


_PLAIN = {
    setting.name: setting.type
    for setting in fields(NumberManagerConfig)
    if setting.type in (bool, str, int) and setting.name not in {"reconcile_regex", "released_state"}
}


def _plain(name: str, given: Fields) -> Any:
    older = _OLDER_NAMES.get(name, name)
    spelling = older if given.get(name) is None else name
    if _PLAIN[name] is int:
        return given.count(spelling, _MAX_EXPIRY_DAYS)
    return given.flag(spelling) if _PLAIN[name] is bool else given.word(spelling)


def _released_state(given: Fields) -> str | None:
    """Read a state without an owner: any other would keep a released number routable, or unreachable."""
    state = given.word("released_state")
    if state is None or state in _RELEASED_STATES:
        return state
    given.problems.append(f"{_OWNER}.default.released_state is {shown(state)}: use {', '.join(_RELEASED_STATES)}")
    return None


def _features(given: Fields) -> FeaturePermissions:
    """Read `features.allow`, else the `providers` of older clusters, which are named after their modules."""
    table = given.nested("features")
    allow = table.word_list("allow")
    if allow is None and isinstance(given.get("providers"), list):
        older = (name.removeprefix("wnm_").removeprefix("knm_") for name in given.word_list("providers") or ())
        allow = tuple(_LEGACY_FEATURES.get(name, name) for name in older)
    return FeaturePermissions(allow, table.word_list("deny"))


def _converters(given: Fields) -> tuple[Converter, ...] | None:
    """Read all converters, else the default: a list without one of its rules would change other numbers."""
    raw = given.get("e164_converters")
    if not isinstance(raw, Mapping):
        given.nested("e164_converters")  # adds a problem for any other type
        return None
    try:
        return converters_of(raw, f"{_OWNER}.default.e164_converters")
    except ValueError as error:
        given.problems.append(str(error))
        return None


def _reconcile_regex(given: Fields) -> str | None:
    regex = given.text("reconcile_regex", _MAX_REGEX_LENGTH)
    if regex is None:
        return None
    try:
        compiled(regex, f"{_OWNER}.default.reconcile_regex")
    except ValueError as error:
        given.problems.append(str(error))
        return None
    return regex


def _classifiers(given: Fields) -> tuple[Classifier, ...] | None:
    if given.get("classifiers") is None:
        return None
    table = given.nested("classifiers")
    readable = filter(None, (_classifier(name, table) for name in table.values if _is_name(name, table)))
    return _in_code_order(list(readable)) or None


def _is_name(name: str, table: Fields) -> bool:
    if 0 < len(name) <= _MAX_NAME_LENGTH and is_visible(name):
        return True
    table.problems.append(f"{table.where} names a classifier {shown(name)}: it must be a short word")
    return False


def _classifier(name: str, table: Fields) -> Classifier | None:
    """Read one entry, an object or a regex; an unusable one is replaced by KAZOO's own of that name, if any."""
    entry = table.get(name)
    settings = Fields({"regex": entry}, table.problems, table.where) if isinstance(entry, str) else table.nested(name)
    regex = "^$" if settings.get("regex") is None else settings.text("regex", _MAX_REGEX_LENGTH)
    if regex is None or not isinstance(entry, str | Mapping):
        return _KNOWN.get(name)
    try:
        return Classifier(
            name,
            regex,
            settings.text("friendly_name") or name,
            settings.text("pretty_print"),
            emergency=settings.flag("emergency") is True,
        )
    except ValueError as error:
        table.problems.append(f"{table.where}: {error}")
        return _KNOWN.get(name)


def _in_code_order(given: list[Classifier]) -> tuple[Classifier, ...]:
    """Return KAZOO's own classifiers in the order of its code; others keep their places, the catch-all is last.

    The schema lists them alphabetically, and tools save them in that order: `did_us` would then precede `tollfree_us`
    and take every 800 number.
    """
    by_name = {classifier.name: classifier for classifier in given}
    known = (by_name[name] for name in _KNOWN if name in by_name)
    placed = [next(known) if classifier.name in _KNOWN else classifier for classifier in given]
    return tuple(sorted(placed, key=lambda classifier: classifier.name == _CATCH_ALL))
