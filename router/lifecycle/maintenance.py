"""What time does to a number: nobody asks, and the settings say when."""

from router.lifecycle.context import assigned
from router.lifecycle.operations import Plan
from router.lifecycle.policy import ManagerPolicy
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.states import State

_DAY = 86_400


def plan_maintenance(document: NumberDocument, policy: ManagerPolicy, now: int) -> Plan | None:
    """What is due: an aged number is available again; found and never taken, or deleted, it is removed.

    A number that doesn't say when it was modified waits: its age can't be known.

    Args:
        now: Gregorian seconds.

    Returns:
        None where nothing is due.
    """
    if document.state == State.DELETED:
        return Plan(document, None, clears_features=True)
    if document.deleted:  # a person put it aside
        return None
    if document.state == State.DISCOVERY and _is_older(document, policy.discovery_expiry_d, now):
        return Plan(document, None, clears_features=True)
    if document.state == State.AGING and _is_older(document, policy.aging_expiry_d, now):
        return Plan(document, fast_replace(assigned(document, None), state=State.AVAILABLE.value))
    return None


def _is_older(document: NumberDocument, days: int, now: int) -> bool:
    return document.modified is not None and now - document.modified >= days * _DAY
