"""`pvt_features` of every generation, and their effects on an inbound call.

Legacy documents list names and keep the settings in public fields; newer ones map a name to its settings. Both are
read into the newer shape.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from router.numbers.carriers import has_local_feature
from router.numbers.fields import Fields, is_true, is_unset, is_visible, shown

FIELD = "pvt_features"

_MAX_NAME_LENGTH = 64
_LISTED_E911 = ("dash_e911", "vitelity_e911", "telnyx_e911")
_KEYED_E911 = ("dash_e911", "vitelity_e911")  # the last one, vitelity's, has precedence
_CNAM_KEYS = {"outbound_cnam": "display_name", "inbound_cnam": "inbound_lookup"}
_PUBLIC_KEYS = {"failover": ("e164", "sip"), "ringback": ("early", "transfer")}


@dataclass(frozen=True, slots=True)
class Treatment:
    """The effects of features on an inbound call.

    Attributes:
        prepend: text before the caller's name; empty for none.
        ringback_media: media id played while it rings; empty for none.
        transfer_media: media id played during a transfer; empty for none.
        inbound_cnam: whether to look up the caller's name, where the carrier permits it.
        force_outbound: None where the feature isn't set.
        failover: `("e164", number)`, `("sip", address)` or None.
    """

    prepend: str
    ringback_media: str
    transfer_media: str
    inbound_cnam: bool
    force_outbound: bool | None
    failover: tuple[str, str] | None


_NO_TREATMENT = Treatment("", "", "", inbound_cnam=False, force_outbound=None, failover=None)
_TREATING = frozenset(("prepend", "ringback", "inbound_cnam", "force_outbound", "failover"))


def read(document: Fields, module: str) -> dict[str, Any]:
    """Return feature → settings in the document's order.

    Args:
        document: the number document; unreadable values are added to its problems.
        module: the carrier module's name; local numbers have the feature `local`.
    """
    raw = document.get(FIELD)
    if isinstance(raw, list):
        features = dict(listed_features(raw, document))
    elif type(raw) is dict or isinstance(raw, Mapping):
        features = _renamed({name: raw[name] for name in raw if _is_name(name, document)})
    else:
        document.nested(FIELD)  # adds a problem for any other type
        features = {}
    if has_local_feature(module):
        features.setdefault("local", {})
    return features


def treatment(features: Mapping[str, Any], problems: list[str] | None = None) -> Treatment:
    """Return the effects of features on an inbound call; unreadable settings have none.

    Args:
        features: as `read` returns them.
        problems: unreadable settings are added here.
    """
    if _TREATING.isdisjoint(features):  # most numbers; a warm-up calls this millions of times
        return _NO_TREATMENT
    settings = Fields(features, [] if problems is None else problems, FIELD)
    early, transfer = _ringback(settings.nested("ringback")) if "ringback" in features else ("", "")
    return Treatment(
        prepend=_prepend(settings.nested("prepend")) if "prepend" in features else "",
        ringback_media=early,
        transfer_media=transfer,
        inbound_cnam=settings.get("inbound_cnam") is not None,
        force_outbound=_force_outbound(settings),
        failover=_failover(settings.nested("failover")) if "failover" in features else None,
    )


def _ringback(settings: Fields) -> tuple[str, str]:
    return settings.word("early") or "", settings.word("transfer") or ""


def _prepend(settings: Fields) -> str:
    name = settings.text("name") or ""
    return name if settings.flag("enabled") else ""


def _force_outbound(settings: Fields) -> bool | None:
    """Read the feature; a value other than true means false, as in KAZOO, and not unset."""
    return None if settings.get("force_outbound") is None else settings.flag("force_outbound") is True


def _failover(settings: Fields) -> tuple[str, str] | None:
    for kind in ("e164", "sip"):
        target = settings.word(kind)
        if target is not None:
            return kind, target
    return None


def _is_name(name: object, document: Fields) -> TypeGuard[str]:
    if isinstance(name, str) and 0 < len(name) <= _MAX_NAME_LENGTH and is_visible(name):
        return True
    document.problems.append(f"{FIELD} names the feature {shown(name)}: it must be a short word")
    return False


def listed_features(names: list[object], document: Fields) -> Iterator[tuple[str, Any]]:
    """Yield feature and settings of each name in a legacy document's list, from its public fields."""
    for name in names:
        if _is_name(name, document):
            yield _from_public(name, document.values)


def _from_public(name: str, public: Mapping[str, object]) -> tuple[str, Any]:
    """Return a listed feature with the settings in its public field; a private field's name has none."""
    value = None if name.startswith(("pvt_", "_")) else public.get(name)
    if name == "force_outbound":
        return name, is_true(value)
    if name == "inbound_lookup":
        return "inbound_cnam", {"inbound_lookup": True}
    if name in _CNAM_KEYS and (name == "outbound_cnam" or is_unset(value)):
        return name, _kept(public.get("cnam"), (_CNAM_KEYS[name],))
    if name in _PUBLIC_KEYS:
        return name, _kept(value, _PUBLIC_KEYS[name])
    if name == "prepend" and isinstance(value, Mapping):
        return name, {**value, "enabled": is_true(value.get("enabled"))}
    settings: object = {} if is_unset(value) else value
    return ("e911" if name in _LISTED_E911 else name), settings


def _kept(value: object, keys: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, Mapping):
        return {}
    return {key: value[key] for key in keys if key in value}


def _renamed(features: dict[str, Any]) -> dict[str, Any]:
    legacy = [features.pop(name) for name in _KEYED_E911 if name in features]
    if legacy:
        features.setdefault("e911", legacy[-1])
    return features
