"""Account copies of many new numbers, written later and together: an account's list once, not once a batch.

Only copies of numbers that are made anew wait: their documents name every account that has to do with them, so whoever
comes after a crash finds all there is to do by the numbers alone.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from router.account_copies import AccountCopies, CopyChange, Presumption
from router.account_copies.contents import listed_part
from router.account_copies.number_list import DOCUMENT
from router.account_copies.written import WrittenNumbers, sequence_of
from router.couch.databases import Databases
from router.couch.errors import CouchError
from router.manager.outcomes import Outcome
from router.numbers.documents import NumberDocument
from router.numbers.lifecycle.asks import Ask

_ACCOUNTS = 200
"""Lists that are held in memory at a time; one may have some megabytes."""
_NUMBERS = 5000
"""The same, where it isn't known whose numbers they are."""
_AT_ONCE = 2
"""While CouchDB writes some, the next are compared."""


class LateCopies:
    """A number manager's copies of new numbers, which wait until `write`. Threads share it.

    Args:
        carry_out: the manager's, with what takes copies.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Ask], "LateCopies"], list[Outcome]],
        databases: Databases,
        copies: AccountCopies,
    ) -> None:
        self._carry_out = carry_out
        self._databases = databases
        self._copies = copies
        self._lists_only = [form.name for form in copies.forms] == [DOCUMENT]
        self._lock = threading.Lock()
        self._waiting: dict[str, NumberDocument | None] = {}
        self._since: dict[str, str] = {}

    def __len__(self) -> int:
        """How many numbers wait."""
        return len(self._waiting)

    def carry_out(self, asks: Sequence[Ask]) -> list[Outcome]:
        """As the manager does, but for the copies that wait; their outcomes say so."""
        return self._carry_out(asks, self)

    def expect(self, databases: Iterable[str]) -> None:
        """Numbers are about to be written there: note from where on the feeds will tell of them."""
        for database in databases:
            if self._lists_only and database not in self._since:
                try:
                    self._since[database] = sequence_of(self._databases, database)
                except CouchError:
                    continue  # its numbers will be read instead

    def takes(self, change: CopyChange) -> bool:
        """Take a change over, if its copies can wait."""
        if not self._lists_only or change.before is not None or change.after is None:
            return False
        with self._lock:
            self._waiting[change.number] = listed_part(change.after)
        return True

    def take_up(self, numbers: Iterable[str]) -> None:
        """Numbers whose copies waited when an earlier run was killed."""
        with self._lock:
            self._waiting |= dict.fromkeys(numbers)

    def write(self) -> dict[str, str]:
        """Write the copies of all that waits.

        Returns:
            Number → why its copies could not be written.

        Raises:
            CouchError: CouchDB is away, all of them still wait.
        """
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        known = {number: document for number, document in waiting.items() if document is not None}
        reader = WrittenNumbers(self._databases, known, self._since)
        new_accounts = Presumption()
        failed: dict[str, str] = {}

        def write(numbers: Sequence[str]) -> dict[str, str]:
            changes = [CopyChange(each, None, waiting[each]) for each in numbers]
            told = self._copies.update(changes, reader, new_accounts)
            if len(told) == len(numbers):
                self._databases.version()  # all of them: is it the accounts, or everything?
            return told

        try:
            with ThreadPoolExecutor(_AT_ONCE, "late-copies") as pool:
                for told in pool.map(write, _some_at_a_time(waiting)):
                    failed |= told
        except CouchError:
            with self._lock:
                self._waiting = waiting | self._waiting
            raise
        return failed


def _some_at_a_time(waiting: Mapping[str, NumberDocument | None]) -> Iterator[list[str]]:
    """All numbers of some accounts; those of which only the number is known by themselves."""
    by_account: defaultdict[str, list[str]] = defaultdict(list)
    unknown: list[str] = []
    for number, document in waiting.items():
        if document is None:
            unknown.append(number)
        else:
            by_account[document.assigned_to or ""].append(number)
    accounts = sorted(by_account)
    for start in range(0, len(unknown), _NUMBERS):
        yield unknown[start : start + _NUMBERS]
    for start in range(0, len(accounts), _ACCOUNTS):
        yield [number for account in accounts[start : start + _ACCOUNTS] for number in by_account[account]]
