"""Changes that time brings to a number: aging, and removal after discovery or deletion."""

from router.lifecycle.context import assigned
from router.lifecycle.operations import Plan
from router.lifecycle.policy import ManagerPolicy
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.states import State

_DAY = 86_400


def plan_maintenance(document: NumberDocument, policy: ManagerPolicy, now: int) -> Plan | None:
    """Plan the change that a number's age requires.

    An aged number becomes available. A deleted number, or a discovered one that was never taken, is removed. A number
    without `pvt_modified` stays, because its age is unknown.

    Args:
        document: the current document.
        policy: the ages, in days.
        now: Gregorian seconds.

    Returns:
        The plan; None where nothing is to be done.
    """
    if document.state == State.DELETED:
        return Plan(document, None, clears_features=True)
    if document.deleted:  # marked by hand
        return None
    if document.state == State.DISCOVERY and _is_older(document, policy.discovery_expiry_d, now):
        return Plan(document, None, clears_features=True)
    if document.state == State.AGING and _is_older(document, policy.aging_expiry_d, now):
        return Plan(document, fast_replace(assigned(document, None), state=State.AVAILABLE.value))
    return None


def _is_older(document: NumberDocument, days: int, now: int) -> bool:
    return document.modified is not None and now - document.modified >= days * _DAY
