"""Who may be called: whether an account is enabled, and whose number is being ported in.

Answered from what the worker holds in memory while Redis vouches for it; else, or when asked to, from CouchDB.
"""

import time
from collections.abc import Set as AbstractSet
from enum import Enum

from router.entries.reference_values import ActivePortRequest
from router.lookup.origin_reader import OriginReader
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS
from router.reference_data.reference_data import ReferenceData
from router.runtime.counters import Counters

_REMEMBERED = 5.0
"""Seconds that an account read from CouchDB is remembered while Redis is away."""
_MANY = 10_000


class AccountStatus(Enum):
    """What an account's document says to a call; an account without one counts as the settings have it."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MISSING = "missing"
    """It has no document, or one marked deleted, and such accounts are refused."""


class AccountStatusReader:
    """Accounts and port requests, as an answer needs them.

    Args:
        refuse_unknown: an account without a document counts as disabled, as in KAZOO.
    """

    def __init__(self, followed: ReferenceData, authority: OriginReader, *, refuse_unknown: bool) -> None:
        self._followed = followed
        self._authority = authority
        self._refuse_unknown = refuse_unknown
        self._remembered: dict[str, tuple[float, AccountStatus]] = {}
        self.counts = Counters()

    @property
    def is_synced(self) -> bool:
        """Whether the held documents are as Redis has them."""
        return self._followed.is_synced

    @property
    def enabled_accounts(self) -> AbstractSet[str]:
        """Accounts that memory knows to be enabled; it changes as they do."""
        return self._followed.enabled

    def held_enabled(self, account: str) -> bool | None:
        """Whether an account is enabled, by memory alone; None when CouchDB has to be asked."""
        if account in self._followed.enabled:
            return True
        if account in self._followed.disabled:
            return False
        return self._unknown() is AccountStatus.ENABLED if self._followed.is_complete[ACCOUNTS] else None

    def held_refusal(self, account: str) -> AccountStatus:
        """Why `held_enabled` was False."""
        return AccountStatus.DISABLED if account in self._followed.disabled else AccountStatus.MISSING

    def held_ports(self, number: str) -> tuple[ActivePortRequest, ...] | None:
        """The active port requests for a number, by memory alone; None when CouchDB has to be asked."""
        return self._followed.port_requests.get(number, ()) if self._followed.is_complete[PORT_REQUESTS] else None

    def status(self, account: str, *, authoritative: bool) -> AccountStatus:
        """Whether an account is enabled; for what came from the database.

        Raises:
            CouchError: CouchDB had to be asked, and did not answer.
        """
        held = None if authoritative or not self._followed.is_synced else self.held_enabled(account)
        if held is not None:
            return AccountStatus.ENABLED if held else self.held_refusal(account)
        now = time.monotonic()
        remembered = None if authoritative else self._remembered.get(account)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        status = self._read(account)
        if len(self._remembered) >= _MANY:
            self._remembered.clear()
        self._remembered[account] = (now + _REMEMBERED, status)
        return status

    def ports(self, number: str, *, authoritative: bool) -> tuple[ActivePortRequest, ...]:
        """The active port requests for a number.

        Raises:
            CouchError: CouchDB had to be asked, and did not answer.
        """
        held = None if authoritative or not self._followed.is_synced else self.held_ports(number)
        return self._authority.ports(number, now=authoritative) if held is None else held

    def _read(self, account: str) -> AccountStatus:
        enabled = self._authority.account_enabled(account)
        if enabled is None:
            return self._unknown()
        return AccountStatus.ENABLED if enabled else AccountStatus.DISABLED

    def _unknown(self) -> AccountStatus:
        self.counts.add("unknown_account")
        return AccountStatus.MISSING if self._refuse_unknown else AccountStatus.ENABLED
