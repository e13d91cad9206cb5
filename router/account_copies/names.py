"""Names of accounts' own databases: `account/`, two characters, two more, and the rest of the account's id."""

import re

from router.numbers import shards

PREFIX = "account/"

_SHORTEST = 5
_NAME = re.compile(r"account/([^/]{2})/([^/]{2})/([^/]{28})")


def account_database(account: str) -> str | None:
    """Return the decoded name of an account's database; None for an id that no account can have.

    The client encodes it, once: `account%2Faa%2Fbb%2F…`.
    """
    if len(account) < _SHORTEST or "/" in account:
        return None
    name = f"{PREFIX}{account[:2]}/{account[2:4]}/{account[4:]}"
    return name if shards.is_legal(name) else None


def account_of(database: str) -> str | None:
    """Return the account whose own database this is; None for any other, such as an account's monthly ones."""
    found = _NAME.fullmatch(database)
    return "".join(found.groups()) if found else None
