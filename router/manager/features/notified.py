"""Features that an upstream service has to know of: cnam, e911, port.

These providers have no upstream of their own: they keep the settings and log what an operator has to pass on. A
provider that calls an upstream is a plug-in (docs/features.md).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.manager.features import limits
from router.manager.features.provider import FeatureRequest, InvalidFieldsError, ProviderSetup
from router.numbers.documents import NumberDocument
from router.numbers.fields import shown
from router.numbers.states import State

log = logging.getLogger(__name__)

OWNED = frozenset({State.RESERVED, State.IN_SERVICE, State.PORT_IN})

PROVISIONED = frozenset(
    ("latitude", "longitude", "location_id", "plus_four", "status", "activated_time", "order_id", "legacy_data")
)
"""Fields that emergency providers add to an address."""

_MAX_DISPLAY_NAME_LENGTH = 15
_REGION_LENGTH = 2
_MIN_CALLER_NAME_LENGTH = 3
_ADDRESS = ("street_address", "locality", "region", "postal_code")
_MAX_EMAILS = 100


@dataclass(frozen=True, slots=True)
class NotifiedFeature:
    """Features of one public field; switching them is only logged. See `FeatureProvider` for the attributes."""

    name: str
    features: frozenset[str]
    parse: Callable[[Mapping[str, Any]], dict[str, Any]]
    states: frozenset[State]
    kept_outside_states: bool = False
    external: bool = True
    provisioned: frozenset[str] = frozenset()
    keys: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the public field from the name."""
        object.__setattr__(self, "keys", frozenset({self.name}))

    def requested(self, public: Mapping[str, Any], number: NumberDocument) -> dict[str, Any]:
        """Return the features that the field requests."""
        del number
        return self.parse(public)

    def activate(self, work: FeatureRequest) -> Any:
        """Log the activation and return the settings."""
        number = work.number
        log.info("feature on: number=%s feature=%s account=%s", number.number, work.feature, number.assigned_to)
        return work.settings

    def remove(self, work: FeatureRequest) -> None:
        """Log the removal."""
        log.info("feature off: number=%s feature=%s", work.number.number, work.feature)


def cnam(setup: ProviderSetup) -> NotifiedFeature:
    """Return `knm_cnam_notifier`: the caller name shown, and whether callers' names are looked up."""
    del setup
    features = frozenset({"outbound_cnam", "inbound_cnam"})
    return NotifiedFeature("cnam", features, _cnam, OWNED, kept_outside_states=True)


def e911(setup: ProviderSetup) -> NotifiedFeature:
    """Return `knm_dash_e911`: the address for emergency services."""
    del setup
    return NotifiedFeature("e911", frozenset({"e911"}), _e911, OWNED, provisioned=PROVISIONED)


def port(setup: ProviderSetup) -> NotifiedFeature:
    """Return `knm_port_notifier`: a number that is being ported in."""
    del setup
    return NotifiedFeature("port", frozenset({"port"}), _port, frozenset({State.PORT_IN}))


def _cnam(public: Mapping[str, Any]) -> dict[str, Any]:
    fields = limits.table(public, "cnam")
    name = limits.text(fields, "cnam.display_name", max_length=_MAX_DISPLAY_NAME_LENGTH)
    requested: dict[str, Any] = {} if name is None else {"outbound_cnam": {"display_name": name}}
    if limits.flag(fields, "cnam.inbound_lookup"):
        requested["inbound_cnam"] = {"inbound_lookup": True}
    return requested


def _e911(public: Mapping[str, Any]) -> dict[str, Any]:
    fields = limits.table(public, "e911")
    asked = {name: value for name, value in fields.items() if name not in PROVISIONED and value not in (None, "")}
    if not asked:
        return {}
    for name in _ADDRESS:
        exact = _REGION_LENGTH if name == "region" else None
        limits.required(fields, f"e911.{name}", exact or 1, exact or limits.MAX_LENGTH)
    limits.text(fields, "e911.caller_name", min_length=_MIN_CALLER_NAME_LENGTH)
    limits.text(fields, "e911.extended_address")
    _check_emails(fields.get("notification_contact_emails"))
    return {"e911": asked}


def _check_emails(value: object) -> None:
    if value in (None, ""):
        return
    path = "e911.notification_contact_emails"
    if not isinstance(value, list) or len(value) > _MAX_EMAILS:
        raise InvalidFieldsError(f"{path} is {shown(value)}: it must be a list of at most {_MAX_EMAILS} addresses")
    for position, email in enumerate(value):
        limits.required({str(position): email}, f"{path}.{position}")


def _port(public: Mapping[str, Any]) -> dict[str, Any]:
    fields = limits.table(public, "port")
    for name, value in fields.items():
        if name == "comments":
            if not isinstance(value, list):
                raise InvalidFieldsError(f"port.comments is {shown(value)}: it must be a list")
        elif isinstance(value, str):
            limits.text(fields, f"port.{name}")
    return {"port": dict(fields)} if fields else {}
