"""Account status and port requests, as an answer needs them.

They come from the reference data in memory while these are synchronised with Redis; otherwise, and for authoritative
calls, from CouchDB.
"""

import time
from collections.abc import Set as AbstractSet
from enum import Enum

from router.entries.reference_values import ActivePortRequest
from router.lookup.origin_reader import OriginReader
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS
from router.reference_data.reference_data import ReferenceData
from router.runtime.counters import Counters
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH

_REMEMBERED_TTL = 5.0
"""Seconds for which an account's status that was read from CouchDB is used while Redis is away."""
_MAX_REMEMBERED = 10_000


class AccountStatus(Enum):
    """An account's status for calls; an account without a document counts as the settings have it."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MISSING = "missing"
    """The account has no document, or one marked deleted, and such accounts are refused."""


class AccountStatusReader:
    """Reads account status and port requests from memory, else from CouchDB.

    Args:
        trust: tells whether the reference data are current and complete. The current value is read each time: a missing
            document must not be judged by an older one.
        refuse_unknown: an account without a document counts as disabled, as in KAZOO.
    """

    def __init__(
        self, reference_data: ReferenceData, origin: OriginReader, trust: TrustMonitor, *, refuse_unknown: bool
    ) -> None:
        self._reference_data = reference_data
        self._trust = trust
        self._origin = origin
        self._refuse_unknown = refuse_unknown
        self._remembered: dict[str, tuple[float, AccountStatus]] = {}
        self.counts = Counters()

    @property
    def enabled_accounts(self) -> AbstractSet[str]:
        """Accounts that memory knows to be enabled; the set changes with them."""
        return self._reference_data.enabled

    def held_enabled(self, account: str) -> bool | None:
        """Return whether an account is enabled, by memory alone; None where CouchDB has to be asked."""
        if account in self._reference_data.enabled:
            return True
        if account in self._reference_data.disabled:
            return False
        return self._unknown() is AccountStatus.ENABLED if ACCOUNTS in self._trust.current.complete else None

    def held_refusal(self, account: str) -> AccountStatus:
        """Return why `held_enabled` was False."""
        return AccountStatus.DISABLED if account in self._reference_data.disabled else AccountStatus.MISSING

    def held_port_requests(self, number: str) -> tuple[ActivePortRequest, ...] | None:
        """Return the active port requests for a number, by memory alone; None where CouchDB has to be asked."""
        if PORT_REQUESTS not in self._trust.current.complete:
            return None
        return self._reference_data.port_requests.get(number, ())

    def status(self, account: str, *, authoritative: bool) -> AccountStatus:
        """Return an account's status, for an entry that was read from the database.

        Raises:
            CouchError: CouchDB had to be asked, and did not respond.
        """
        held = None if authoritative or self._trust.current.reference is not FRESH else self.held_enabled(account)
        if held is not None:
            return AccountStatus.ENABLED if held else self.held_refusal(account)
        now = time.monotonic()
        remembered = None if authoritative else self._remembered.get(account)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        status = self._read(account)
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[account] = (now + _REMEMBERED_TTL, status)
        return status

    def port_requests(self, number: str, *, authoritative: bool) -> tuple[ActivePortRequest, ...]:
        """Return the active port requests for a number.

        Raises:
            CouchError: CouchDB had to be asked, and did not respond.
        """
        held = None if authoritative or self._trust.current.reference is not FRESH else self.held_port_requests(number)
        return self._origin.port_requests(number, now=authoritative) if held is None else held

    def _read(self, account: str) -> AccountStatus:
        enabled = self._origin.account_enabled(account)
        if enabled is None:
            return self._unknown()
        return AccountStatus.ENABLED if enabled else AccountStatus.DISABLED

    def _unknown(self) -> AccountStatus:
        self.counts.add("unknown_account")
        return AccountStatus.MISSING if self._refuse_unknown else AccountStatus.ENABLED
