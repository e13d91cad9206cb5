"""Compares all copies of all accounts with all number documents, and repairs them.

The caller reads the number databases once anyway. A hash of each expected copy is kept, some 150 bytes a number in all.
Then each account's copies are read once. A difference is checked again before it counts, since a system in use changes
meanwhile.
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
from router.runtime.chunked import chunked

_BATCH_SIZE = 200
"""Numbers compared or repaired at a time."""
_FAILURE_THRESHOLD = 5
"""Consecutive accounts that can't be read before the comparison fails: then CouchDB is the cause."""

_RECHECK_DELAYS = (0.2, 0.5, 1.5)
"""Seconds to wait before each further check of a difference."""

_UNREADABLE = "nothing is taken away: the number's database does not exist, or its document can't be read"


class CopiesComparison:
    """One comparison.

    Args:
        only: number databases whose numbers count; None for all.
        recheck_delays: seconds to wait before each further check of a difference.

    Attributes:
        accounts: number of account databases that were read.
        unread: account → reason why it could not be read.
    """

    def __init__(
        self,
        couch: CouchServer,
        copies: AccountCopies,
        only: Collection[str] | None = None,
        recheck_delays: Sequence[float] = _RECHECK_DELAYS,
    ) -> None:
        self._couch = couch
        self._copies = copies
        self._only = None if only is None else set(only)
        self._recheck_delays = recheck_delays
        self._expected: dict[str, defaultdict[str, dict[str, int]]] = {
            each.name: defaultdict(dict) for each in copies.formats
        }
        self.accounts = 0
        self.unread: dict[str, str] = {}

    def note(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Record the copies that documents of a number database should have; unreachable documents have none."""
        if not self._copies.formats:
            return
        for raw in documents:
            document = read(raw, expected_database=shard_for(str(raw.get("_id", ""))) or "")
            if isinstance(document, NumberDocument):
                self._note(document)

    def find(self, on_account: Callable[[str], None] = lambda _: None) -> list[CopyDifference]:
        """Read every account's copies, and return the differences.

        Args:
            on_account: called with each account as it is done.

        Raises:
            CouchError: CouchDB can't be asked. A single account that can't is left out (see `unread`).
        """
        if not self._copies.formats:
            return []
        candidates: dict[str, list[str]] = {}
        failures = 0
        for account in self.account_ids():
            try:
                candidates[account] = sorted(set(self._candidates(account)))
                failures = 0
            except CouchError as problem:
                self.unread[account] = str(problem)
                failures += 1
                if failures == _FAILURE_THRESHOLD:
                    raise
            on_account(account)
        return self._recheck({account: numbers for account, numbers in candidates.items() if numbers})

    def account_ids(self) -> list[str]:
        """Return the accounts that have a database, or a number."""
        databases = self._couch.names(names.PREFIX)
        ids = {account for name in databases if (account := names.account_of(name))}
        return sorted(ids.union(*self._expected.values()))

    def repair(self, found: Sequence[CopyDifference]) -> dict[CopyDifference, str]:
        """Correct differences; return the reason why each could not be corrected, empty where it was."""
        accounts: defaultdict[str, set[str]] = defaultdict(set)
        for each in found:
            accounts[each.number].add(each.account)
        failures: dict[str, str] = {}
        for numbers in chunked(sorted(accounts), _BATCH_SIZE):
            failures |= self._copies.repair(numbers, accounts)
        return {each: failures.get(each.number, "") if each.certain else _UNREADABLE for each in found}

    def _note(self, document: NumberDocument) -> None:
        for each in self._copies.formats:
            for account, content in each.wanted(document):
                self._expected[each.name][account][document.number] = _hash(content)

    def _candidates(self, account: str) -> Iterator[str]:
        """Yield the numbers whose copies seem to differ."""
        database = names.account_database(account)
        if database is None:
            return
        try:
            for each in self._copies.formats:
                yield from self._differing(each, account, database)
        except NotFoundError:
            return
        self.accounts += 1

    def _differing(self, copy_format: CopyFormat, account: str, database: str) -> Iterator[str]:
        wanted = self._expected[copy_format.name].pop(account, {})
        for number, content in copy_format.held(database):
            hashed = wanted.pop(number, None)
            if hashed != _hash(content) and (self._only is None or shard_for(number) in self._only):
                yield number
        yield from wanted

    def _recheck(self, candidates: Mapping[str, Sequence[str]]) -> list[CopyDifference]:
        found: list[CopyDifference] = []
        for delay in self._recheck_delays:
            if not candidates:
                return []
            time.sleep(delay)
            found = [each for account, numbers in candidates.items() for each in self._differences(account, numbers)]
            left: defaultdict[str, set[str]] = defaultdict(set)
            for each in found:
                left[each.account].add(each.number)
            candidates = {account: sorted(numbers) for account, numbers in left.items()}
        return found

    def _differences(self, account: str, numbers: Sequence[str]) -> list[CopyDifference]:
        try:
            batches = chunked(numbers, _BATCH_SIZE)
            return [each for batch in batches for each in self._copies.differences(account, batch)]
        except CouchError as problem:
            self.unread[account] = str(problem)
            return []


def _hash(content: object) -> int:
    return hash(orjson.dumps(content, option=orjson.OPT_SORT_KEYS, default=str))
