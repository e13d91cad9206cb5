"""Features that the cluster applies itself during a call: prepend, failover, force_outbound, ringback."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.manager.features import limits
from router.manager.features.provider import FeatureRequest, InvalidFieldsError, ProviderSetup
from router.numbers.documents import NumberDocument
from router.numbers.fields import is_false, is_true, is_unset, is_visible, shown
from router.numbers.states import State

IN_SERVICE = frozenset({State.IN_SERVICE})

_E164 = re.compile(r"\+?[0-9]{1,32}", re.ASCII)
_MAX_ID_LENGTH = 256


@dataclass(frozen=True, slots=True)
class CallFeature:
    """One feature of one public field of the same name, active in service, without an upstream.

    See `FeatureProvider` for the attributes.

    Attributes:
        parse: returns the settings that the public fields request, or None.
    """

    name: str
    parse: Callable[[Mapping[str, Any]], Any]
    states: frozenset[State] = IN_SERVICE
    kept_outside_states: bool = False
    external: bool = False
    provisioned: frozenset[str] = frozenset()
    features: frozenset[str] = field(init=False)
    keys: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the one feature and the one field from the name."""
        object.__setattr__(self, "features", frozenset({self.name}))
        object.__setattr__(self, "keys", self.features)

    def requested(self, public: Mapping[str, Any], number: NumberDocument) -> dict[str, Any]:
        """Return the feature, if its field requests it."""
        del number
        settings = self.parse(public)
        return {} if settings is None else {self.name: settings}

    def activate(self, work: FeatureRequest) -> Any:
        """Return the settings; nothing else has to happen."""
        return work.settings

    def remove(self, work: FeatureRequest) -> None:
        """Do nothing: there is no upstream."""


def prepend(setup: ProviderSetup) -> CallFeature:
    """Return `prepend`: text put before the caller's name."""
    del setup
    return CallFeature("prepend", _prepend)


def failover(setup: ProviderSetup) -> CallFeature:
    """Return `failover`: where calls to a trunk go while the trunk is down."""
    del setup
    return CallFeature("failover", _failover)


def force_outbound(setup: ProviderSetup) -> CallFeature:
    """Return `force_outbound`: whether calls from inside the cluster leave through a carrier."""
    del setup
    return CallFeature("force_outbound", _force_outbound)


def ringback(setup: ProviderSetup) -> CallFeature:
    """Return `ringback`: what callers hear while waiting."""
    del setup
    return CallFeature("ringback", _ringback)


def _prepend(public: Mapping[str, Any]) -> dict[str, Any] | None:
    fields = limits.table(public, "prepend")
    for name in ("name", "number"):
        limits.text(fields, f"prepend.{name}")
    return {**fields, "enabled": True} if limits.flag(fields, "prepend.enabled") else None


def _failover(public: Mapping[str, Any]) -> dict[str, Any] | None:
    fields = limits.table(public, "failover")
    number, address = (limits.text(fields, f"failover.{name}") for name in ("e164", "sip"))
    if number is not None and not _E164.fullmatch(number):
        raise InvalidFieldsError(f"failover.e164 is {shown(number)}: it must be a number such as +14158867900")
    if address is not None and not is_visible(address):
        raise InvalidFieldsError(f"failover.sip is {shown(address)}: it must be an address without spaces")
    if number is not None and address is not None:
        raise InvalidFieldsError("failover has both e164 and sip: set the other one to null")
    return {"e164": number} if number else {"sip": address} if address else None


def _force_outbound(public: Mapping[str, Any]) -> bool | None:
    """Return the flag. False is kept, as in KAZOO: it overrides the cluster's default."""
    value = public.get("force_outbound")
    if is_unset(value):
        return None
    if not (is_true(value) or is_false(value)):
        raise InvalidFieldsError(f"force_outbound is {shown(value)}: it must be true or false")
    return is_true(value)


def _ringback(public: Mapping[str, Any]) -> dict[str, Any] | None:
    fields = limits.table(public, "ringback")
    media = {name: limits.text(fields, f"ringback.{name}", max_length=_MAX_ID_LENGTH) for name in ("early", "transfer")}
    for name, value in media.items():
        if value is not None and not is_visible(value):
            raise InvalidFieldsError(f"ringback.{name} is {shown(value)}: it must be a media id, without spaces")
    return {name: value for name, value in media.items() if value is not None} or None
