"""`pvt_reserve_history`: the accounts that reserved a number, most recent first.

A parent reserves a number, its sub-account takes and later releases it: the number is reserved on
the parent again (KAZOO's Number Document page).
"""

from router.lifecycle.permissions import Accounts

History = tuple[str, ...]


def push(history: History, account: str) -> History:
    """An account reserves the number; who reserved it last isn't named twice."""
    return history if history[:1] == (account,) else (account, *history)


def unwind(history: History, releasing: str | None, accounts: Accounts) -> History:
    """An account gives the number up: whoever is first in what remains has it reserved again.

    Args:
        releasing: the account that has it; every mention of it goes. None: nobody gives anything
            back, so nobody gets it.
        accounts: those that exist, by id: others, and deleted ones, are passed over.
    """
    if releasing is None:
        return ()
    remaining = [account for account in history if account != releasing]
    while remaining and not _exists(remaining[0], accounts):
        remaining.pop(0)
    return collapsed(tuple(remaining))


def collapsed(history: History) -> History:
    """Without neighbours alike."""
    kept: list[str] = []
    for account in history:
        if kept[-1:] != [account]:
            kept.append(account)
    return tuple(kept)


def _exists(account_id: str, accounts: Accounts) -> bool:
    account = accounts.get(account_id)
    return account is not None and not account.deleted
