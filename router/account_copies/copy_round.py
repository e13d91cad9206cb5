"""One round over the copies of some numbers: read them, compare them, write them, verify the numbers."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import NamedTuple, TypeVar

from router.account_copies.copy_access import CopyAccess, CopyFailures
from router.account_copies.copy_format import OpenCopy
from router.account_copies.layout import Kind, NumberSnapshot, affected_accounts
from router.account_copies.new_account_guess import NewAccountGuess
from router.account_copies.reading import Marks, NumberReader
from router.couch.errors import CouchError

_POOL_THRESHOLD = 3
"""Accounts from which on threads read or write their copies: fewer are done sooner without."""

T = TypeVar("T")
R = TypeVar("R")

Accounts = Mapping[str, Collection[str]]
"""Number → accounts whose copies of it have to be checked."""
Snapshots = Mapping[str, NumberSnapshot]


class RoundResult(NamedTuple):
    """Result of one round.

    Attributes:
        failures: numbers whose copies could not be read or written.
        pending: numbers that need another round, with their accounts.
    """

    failures: CopyFailures
    pending: Accounts


class _Comparison(NamedTuple):
    """Snapshots to write by, and numbers that name accounts whose copies were not read."""

    snapshots: Snapshots
    pending: dict[str, Collection[str]]


@dataclass(slots=True)
class _Writes:
    """Results of all writes of a round."""

    done: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    failures: CopyFailures = field(default_factory=dict)


class CopyRound:
    """Checks and writes the copies of some numbers once.

    Args:
        pool: runs reads and writes of several accounts: CouchDB answers each write only when it is on the disk.
        reader: reads the number documents.
        pending: the numbers, with the accounts whose copies have to be checked.
        failed: numbers that failed in an earlier round; nothing is removed from their copies.
        guess: take it that the accounts have no copy yet; None: copies are read before they are written.
    """

    def __init__(
        self,
        access: CopyAccess,
        pool: ThreadPoolExecutor,
        reader: NumberReader,
        pending: Accounts,
        failed: Collection[str],
        guess: NewAccountGuess | None,
    ) -> None:
        self._access = access
        self._pool = pool
        self._reader = reader
        self._pending = pending
        self._failed = failed
        self._guess = guess

    def run(self) -> RoundResult:
        """Read, compare, write and verify."""
        copies, failures = self._read_copies()
        try:
            marks = self._reader.marks(self._pending)
        except CouchError as problem:
            return RoundResult(failures | _unreachable(self._pending, problem), {})
        snapshots, unread = self._reader.snapshots(self._pending)
        failures |= unread
        compared = self._compare(snapshots)
        writes = self._write(copies, compared.snapshots, {*self._failed, *failures, *compared.pending})
        changed, unverified = self._verify(writes.done, compared.snapshots, marks)
        pending = {number: self._pending[number] for number in writes.conflicts | changed} | compared.pending
        return RoundResult(failures | writes.failures | unverified, pending)

    def _read_copies(self) -> tuple[list[OpenCopy], CopyFailures]:
        by_account: defaultdict[str, list[str]] = defaultdict(list)
        for number, accounts in self._pending.items():
            for account in accounts:
                by_account[account].append(number)
        unread = self._guess is not None
        opened = self._map(
            lambda account: self._access.open(account, by_account[account], unread=unread), list(by_account)
        )
        copies = [copy for each in opened for _, copy in each.copies]
        return copies, {number: reason for each in opened for number, reason in each.failures.items()}

    def _compare(self, snapshots: Snapshots) -> _Comparison:
        """Set numbers aside whose document names accounts that were not known before it was read."""
        pending: dict[str, Collection[str]] = {
            number: {*self._pending[number], *affected_accounts(snapshot.document)}
            for number, snapshot in snapshots.items()
            if not affected_accounts(snapshot.document) <= set(self._pending[number])
        }
        return _Comparison({number: each for number, each in snapshots.items() if number not in pending}, pending)

    def _write(self, copies: Iterable[OpenCopy], snapshots: Snapshots, keep: Collection[str]) -> _Writes:
        """Write each copy. Removals are written last, and skipped while the new owner's copy is missing."""
        writes = _Writes()
        for turn in _turns(copies, snapshots):
            kept = {*keep, *writes.failures, *writes.conflicts}
            for result in self._map(partial(self._access.write, snapshots=snapshots, keep=kept), turn):
                if self._guess is not None and result.answered:
                    self._guess.note(right=not result.conflicts)
                writes.done |= result.done
                writes.conflicts |= result.conflicts
                writes.failures |= result.refused
        return writes

    def _verify(self, done: Collection[str], snapshots: Snapshots, marks: Marks) -> tuple[set[str], CopyFailures]:
        """Return the written numbers that changed since they were read.

        Another writer may have changed a number, and found its copy right, before this round's write.
        """
        try:
            return (self._reader.changed(done, snapshots, marks) if done else set()), {}
        except CouchError as problem:
            return set(), _unreachable(done, problem)

    def _map(self, act: Callable[[T], R], items: Sequence[T]) -> list[R]:
        return [act(each) for each in items] if len(items) < _POOL_THRESHOLD else list(self._pool.map(act, items))


def _turns(copies: Iterable[OpenCopy], snapshots: Snapshots) -> Iterator[list[OpenCopy]]:
    """Yield the copies that are written concurrently: first those that only gain numbers; then the others, one by one.

    Copies that only lose numbers come last.
    """
    gaining: list[OpenCopy] = []
    losing: list[tuple[bool, OpenCopy]] = []
    for copy in copies:
        extra = [each.kind is Kind.EXTRA for each in copy.deviations(snapshots)]
        if any(extra):
            losing.append((all(extra), copy))
        else:
            gaining.append(copy)
    yield gaining
    for _, copy in sorted(losing, key=itemgetter(0)):
        yield [copy]


def _unreachable(numbers: Iterable[str], problem: CouchError) -> CopyFailures:
    return dict.fromkeys(numbers, f"the number databases can't be asked: {problem}")
