"""The routing decision: whether a number document routes, where to, and the treatment of the call."""

import hashlib
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from router.numbers.carriers import VITELITY, has_local_feature, is_local
from router.numbers.documents import NumberDocument
from router.numbers.features import treatment
from router.numbers.states import ROUTABLE, State
from router.numbers.system_config import NumberManagerConfig


class Reason(StrEnum):
    """Reasons why a number doesn't route."""

    NOT_RECONCILABLE = "NOT_RECONCILABLE"
    NUMBER_NOT_FOUND = "NUMBER_NOT_FOUND"
    NOT_IN_SERVICE = "NOT_IN_SERVICE"
    UNASSIGNED = "UNASSIGNED"
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"
    NUMBER_DATABASE_UNAVAILABLE = "NUMBER_DATABASE_UNAVAILABLE"
    OVERLOADED = "OVERLOADED"


@dataclass(frozen=True, slots=True)
class Policy:
    """The cluster's settings of routing (KAZOO's `number_manager`, by its names)."""

    routable_states: tuple[str, ...] = ROUTABLE
    force_local_outbound: bool = True
    force_port_in_outbound: bool = True
    force_port_out_outbound: bool = True
    default_force_outbound: bool = False
    use_stepswitch_cnam: bool = False

    @classmethod
    def of(cls, config: NumberManagerConfig, routable_states: tuple[str, ...] = ROUTABLE) -> "Policy":
        """Return the policy of the cluster's settings."""
        return cls(
            routable_states=routable_states,
            force_local_outbound=config.force_local_outbound,
            force_port_in_outbound=config.force_port_in_outbound,
            force_port_out_outbound=config.force_port_out_outbound,
            default_force_outbound=config.default_force_outbound,
            use_stepswitch_cnam=config.use_stepswitch_cnam,
        )

    def fingerprint(self) -> str:
        """Return a short, stable hash: cached routes are valid only under an equal policy.

        Returns:
            12 hexadecimal characters; the order of states makes no difference.
        """
        values = {**asdict(self), "routable_states": sorted(set(self.routable_states))}
        return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Route:
    """The account of a number, and the treatment of the call.

    The fields are those of the API's `LookupResponse` except `source` and `stale`, which describe the response and not
    the number. `failover` is `("e164", number)`, `("sip", address)` or None.
    """

    number: str
    account_id: str
    state: str
    revision: str = ""
    pending_port: bool = False
    local: bool = False
    force_outbound: bool = False
    inbound_cnam: bool = False
    prepend: str = ""
    ringback_media: str = ""
    transfer_media: str = ""
    carrier: str = ""
    failover: tuple[str, str] | None = None
    features: tuple[str, ...] = ()
    ported_in: bool = False
    used_by: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The reason why a number doesn't route; `message` tells an operator what to do."""

    reason: Reason
    number: str
    account_id: str = ""
    state: str = ""
    message: str = ""


def decide(document: NumberDocument, policy: Policy) -> Route | Refused:
    """Decide as KAZOO's lookup does, without the check whether the account is enabled.

    Accounts are enabled and disabled without a change to their numbers, so that check belongs to the response.
    """
    state = document.state or ""
    if document.deleted:
        refused = _refused(document, Reason.NUMBER_NOT_FOUND, "is marked deleted: unset pvt_deleted to bring it back")
        return replace(refused, account_id="", state="")  # like a number without a document
    if document.assigned_to is None:
        return _refused(document, Reason.UNASSIGNED, f"({state or 'no state'}) has no account: assign it to one")
    if state not in policy.routable_states:
        taking = ", ".join(policy.routable_states)
        is_in = f"is {state}" if state else "has no state"
        return _refused(document, Reason.NOT_IN_SERVICE, f"{is_in}, calls reach only {taking}: put it in service")
    return _route(document, document.assigned_to, state, policy)


def port_request_route(number: str, account_id: str) -> Route:
    """Return the route of a number without a document, named by one active port request."""
    return Route(
        number=number,
        account_id=account_id,
        state=State.PORT_IN.value,
        pending_port=True,
        local=True,
        force_outbound=True,
    )


def _refused(document: NumberDocument, reason: Reason, explanation: str) -> Refused:
    message = f"{document.number} {explanation}"
    if document.problems:
        message += f" (its document also needs mending: {document.problems[0]})"
    return Refused(reason, document.number, document.assigned_to or "", document.state or "", message)


def _route(document: NumberDocument, account_id: str, state: str, policy: Policy) -> Route:
    treated = treatment(document.features)
    return Route(
        number=document.number,
        account_id=account_id,
        state=state,
        revision=document.revision,
        pending_port=state == State.PORT_IN,
        local=is_local(document.module_name),
        force_outbound=_force_outbound(state, document.module_name, treated.force_outbound, policy),
        inbound_cnam=treated.inbound_cnam and _permits_cnam(document.module_name, policy),
        prepend=treated.prepend,
        ringback_media=treated.ringback_media,
        transfer_media=treated.transfer_media,
        carrier=document.module_name,
        failover=treated.failover,
        features=tuple(document.features),
        ported_in=document.ported_in,
        used_by=document.used_by or "",
    )


def _force_outbound(state: str, module: str, feature: bool | None, policy: Policy) -> bool:  # noqa: FBT001
    local = has_local_feature(module)
    if state == State.PORT_IN:
        return policy.force_port_in_outbound or (local and policy.force_local_outbound)
    if state == State.PORT_OUT:
        return policy.force_port_out_outbound or (local and policy.force_local_outbound)
    if local:
        return policy.force_local_outbound
    return policy.default_force_outbound if feature is None else feature


def _permits_cnam(module: str, policy: Policy) -> bool:
    """Return whether callers' names may be looked up: Vitelity does it itself, unless the settings say otherwise."""
    return module != VITELITY or policy.use_stepswitch_cnam
