"""Feature permissions: KAZOO's rules, without a reseller's own configuration."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from router.manager.features.provider import FeatureProvider
from router.numbers.carriers import has_local_feature
from router.numbers.documents import NumberDocument

TRUNKSTORE = "trunkstore"

_FAILOVER = "failover"
_PREFIXES = ("wnm_", "knm_")
_OTHER_NAMES = {
    "dash_e911": "e911",
    "vitelity_e911": "e911",
    "telnyx_e911": "e911",
    "cnam_notifier": "cnam",
    "port_notifier": "port",
    "inbound_lookup": "inbound_cnam",
}


@dataclass(frozen=True, slots=True)
class Permissions:
    """The features that one number may have.

    Attributes:
        allowed: names of features and providers; None: all.
        denied: names of features and providers.
        externals: why features with an upstream service are not allowed; empty: they are.
        failover: failover is allowed.
    """

    allowed: frozenset[str] | None
    denied: frozenset[str]
    externals: str
    failover: bool

    def refusal(self, provider: FeatureProvider, feature: str) -> str | None:
        """Return why this number may not have that feature; None: it may."""
        names = {feature, provider.name}
        if self.allowed is not None and self.allowed.isdisjoint(names):
            return f"{feature} is not among the features allowed (features.allow, pvt_features_allowed)"
        if not self.denied.isdisjoint(names):
            return f"{feature} is denied (features.deny, pvt_features_denied)"
        if self.externals and provider.external:
            return f"{feature} needs an external service, {self.externals}"
        if not self.failover and _FAILOVER in names:
            return f"{feature} is for numbers used by {TRUNKSTORE} only"
        return None


def permissions_of(
    number: NumberDocument, *, allow: Collection[str], deny: Collection[str], local_feature_override: bool
) -> Permissions:
    """Return a number's permissions.

    Args:
        number: its own `pvt_features_allowed` and `pvt_features_denied` take precedence if they aren't empty.
        allow: the cluster's `features.allow`; empty: all.
        deny: the cluster's `features.deny`.
        local_feature_override: local and mobile numbers may have external features too.
    """
    own_denied = _names(number.fields, "pvt_features_denied")
    cluster_allows = _of_cluster(tuple(allow)) or None
    return Permissions(
        allowed=_names(number.fields, "pvt_features_allowed") or cluster_allows,
        denied=own_denied or _of_cluster(tuple(deny)),
        externals="" if own_denied else _no_externals(number, local_feature_override=local_feature_override),
        failover=number.used_by == TRUNKSTORE,
    )


@lru_cache(16)
def _of_cluster(names: tuple[str, ...]) -> frozenset[str]:
    return known_names(names)


def known_names(names: Iterable[object]) -> frozenset[str]:
    """Return features and providers by their newer names, from a list that may hold older ones."""
    return frozenset(_known(name) for name in names if isinstance(name, str) and name)


def _known(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return _OTHER_NAMES.get(name, name)


def _names(fields: Mapping[str, Any], name: str) -> frozenset[str]:
    value = fields.get(name)
    return known_names(value) if isinstance(value, list) else frozenset()


def _no_externals(number: NumberDocument, *, local_feature_override: bool) -> str:
    if number.assigned_to is None:
        return "which a number without an account can't have"
    if has_local_feature(number.module_name) and not local_feature_override:
        return f"which {number.module_name} numbers can't have unless local_feature_override is set"
    return ""
