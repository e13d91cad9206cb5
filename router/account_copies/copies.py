"""Keeps the copies in accounts' own databases up to date: after a change, and where an audit found them wrong.

A writer reads the copy first, then the number document, then writes against the copy's revision, and checks once more
that the number document is still the same. So a concurrent change of any writer wins, and every step may be repeated.
Where accounts are likely to have no copy at all, it is written as a new one instead of read first: CouchDB refuses that
where a copy exists.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from router.account_copies import names
from router.account_copies.copy_access import CopyAccess, CopyFailures
from router.account_copies.copy_format import CopyFormat
from router.account_copies.copy_round import Accounts, CopyRound
from router.account_copies.layout import Kind, affected_accounts
from router.account_copies.new_account_guess import NewAccountGuess
from router.account_copies.number_list import NumberList
from router.account_copies.per_number import PerNumber
from router.account_copies.reading import NumberReader
from router.couch.errors import CouchError, NotFoundError
from router.couch.server import CouchServer
from router.numbers.documents import NumberDocument
from router.runtime.backoff import contention_delay
from router.settings import CopiesMode

_THREADS = 8
"""Accounts whose copies are read or written concurrently."""
_MAX_ROUNDS = 30
_ROUND_BACKOFF = 0.02
"""Seconds, a round: upper bound of the random wait before the next one."""


@dataclass(frozen=True, slots=True)
class CopyChange:
    """A number document that was written.

    Attributes:
        before: None for a new document. after: None for a deleted one.
    """

    number: str
    before: NumberDocument | None
    after: NumberDocument | None


@dataclass(frozen=True, slots=True)
class CopyDifference:
    """A copy that differs from its number document.

    Attributes:
        copy_format: `phone_numbers` or `per_number`.
        certain: an extra copy may be removed. It may not where the number document, or its whole database, can't be
            read.
    """

    account: str
    number: str
    copy_format: str
    kind: Kind
    certain: bool = True


class AccountCopies:
    """Copies of numbers in the accounts' databases. Threads may share it.

    An account whose database does not exist is skipped, as in KAZOO.
    """

    def __init__(self, couch: CouchServer, mode: CopiesMode) -> None:
        formats: dict[CopiesMode, tuple[CopyFormat, ...]] = {
            CopiesMode.SINGLE: (NumberList(couch),),
            CopiesMode.PER_NUMBER: (PerNumber(couch),),
            CopiesMode.BOTH: (NumberList(couch), PerNumber(couch)),
            CopiesMode.NONE: (),
        }
        self.formats = formats[mode]
        self._access = CopyAccess(self.formats)
        self._reader = NumberReader(couch)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="account-copies")

    def update(
        self,
        changes: Sequence[CopyChange],
        reader: NumberReader | None = None,
        guess: NewAccountGuess | None = None,
        further: Accounts | None = None,
    ) -> CopyFailures:
        """Bring the copies up to number documents that were just written.

        Accounts that gain a number are written first, those that lose it last; an account's document is written once
        for all of its numbers. The number documents are read again for it.

        Args:
            reader: reads the number documents in a cheaper way; None for the usual one.
            guess: for accounts that are likely to have no copy of any number yet; it records the results.
            further: further accounts that may have a copy, by number.

        Returns:
            The numbers whose copies could not be written; `repair` retries them.
        """
        accounts: defaultdict[str, set[str]] = defaultdict(set)
        for change in changes:
            others = (further or {}).get(change.number, ())
            accounts[change.number].update(affected_accounts(change.before), affected_accounts(change.after), others)
        return self._run_rounds(accounts, reader or self._reader, guess)

    def repair(self, numbers: Iterable[str], further: Accounts | None = None) -> CopyFailures:
        """Correct the copies of these numbers, in every account that their documents name.

        Args:
            further: further accounts that may have a copy, since a document may not name its former account.

        Returns:
            The numbers whose copies could not be corrected.
        """
        return self._run_rounds({number: set((further or {}).get(number, ())) for number in numbers}, self._reader)

    def differences(self, account: str, numbers: Sequence[str]) -> list[CopyDifference]:
        """Compare an account's copies of these numbers with the number documents; without a database it needs none.

        Raises:
            CouchError: a database can't be asked.
        """
        return self.compare(account, numbers) or []

    def compare(self, account: str, numbers: Sequence[str]) -> list[CopyDifference] | None:
        """Like `differences`, but return None where the account has no database."""
        copies, failures = self._access.open(account, numbers)
        snapshots, unread = self._reader.snapshots(numbers if copies else ())
        reason = next(iter((failures | unread).values()), None)
        if reason is not None:
            raise CouchError(reason)
        if self.formats and not copies:
            return None
        return [
            CopyDifference(account, each.number, copy_format.name, each.kind, each.certain)
            for copy_format, copy in copies
            for each in copy.deviations(snapshots)
        ]

    def numbers_of(self, account_id: str) -> list[str]:
        """Return the numbers of which an account holds a copy, in order: candidates, since copies may be behind.

        Empty where no copies are kept, or the account has no database.

        Raises:
            CouchError: its database can't be asked.
        """
        database = names.account_database(account_id)
        if database is None:
            return []
        found: set[str] = set()
        for copy_format in self.formats:
            try:
                found.update(number for number, _ in copy_format.held(database))
            except NotFoundError:
                return []
        return sorted(found)

    def _run_rounds(
        self, accounts: Accounts, reader: NumberReader, guess: NewAccountGuess | None = None
    ) -> CopyFailures:
        """Repeat rounds until no concurrent change is left."""
        failures: CopyFailures = {}
        pending = accounts if self.formats else {}
        for attempt in range(_MAX_ROUNDS):
            if not pending:
                return failures
            if attempt > 1:
                time.sleep(contention_delay(attempt, _ROUND_BACKOFF))
            guessed = guess if guess is not None and guess.holds and not attempt else None
            result = CopyRound(self._access, self._pool, reader, pending, failures, guessed).run()
            failures |= result.failures
            pending = result.pending
        return failures | dict.fromkeys(pending, "others keep changing the account's copy: try again")
