"""Keeps the copies in accounts' own databases: after a change, and wherever they were found to be wrong.

Whatever writes a copy reads the copy first, then the number document, then writes against the copy's revision, and
looks once more whether the number document is still the same. So a change that happens meanwhile always wins,
whoever makes it, and every step may be repeated. Where accounts are likely to have no copy at all, it is written as
a new one instead of read first: CouchDB refuses that where there is one.
"""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeVar

from router.account_copies import names
from router.account_copies.copy_format import CopyFormat, CopyTooLargeError, CopyWriteResult, OpenCopy
from router.account_copies.layout import Kind, NumberSnapshot, affected_accounts
from router.account_copies.number_list import NumberList
from router.account_copies.per_number import PerNumber
from router.account_copies.reading import NumberReader
from router.couch.errors import CouchError, NotFoundError
from router.couch.server import CouchServer
from router.numbers.documents import NumberDocument
from router.settings import CopiesMode

log = logging.getLogger(__name__)

_BATCH_SIZE = 8
"""Accounts whose copies are read or written at a time."""
_POOL_THRESHOLD = 3
_MAX_ROUNDS = 30
_ROUND_BACKOFF = 0.02

T = TypeVar("T")
R = TypeVar("R")

Accounts = Mapping[str, Collection[str]]
"""Number → accounts whose copies of it are to be looked at."""


@dataclass(frozen=True, slots=True)
class CopyChange:
    """A number document that was written.

    Attributes:
        before: None: there was none. after: None: it was deleted.
    """

    number: str
    before: NumberDocument | None
    after: NumberDocument | None


@dataclass(frozen=True, slots=True)
class CopyDifference:
    """A copy that is not as its number document says.

    Attributes:
        form: `phone_numbers` or `per_number`.
        certain: an extra one may be taken away; else its number document, or the whole database, can't be read.
    """

    account: str
    number: str
    copy_format: str
    kind: Kind
    certain: bool = True


@dataclass(slots=True)
class NewAccountGuess:
    """That accounts have no copy yet, as long as most of those of whom it was presumed had none."""

    right: int = 0
    wrong: int = 0

    @property
    def holds(self) -> bool:
        """Whether it is worth presuming it of more of them."""
        return self.wrong <= self.right

    def note(self, *, right: bool) -> None:
        """What came out of one."""
        self.right += right
        self.wrong += not right


@dataclass(slots=True)
class _Round:
    """What one round leaves: numbers that need another one, with their accounts.

    Attributes:
        presumed: None: copies are read before they are written.
    """

    guess: NewAccountGuess | None
    again: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def repeat(self, numbers: Iterable[str], pending: Accounts) -> None:
        for number in numbers:
            self.again[number].update(pending[number])


class AccountCopies:
    """Copies of numbers in the accounts' databases; threads may share it.

    An account whose database does not exist is passed over, as KAZOO does.
    """

    def __init__(self, databases: CouchServer, mode: CopiesMode) -> None:
        formats: dict[CopiesMode, tuple[CopyFormat, ...]] = {
            CopiesMode.SINGLE: (NumberList(databases),),
            CopiesMode.PER_NUMBER: (PerNumber(databases),),
            CopiesMode.BOTH: (NumberList(databases), PerNumber(databases)),
            CopiesMode.NONE: (),
        }
        self.formats = formats[mode]
        self._databases = databases
        self._reader = NumberReader(databases)
        self._passed_over: set[str] = set()
        self._pool = ThreadPoolExecutor(_BATCH_SIZE, thread_name_prefix="account-copies")

    def update(
        self,
        changes: Sequence[CopyChange],
        reader: NumberReader | None = None,
        guess: NewAccountGuess | None = None,
        also: Accounts | None = None,
    ) -> dict[str, str]:
        """Bring the copies up to number documents that were just written.

        The accounts that shall have a number come first, those that had it last; an account's document is written
        once for all of its numbers. What the copies are to hold is read from the number databases again.

        Args:
            reader: of the numbers as they stand now, for one who knows a cheaper way.
            presumed: for accounts that are likely to have no copy of any number yet; told what came out.
            also: further accounts that may have a copy, by number.

        Returns:
            Number → what could not be written now, in words. Repeat it for those (`mend`).
        """
        accounts: defaultdict[str, set[str]] = defaultdict(set)
        for change in changes:
            further = (also or {}).get(change.number, ())
            accounts[change.number].update(affected_accounts(change.before), affected_accounts(change.after), further)
        return self._settle(accounts, reader or self._reader, guess)

    def mend(self, numbers: Iterable[str], also: Accounts | None = None) -> dict[str, str]:
        """Put right the copies of these numbers, in every account that their documents name.

        Args:
            also: further accounts that may have a copy, for documents that don't tell who had the number.

        Returns:
            Number → what could not be put right now, in words.
        """
        return self._settle({number: set((also or {}).get(number, ())) for number in numbers}, self._reader)

    def differences(self, account: str, numbers: Sequence[str]) -> list[CopyDifference]:
        """Compare an account's copies of these numbers with the number documents.

        Raises:
            CouchError: a database can't be asked.
        """
        failed: dict[str, str] = {}
        opened = self._open(account, numbers, failed)
        snapshots = self._reader.snapshots(numbers, failed) if opened else {}
        if failed:
            raise CouchError(next(iter(failed.values())))
        return [
            CopyDifference(account, each.number, copy_format.name, each.kind, each.certain)
            for copy_format, copy in opened
            for each in copy.deviations(snapshots)
        ]

    def numbers_of(self, account_id: str) -> list[str]:
        """Numbers of which an account holds a copy, in order: candidates, since copies may be behind.

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

    def _settle(self, accounts: Accounts, reader: NumberReader, guess: NewAccountGuess | None = None) -> dict[str, str]:
        """Round after round, until nothing changes under our hands any more."""
        failed: dict[str, str] = {}
        pending = accounts if self.formats else {}
        for attempt in range(_MAX_ROUNDS):
            if not pending:
                return failed
            if attempt > 1:
                time.sleep(random.uniform(0.0, _ROUND_BACKOFF * attempt))  # noqa: S311 - nothing secret
            presuming = guess is not None and guess.holds and not attempt
            pending = self._round(pending, reader, failed, guess if presuming else None).again
        failed |= dict.fromkeys(pending, "others keep changing the account's copy: try again")
        return failed

    def _round(
        self, pending: Accounts, reader: NumberReader, failed: dict[str, str], guess: NewAccountGuess | None
    ) -> _Round:
        left = _Round(guess)
        opened = self._open_all(pending, failed, unread=guess is not None)
        try:
            marks = reader.marks(pending)
        except CouchError as problem:
            failed |= dict.fromkeys(pending, f"the number databases can't be asked: {problem}")
            return left
        snapshots = reader.snapshots(pending, failed)  # not changed any more once copies were compared with it
        for number in _unopened(snapshots, pending):
            # It names accounts whose copies were not read before it was.
            left.again[number].update(pending[number], affected_accounts(snapshots.pop(number).document))
        done = self._write_all(opened, snapshots, pending, left, failed)
        try:  # somebody may have changed a number, and found its copy right, before ours was written
            left.repeat(reader.changed(done, snapshots, marks) if done else (), pending)
        except CouchError as problem:
            failed |= dict.fromkeys(done, f"the number databases can't be asked: {problem}")
        return left

    def _open_all(self, pending: Accounts, failed: dict[str, str], *, unread: bool) -> list[OpenCopy]:
        by_account: defaultdict[str, list[str]] = defaultdict(list)
        for number, accounts in pending.items():
            for account in accounts:
                by_account[account].append(number)
        opened = self._each(
            lambda account: self._open(account, by_account[account], failed, unread=unread), list(by_account)
        )
        return [copy for found in opened for _, copy in found]

    def _each(self, act: Callable[[T], R], things: Sequence[T]) -> list[R]:
        """Several at a time: CouchDB answers each write only when it is on the disk."""
        return [act(thing) for thing in things] if len(things) < _POOL_THRESHOLD else list(self._pool.map(act, things))

    def _open(
        self, account: str, numbers: Sequence[str], failed: dict[str, str], *, unread: bool = False
    ) -> list[tuple[CopyFormat, OpenCopy]]:
        database = names.account_database(account)
        if database is None:
            self._pass_over(account)
            return []
        opened: list[tuple[CopyFormat, OpenCopy]] = []
        try:
            for copy_format in self.formats:
                copy = (
                    copy_format.open_unread(account, database, numbers)
                    if unread
                    else copy_format.open(account, database, numbers)
                )
                opened.append((copy_format, copy))
        except NotFoundError:
            self._pass_over(account)
        except CouchError as problem:
            failed |= dict.fromkeys(numbers, f"account {account}: {problem}")
        return opened

    def _pass_over(self, account: str) -> None:
        if account not in self._passed_over:
            self._passed_over.add(account)
            log.info("account %s has no database of its own: it gets no copies", account)

    def _write_all(
        self,
        opened: Iterable[OpenCopy],
        snapshots: Mapping[str, NumberSnapshot],
        pending: Accounts,
        left: _Round,
        failed: dict[str, str],
    ) -> set[str]:
        """Write each copy; who only gives numbers up comes last, and keeps those that nobody got yet."""
        done: set[str] = set()
        for copies in _in_turns(opened, snapshots):
            keep = failed.keys() | left.again.keys()
            for copy, written in zip(copies, self._write_some(copies, snapshots, keep), strict=True):
                if isinstance(written, str):
                    failed |= dict.fromkeys(_wrong(copy, snapshots), written)
                elif written is not None:
                    if left.guess is not None:
                        left.guess.note(right=not written.conflicts)
                    done |= written.done
                    failed |= written.refused
                    left.repeat(written.conflicts, pending)
        return done

    def _write_some(
        self, copies: Sequence[OpenCopy], snapshots: Mapping[str, NumberSnapshot], keep: Collection[str]
    ) -> list[CopyWriteResult | str | None]:
        return self._each(lambda copy: self._write(copy, snapshots, keep), copies)

    def _write(
        self, copy: OpenCopy, snapshots: Mapping[str, NumberSnapshot], keep: Collection[str]
    ) -> CopyWriteResult | str | None:
        """What came of it; in words, why nothing did; None where there is no database to write to."""
        try:
            return copy.write(snapshots, keep=keep)
        except NotFoundError:
            self._pass_over(copy.account)
        except CopyTooLargeError as problem:
            return str(problem)
        except CouchError as problem:
            return f"account {copy.account}: {problem}"
        return None


def _unopened(snapshots: Mapping[str, NumberSnapshot], pending: Accounts) -> list[str]:
    return [
        number
        for number, snapshot in snapshots.items()
        if not affected_accounts(snapshot.document) <= set(pending[number])
    ]


def _in_turns(opened: Iterable[OpenCopy], snapshots: Mapping[str, NumberSnapshot]) -> list[list[OpenCopy]]:
    """Copies that are written at the same time: all that only take numbers; then the others, who only gives last."""
    takers: list[OpenCopy] = []
    others: list[tuple[bool, OpenCopy]] = []
    for copy in opened:
        extra = [each.kind is Kind.EXTRA for each in copy.deviations(snapshots)]
        if any(extra):
            others.append((all(extra), copy))
        else:
            takers.append(copy)
    return [takers, *([copy] for _, copy in sorted(others, key=itemgetter(0)))]


def _wrong(copy: OpenCopy, snapshots: Mapping[str, NumberSnapshot]) -> list[str]:
    return [each.number for each in copy.deviations(snapshots)]
