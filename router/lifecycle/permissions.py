"""Permissions of accounts on numbers, by KAZOO's account tree."""

from collections.abc import Mapping

from router.lifecycle.operations import SYSTEM
from router.lifecycle.transitions import Who
from router.numbers.accounts import AccountDocument
from router.numbers.documents import NumberDocument
from router.numbers.fields import MAX_ID_LENGTH, is_visible
from router.numbers.states import State

Accounts = Mapping[str, AccountDocument]
"""Existing accounts by id."""


def is_account_id(account: str | None) -> bool:
    """Return whether a text is an account id: 32 characters."""
    return account is not None and len(account) == MAX_ID_LENGTH and is_visible(account)


def is_admin(auth_by: str, accounts: Accounts) -> bool:
    """Return whether the requester is the system, or an account with `pvt_superduper_admin`."""
    return auth_by == SYSTEM or _is_superduper(auth_by, accounts)


def may_add(auth_by: str, accounts: Accounts) -> bool:
    """Return whether the requester is an account with `pvt_wnm_allow_additions`."""
    account = accounts.get(auth_by)
    return account is not None and not account.deleted and account.allow_additions


def is_ancestor_or_self(above: str | None, below: str | None, accounts: Accounts) -> bool:
    """Return whether `above` is `below` or in its tree; an account that can't be read has no ancestors."""
    if not above or not below:
        return False
    if above == below:
        return True
    account = accounts.get(below)
    return account is not None and above in account.tree


def is_authorized(auth_by: str, assigned_to: str | None, assign_to: str | None, accounts: Accounts) -> bool:
    """Return whether the requester is the owner, or an ancestor of the owner; of the receiver for an unowned number.

    The receiver is never compared with the owner: an owner may assign a number to any account.
    """
    if not auth_by:
        return False
    if is_admin(auth_by, accounts):
        return True
    return is_ancestor_or_self(auth_by, assigned_to or assign_to, accounts)


def is_reserved_from_parent(document: NumberDocument, auth_by: str, accounts: Accounts) -> bool:
    """Return whether an ancestor of the requester, or an administrators' account, has reserved the number."""
    if document.state != State.RESERVED or not auth_by or not document.assigned_to:
        return False
    return _is_superduper(document.assigned_to, accounts) or is_ancestor_or_self(
        document.assigned_to, auth_by, accounts
    )


def passes_gate(document: NumberDocument, auth_by: str, assign_to: str | None, accounts: Accounts) -> bool:
    """Return whether the requester may see the number at all; every operation but Delete checks this first."""
    if not auth_by:
        return False
    return (
        document.state == State.AVAILABLE
        or is_authorized(auth_by, document.assigned_to, assign_to, accounts)
        or is_reserved_from_parent(document, auth_by, accounts)
    )


def may(who: Who, document: NumberDocument, auth_by: str, assign_to: str | None, accounts: Accounts) -> bool:
    """Return whether a requester who has passed the gate has the permission."""
    if who is Who.ANYONE or is_authorized(auth_by, document.assigned_to, assign_to, accounts):
        return True
    return who is Who.RESERVED_BY_ANCESTOR and is_reserved_from_parent(document, auth_by, accounts)


def _is_superduper(account_id: str, accounts: Accounts) -> bool:
    account = accounts.get(account_id)
    return account is not None and not account.deleted and account.superduper_admin
