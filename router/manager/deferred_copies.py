"""Deferred account copies of many numbers: an account's list is written once, not once per batch.

The outcome of a number with deferred copies names the accounts that its document no longer names (`copies_of`). With
these and the numbers, a later run can write every missing copy after a crash.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from router.account_copies import AccountCopies, CopyChange, NewAccountGuess
from router.account_copies.feed_verified_reader import FeedVerifiedReader, feed_position
from router.account_copies.layout import affected_accounts, listed_fields
from router.account_copies.number_list import DOCUMENT
from router.couch.errors import CouchError
from router.couch.server import CouchServer
from router.lifecycle.operations import OperationRequest
from router.manager.outcomes import Outcome
from router.numbers.documents import NumberDocument
from router.runtime.chunked import chunked

_ACCOUNTS_BATCH_SIZE = 200
"""Account lists held in memory at a time; one may take some megabytes."""
_NUMBERS_BATCH_SIZE = 5000
"""Numbers per batch where their accounts aren't known."""
_CONCURRENT_BATCHES = 2
"""Batches in parallel: one is compared while CouchDB writes another."""


@dataclass(frozen=True, slots=True)
class _PendingNumber:
    """A number with deferred copies.

    Attributes:
        document: the part of its last written document that a list holds; None: it must be read.
        accounts: every account that may have a copy.
        is_new: the number had no document before.
    """

    document: NumberDocument | None
    accounts: frozenset[str]
    is_new: bool = False

    def after(self, before: "_PendingNumber | None") -> "_PendingNumber":
        """Return this change merged with an earlier one of the same number."""
        if before is None:
            return self
        return _PendingNumber(self.document, self.accounts | before.accounts, before.is_new)


class DeferredCopies:
    """Collects account copies until `write` is called. Thread-safe.

    Args:
        carry_out: the manager's method; it hands deferrable copies to this object.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[OperationRequest], "DeferredCopies"], list[Outcome]],
        databases: CouchServer,
        copies: AccountCopies,
    ) -> None:
        self._carry_out = carry_out
        self._databases = databases
        self._copies = copies
        self._lists_only = [form.name for form in copies.formats] == [DOCUMENT]
        self._lock = threading.Lock()
        self._pending: dict[str, _PendingNumber] = {}
        self._feed_positions: dict[str, str] = {}

    def __len__(self) -> int:
        """Return how many numbers have pending copies."""
        return len(self._pending)

    def carry_out(self, requests: Sequence[OperationRequest]) -> list[Outcome]:
        """Carry out requests like the manager, but defer their copies; the outcomes are marked so."""
        return self._carry_out(requests, self)

    def note_feed_positions(self, databases: Iterable[str]) -> None:
        """Remember where each database's changes feed stands before numbers are written there."""
        for database in databases:
            if self._lists_only and database not in self._feed_positions:
                try:
                    self._feed_positions[database] = feed_position(self._databases, database)
                except CouchError:
                    continue  # this database's numbers will be read instead

    def defer(self, change: CopyChange) -> bool:
        """Take over a change's copies; return False if they can't be deferred."""
        if not self._lists_only:
            return False
        document = None if change.after is None else listed_fields(change.after)
        accounts = affected_accounts(change.before) | affected_accounts(change.after)
        self._add({change.number: _PendingNumber(document, accounts, is_new=change.before is None)})
        return True

    def resume(self, numbers: Mapping[str, Iterable[str]]) -> None:
        """Add numbers whose copies were pending when an earlier run was killed, with further accounts."""
        self._add({number: _PendingNumber(None, frozenset(accounts)) for number, accounts in numbers.items()})

    def _add(self, numbers: Mapping[str, _PendingNumber]) -> None:
        with self._lock:
            for number, pending in numbers.items():
                self._pending[number] = pending.after(self._pending.get(number))

    def write(self) -> dict[str, str]:
        """Write all pending copies.

        Returns:
            Number → why its copies could not be written.

        Raises:
            CouchError: CouchDB is unavailable; all copies are pending again.
        """
        with self._lock:
            pending, self._pending = self._pending, {}
        known = {number: each.document for number, each in pending.items() if each.document is not None}
        reader = FeedVerifiedReader(self._databases, known, self._feed_positions)
        new_accounts = NewAccountGuess()
        failed: dict[str, str] = {}

        def write(numbers: Sequence[str]) -> dict[str, str]:
            changes = [CopyChange(each, None, pending[each].document) for each in numbers]
            guess = new_accounts if all(pending[each].is_new for each in numbers) else None
            accounts = {each: pending[each].accounts for each in numbers}
            failures = self._copies.update(changes, reader, guess, accounts)
            if len(failures) == len(numbers):
                self._databases.version()  # raises if CouchDB itself is unavailable
            return failures

        try:
            with ThreadPoolExecutor(_CONCURRENT_BATCHES, "late-copies") as pool:
                for failures in pool.map(write, _batches(pending)):
                    failed |= failures
        except CouchError:
            with self._lock:
                since, self._pending = self._pending, pending
            self._add(since)
            raise
        return failed


def _batches(pending: Mapping[str, _PendingNumber]) -> Iterator[list[str]]:
    """Yield all numbers of a few accounts at a time; numbers without a known document come first, by themselves."""
    by_account: defaultdict[str, list[str]] = defaultdict(list)
    unknown: list[str] = []
    for number, each in pending.items():
        if each.document is None:
            unknown.append(number)
        else:
            by_account[each.document.assigned_to or ""].append(number)
    accounts = sorted(by_account)
    yield from chunked(unknown, _NUMBERS_BATCH_SIZE)
    for batch in chunked(accounts, _ACCOUNTS_BATCH_SIZE):
        yield [number for account in batch for number in by_account[account]]
