"""Documents of number databases that no lookup reaches, and why."""

from collections.abc import Mapping
from typing import Any

from router.numbers.dial_plans import KAZOO
from router.numbers.documents import not_a_number, routable_id
from router.numbers.fields import shown
from router.numbers.normaliser import Normaliser


def unreachable(document: Mapping[str, Any], database: str, normaliser: Normaliser) -> str | None:
    """Return why no lookup can reach a document of a number database; None where one can.

    A number that is marked deleted counts as reachable: lookups respond with its refusal.

    Args:
        document: the JSON object.
        database: the decoded name of the database that holds it.
        normaliser: of the current rules.
    """
    identifier = str(document.get("_id", ""))
    reason = routable_id(identifier, database) or not_a_number(document, identifier)
    if reason is not None:
        return reason
    if not identifier[1:].isdecimal():
        return f"its id {shown(identifier)} is not '+' and digits"
    # That plan leaves a leading '+' unchanged, and so finds every number that any plan finds.
    if not normaliser.e164(identifier, KAZOO.name).reconcilable:
        return f"its id {shown(identifier)} is no number by reconcile_regex: lookups answer NOT_RECONCILABLE"
    return None
