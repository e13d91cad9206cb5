"""`pvt_reserve_history`: the accounts that reserved a number, most recent first.

A parent reserves a number, its sub-account takes and later releases it: the number is then reserved by the parent
again (KAZOO's Number Document page).
"""

from router.lifecycle.permissions import Accounts

History = tuple[str, ...]


def push(history: History, account: str) -> History:
    """Return the history after an account reserves the number; equal neighbours are collapsed."""
    return history if history[:1] == (account,) else (account, *history)


def unwind(history: History, releasing: str | None, accounts: Accounts) -> History:
    """Return the history after a release; its first account has the number reserved again.

    Args:
        history: most recent first.
        releasing: the owner, all of whose entries are removed. None: the history becomes empty.
        accounts: existing accounts by id; others, and deleted ones, are skipped.
    """
    if releasing is None:
        return ()
    remaining = [account for account in history if account != releasing]
    while remaining and not _exists(remaining[0], accounts):
        remaining.pop(0)
    return collapsed(tuple(remaining))


def collapsed(history: History) -> History:
    """Return the history without equal neighbours."""
    kept: list[str] = []
    for account in history:
        if kept[-1:] != [account]:
            kept.append(account)
    return tuple(kept)


def _exists(account_id: str, accounts: Accounts) -> bool:
    account = accounts.get(account_id)
    return account is not None and not account.deleted
