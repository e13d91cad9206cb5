"""How a number document spells what differs between KAZOO's generations: state, module data, features.

A document keeps the spelling it has; a new one has that of KAZOO's Number Document page.
"""

from collections.abc import Mapping
from typing import Any

from router.numbers import features
from router.numbers.carriers import has_local_feature
from router.numbers.fields import Fields, is_unset

STATE, NEWER_STATE = "pvt_number_state", "pvt_state"
MODULE_DATA, NEWER_MODULE_DATA = "pvt_module_data", "pvt_carrier_data"

_LISTED = {
    "e911": ("e911", "dash_e911", "vitelity_e911", "telnyx_e911"),
    "inbound_cnam": ("inbound_cnam", "inbound_lookup"),
}
_KEYED_E911 = ("vitelity_e911", "dash_e911", "e911")
_INSIDE = {"outbound_cnam": ("cnam", ("display_name",)), "inbound_cnam": ("cnam", ("inbound_lookup",))}
_CHOICES = {"failover": ("e164", "sip"), "ringback": ("early", "transfer")}


def put_state(doc: dict[str, Any], state: str | None) -> None:
    """Both fields alike where it has both, else the one that it has, else the page's."""
    present = [name for name in (NEWER_STATE, STATE) if not is_unset(doc.get(name))] or [STATE]
    for name in present:
        put(doc, name, state)


def module_data(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The carrier's own data, by either name; KAZOO 5's counts where there are both, as its state does."""
    for name in (NEWER_MODULE_DATA, MODULE_DATA):
        found = doc.get(name)
        if isinstance(found, Mapping):
            return dict(found)
    return {}


def put_module_data(doc: dict[str, Any], data: Mapping[str, Any]) -> None:
    """By the names that it has, else by the page's; KAZOO 5's documents by KAZOO 5's."""
    present = [name for name in (NEWER_MODULE_DATA, MODULE_DATA) if name in doc]
    for name in present or [NEWER_MODULE_DATA if is_newer(doc) else MODULE_DATA]:
        doc[name] = dict(data)


def is_newer(doc: Mapping[str, Any]) -> bool:
    """Whether KAZOO 4 or 5 wrote it."""
    return not is_unset(doc.get(NEWER_STATE)) and is_unset(doc.get(STATE))


def put(doc: dict[str, Any], name: str, value: Any) -> None:
    """Set a field; None removes it."""
    if value is None:
        doc.pop(name, None)
    else:
        doc[name] = value


def put_features(doc: dict[str, Any], wanted: Mapping[str, Any], module: str) -> None:
    """Write the features in the document's shape, unless it says so already.

    A list keeps the names and the order it has, and its settings in public fields; an object keeps
    the name that it has for `e911`.
    """
    if features.read(Fields(doc), module) == wanted:
        return
    raw = doc.get(features.FIELD)
    if isinstance(raw, Mapping) or (raw is None and is_newer(doc)):
        doc[features.FIELD] = _keyed(raw or {}, wanted)
        return
    names = _listed(raw if isinstance(raw, list) else [], doc, wanted, module)
    doc[features.FIELD] = list(names)
    for listed, feature in names.items():
        _put_settings(doc, listed, feature, wanted[feature])


def _keyed(raw: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    e911 = next((name for name in _KEYED_E911 if name in raw), "e911")
    return {e911 if name == "e911" else name: settings for name, settings in wanted.items()}


def _listed(raw: list[Any], doc: Mapping[str, Any], wanted: Mapping[str, Any], module: str) -> dict[str, str]:
    """Name in the list → feature; those that were there first, by the names they had.

    Of two names for one feature the last one's settings count, so that is the one to keep.
    """
    last = {_feature_of(listed): listed for listed in raw}
    names = {listed: feature for feature, listed in last.items() if feature is not None and feature in wanted}
    for feature in wanted:
        if feature not in names.values() and not (feature == "local" and has_local_feature(module)):
            names[_name_in_list(feature, doc)] = feature
    return names


def _feature_of(listed: Any) -> str | None:
    if not isinstance(listed, str):
        return None
    return next((feature for feature, spellings in _LISTED.items() if listed in spellings), listed)


def _name_in_list(feature: str, doc: Mapping[str, Any]) -> str:
    """As the public field with its settings is called, so that a reader finds them; else the page's name."""
    if feature != "e911":
        return feature
    return next((name for name in _LISTED["e911"] if not is_unset(doc.get(name))), "dash_e911")


def _put_settings(doc: dict[str, Any], listed: str, feature: str, settings: Any) -> None:
    read = dict(features.listed_features([listed], Fields(doc)))
    if read.get(feature) == settings or settings in ({}, None):
        return
    if feature in _INSIDE and isinstance(settings, Mapping):
        field, keys = _INSIDE[feature]
        _merge(doc, field, keys, settings)
    elif feature in _CHOICES and isinstance(settings, Mapping):
        _merge(doc, feature, _CHOICES[feature], settings)
    else:
        doc[listed] = settings


def _merge(doc: dict[str, Any], field: str, keys: tuple[str, ...], settings: Mapping[str, Any]) -> None:
    """Put the settings of these keys into a public field, which may hold others."""
    existing = doc.get(field)
    others = {key: value for key, value in existing.items() if key not in keys} if isinstance(existing, Mapping) else {}
    doc[field] = others | {key: settings[key] for key in keys if key in settings}
