"""Who may be called: whether an account is enabled, and whose number is being ported in.

Answered from what the worker holds in memory while Redis vouches for it; else, or when asked to, from CouchDB.
"""

import time
from collections.abc import Set as AbstractSet

from router.cache.followed import ACCOUNTS, PORT_REQUESTS, ActivePort, FollowedDocuments
from router.lookup.authority import Authority
from router.tally import Tally

_REMEMBERED = 5.0
"""Seconds that an account read from CouchDB is remembered while Redis is away."""
_MANY = 10_000


class Standing:
    """Accounts and port requests, as an answer needs them.

    Args:
        refuse_unknown: an account without a document counts as disabled, as in KAZOO.
    """

    def __init__(self, followed: FollowedDocuments, authority: Authority, *, refuse_unknown: bool) -> None:
        self._followed = followed
        self._authority = authority
        self._refuse_unknown = refuse_unknown
        self._remembered: dict[str, tuple[float, bool]] = {}
        self.counts = Tally()

    @property
    def vouched(self) -> bool:
        """Whether the held documents are as Redis has them."""
        return self._followed.fresh

    @property
    def held_as_enabled(self) -> AbstractSet[str]:
        """Accounts that memory knows to be enabled; it changes as they do."""
        return self._followed.enabled

    def held_enabled(self, account: str) -> bool | None:
        """Whether an account is enabled, by memory alone; None when CouchDB has to be asked."""
        if account in self._followed.enabled:
            return True
        if account in self._followed.disabled:
            return False
        return self._unknown() if self._followed.loaded[ACCOUNTS] else None

    def held_ports(self, number: str) -> tuple[ActivePort, ...] | None:
        """The active port requests for a number, by memory alone; None when CouchDB has to be asked."""
        return self._followed.ports.get(number, ()) if self._followed.loaded[PORT_REQUESTS] else None

    def enabled(self, account: str, *, authoritative: bool) -> bool:
        """Whether an account is enabled; for what came from the database.

        Raises:
            CouchError: CouchDB had to be asked, and did not answer.
        """
        held = None if authoritative or not self._followed.fresh else self.held_enabled(account)
        if held is not None:
            return held
        now = time.monotonic()
        until, enabled = self._remembered.get(account, (0.0, False))
        if not authoritative and now < until:
            return enabled
        said = self._authority.account_enabled(account)
        enabled = self._unknown() if said is None else said
        if len(self._remembered) >= _MANY:
            self._remembered.clear()
        self._remembered[account] = (now + _REMEMBERED, enabled)
        return enabled

    def ports(self, number: str, *, authoritative: bool) -> tuple[ActivePort, ...]:
        """The active port requests for a number.

        Raises:
            CouchError: CouchDB had to be asked, and did not answer.
        """
        held = None if authoritative or not self._followed.fresh else self.held_ports(number)
        return self._authority.ports(number, now=authoritative) if held is None else held

    def _unknown(self) -> bool:
        self.counts.add("unknown_account")
        return not self._refuse_unknown
