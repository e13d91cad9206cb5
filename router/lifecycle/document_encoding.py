"""Encoding of the fields that differ between KAZOO's generations: state, module data, features.

A document keeps its encoding; a new one gets that of KAZOO's Number Document page.
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
    """Set the state in the field, or the two fields, that the document has; else in the page's."""
    present = [name for name in (NEWER_STATE, STATE) if not is_unset(doc.get(name))] or [STATE]
    for name in present:
        put(doc, name, state)


def module_data(doc: Mapping[str, Any]) -> dict[str, Any]:
    """Return the carrier's data under either name; KAZOO 5's name has precedence, as it has for the state."""
    for name in (NEWER_MODULE_DATA, MODULE_DATA):
        found = doc.get(name)
        if isinstance(found, Mapping):
            return dict(found)
    return {}


def put_module_data(doc: dict[str, Any], data: Mapping[str, Any]) -> None:
    """Set the carrier's data under the names that the document has; else under its generation's name."""
    present = [name for name in (NEWER_MODULE_DATA, MODULE_DATA) if name in doc]
    for name in present or [NEWER_MODULE_DATA if is_newer(doc) else MODULE_DATA]:
        doc[name] = dict(data)


def is_newer(doc: Mapping[str, Any]) -> bool:
    """Return whether KAZOO 4 or 5 wrote a document."""
    return not is_unset(doc.get(NEWER_STATE)) and is_unset(doc.get(STATE))


def put(doc: dict[str, Any], name: str, value: Any) -> None:
    """Set a field; None removes it."""
    if value is None:
        doc.pop(name, None)
    else:
        doc[name] = value


def put_features(doc: dict[str, Any], wanted: Mapping[str, Any], module: str) -> None:
    """Write the features in the document's own shape, unless it already holds them.

    A list keeps its names and their order, with the settings in public fields; an object keeps its name for `e911`.
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
    """Return name in the list → feature, existing names first.

    Of two names for one feature the last one is kept, because its settings count.
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
    """Return the name of the public field with the feature's settings, where readers look; else the page's name."""
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
    """Write the settings of these keys into a public field, and keep its other keys."""
    existing = doc.get(field)
    others = {key: value for key, value in existing.items() if key not in keys} if isinstance(existing, Mapping) else {}
    doc[field] = others | {key: settings[key] for key in keys if key in settings}
