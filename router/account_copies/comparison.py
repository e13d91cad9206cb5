"""Compares all copies of all accounts with all number documents, and mends what differs.

The number databases are read once, by whoever has them read anyway; of each copy that should be, a hash is kept
(some 150 bytes a number in all). Then each account's copies are read once. What differs is looked at again before
it counts, since a system that is being used changes meanwhile.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from router.account_copies import names
from router.account_copies.copies import AccountCopies, CopyDifference
from router.account_copies.copy_format import CopyFormat
from router.couch.errors import CouchError, NotFoundError
from router.couch.server import CouchServer
from router.numbers.documents import NumberDocument, read
from router.numbers.shards import shard_for

_BATCH_SIZE = 200
_FAILURE_THRESHOLD = 5
"""Accounts that can't be read one after the other: then it isn't the accounts."""

_RECHECK_DELAYS = (0.2, 0.5, 1.5)
"""Seconds to wait before looking again at what differed."""

_UNREADABLE = "nothing is taken away: the number's database does not exist, or its document can't be read"


class CopiesComparison:
    """One comparison.

    Args:
        only: number databases whose numbers count; None for all.
        moments: seconds to wait before each second look.

    Attributes:
        accounts: databases of accounts that were read.
        unread: account → why, of those that could not be read.
    """

    def __init__(
        self,
        databases: CouchServer,
        copies: AccountCopies,
        only: Collection[str] | None = None,
        recheck_delays: Sequence[float] = _RECHECK_DELAYS,
    ) -> None:
        self._databases = databases
        self._copies = copies
        self._only = None if only is None else set(only)
        self._moments = recheck_delays
        self._expected: dict[str, defaultdict[str, dict[str, int]]] = {
            copy_format.name: defaultdict(dict) for copy_format in copies.formats
        }
        self.accounts = 0
        self.unread: dict[str, str] = {}

    def note(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Take in some documents of a number database; what a lookup can't reach there has no copies."""
        if not self._copies.formats:
            return
        for raw in documents:
            document = read(raw, expected_database=shard_for(str(raw.get("_id", ""))) or "")
            if isinstance(document, NumberDocument):
                self._note(document)

    def find(self, on_account: Callable[[str], None] = lambda _: None) -> list[CopyDifference]:
        """Read every account's copies, and tell what is not as the documents say.

        Args:
            on_account: told each account's database as it is done.

        Raises:
            CouchError: CouchDB can't be asked; a single account that can't is left out (see `unread`).
        """
        if not self._copies.formats:
            return []
        suspects: dict[str, list[str]] = {}
        failures = 0
        for account in self.account_ids():
            try:
                suspects[account] = sorted(set(self._suspects(account)))
                failures = 0
            except CouchError as problem:
                self.unread[account] = str(problem)
                failures += 1
                if failures == _FAILURE_THRESHOLD:
                    raise
            on_account(account)
        return self._look_again({account: wrong for account, wrong in suspects.items() if wrong})

    def account_ids(self) -> list[str]:
        """Accounts that have a database, or a number."""
        ids = {account for name in self._databases.names(names.PREFIX) if (account := names.account_of(name))}
        return sorted(ids.union(*self._expected.values()))

    def mend(self, found: Sequence[CopyDifference]) -> dict[CopyDifference, str]:
        """Put right what was found; each difference with why it still stands, empty where it doesn't."""
        also: defaultdict[str, set[str]] = defaultdict(set)
        for each in found:
            also[each.number].add(each.account)
        failures: dict[str, str] = {}
        for numbers in _chunks(sorted(also)):
            failures |= self._copies.mend(numbers, also)
        return {each: _why(each, failures) for each in found}

    def _note(self, document: NumberDocument) -> None:
        for copy_format in self._copies.formats:
            for account, counts in copy_format.wanted(document):
                self._expected[copy_format.name][account][document.number] = _hash(counts)

    def _suspects(self, account: str) -> Iterator[str]:
        database = names.account_database(account)
        if database is None:
            return
        try:
            for copy_format in self._copies.formats:
                yield from self._differing(copy_format, account, database)
        except NotFoundError:
            return
        self.accounts += 1

    def _differing(self, copy_format: CopyFormat, account: str, database: str) -> Iterator[str]:
        wanted = self._expected[copy_format.name].pop(account, {})
        for number, counts in copy_format.held(database):
            hashed = wanted.pop(number, None)
            if hashed != _hash(counts) and (self._only is None or shard_for(number) in self._only):
                yield number
        yield from wanted

    def _look_again(self, suspects: Mapping[str, Sequence[str]]) -> list[CopyDifference]:
        found: list[CopyDifference] = []
        for moment in self._moments:
            if not suspects:
                return []
            time.sleep(moment)
            found = [each for account, numbers in suspects.items() for each in self._differences(account, numbers)]
            left: defaultdict[str, set[str]] = defaultdict(set)
            for each in found:
                left[each.account].add(each.number)
            suspects = {account: sorted(numbers) for account, numbers in left.items()}
        return found

    def _differences(self, account: str, numbers: Sequence[str]) -> list[CopyDifference]:
        try:
            return [each for chunk in _chunks(numbers) for each in self._copies.differences(account, chunk)]
        except CouchError as problem:
            self.unread[account] = str(problem)
            return []


def _why(difference: CopyDifference, failures: Mapping[str, str]) -> str:
    return failures.get(difference.number, "") if difference.certain else _UNREADABLE


def _chunks(numbers: Sequence[str]) -> Iterator[Sequence[str]]:
    return (numbers[start : start + _BATCH_SIZE] for start in range(0, len(numbers), _BATCH_SIZE))


def _hash(counts: object) -> int:
    return hash(orjson.dumps(counts, option=orjson.OPT_SORT_KEYS, default=str))
