"""The read step: number documents, one request per database, and accounts, one request for all."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from router.couch.errors import CouchError, NotFoundError
from router.couch.responses import Latest
from router.couch.server import CouchServer
from router.lifecycle import errors
from router.lifecycle.errors import NumberError
from router.numbers import accounts, documents
from router.numbers.accounts import AccountDocument
from router.numbers.documents import NumberDocument
from router.numbers.fields import MAX_ID_LENGTH, Skipped, is_visible
from router.numbers.kazoo_databases import ACCOUNTS
from router.numbers.shards import shard_for
from router.runtime.chunked import chunked

BATCH_SIZE = 1000
"""Documents per request."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class StoredNumber:
    """A number as CouchDB holds it.

    Attributes:
        document: None: no document.
        base: revision of the document or of its deletion; empty: it never existed.
        problem: why it could not be read, or isn't a number document.
    """

    document: NumberDocument | None = None
    base: str = ""
    problem: NumberError | None = None


class Reader:
    """Reads from CouchDB, several databases in parallel.

    Args:
        pool: runs the parallel reads; a single one runs in the caller's thread.
    """

    def __init__(self, databases: CouchServer, pool: ThreadPoolExecutor) -> None:
        self._databases = databases
        self._pool = pool

    def numbers(self, numbers: Iterable[str], *, every_copy: bool = False) -> dict[str, StoredNumber]:
        """Return what CouchDB holds for each of these E.164 numbers.

        Args:
            every_copy: ask all copies, not one that may be behind.
        """
        stored: dict[str, StoredNumber] = {}
        for some in map_concurrently(
            self._pool,
            lambda piece: self.of_database(*piece, every_copy=every_copy),
            list(by_database(numbers).items()),
        ):
            stored |= some
        return stored

    def of_database(
        self, database: str, numbers: Sequence[str], *, every_copy: bool = False
    ) -> dict[str, StoredNumber]:
        """Like `numbers`, for numbers of one database."""
        stored: dict[str, StoredNumber] = {}
        for batch in chunked(numbers, BATCH_SIZE):
            stored |= self._some(database, batch, every_copy=every_copy)
        return stored

    def accounts(self, identifiers: Collection[str]) -> dict[str, AccountDocument]:
        """Return those of these accounts that exist.

        Without an accounts database no account can be ruled out: all are then taken to exist, without any privilege.

        Raises:
            CouchError: CouchDB can't be asked.
        """
        # Callers may send any text as their id: only possible account ids are requested.
        identifiers = [each for each in identifiers if len(each) <= MAX_ID_LENGTH and is_visible(each)]
        if not identifiers:
            return {}
        try:
            stored = self._databases.database(ACCOUNTS).get_current(sorted(identifiers))
        except NotFoundError:
            return {each: _of_whom_nothing_is_known(each) for each in identifiers}
        read = map(accounts.read, stored.values())
        return {account.id: account for account in read if not isinstance(account, Skipped) and not account.deleted}

    def _some(self, database: str, numbers: Sequence[str], *, every_copy: bool) -> dict[str, StoredNumber]:
        source = self._databases.database(database)
        try:
            latest = source.get_latest_of_copies(numbers) if every_copy else source.get_latest(numbers)
        except CouchError as problem:
            return dict.fromkeys(numbers, StoredNumber(problem=errors.unavailable(str(problem))))
        return {number: _stored(number, database, each) for number, each in latest.items()}


def _of_whom_nothing_is_known(identifier: str) -> AccountDocument:
    return AccountDocument(identifier, "", enabled=True, deleted=False, name="", realm="")


def by_database(numbers: Iterable[str]) -> Mapping[str, list[str]]:
    """Group numbers by their database."""
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for number in numbers:
        grouped[shard_for(number) or ""].append(number)
    return grouped


def map_concurrently(pool: ThreadPoolExecutor, act: Callable[[T], R], things: Sequence[T]) -> list[R]:
    """Call `act` for each thing and return the results in order; a single call runs in the caller's thread."""
    if len(things) == 1:
        return [act(things[0])]
    return list(pool.map(act, things))


def _stored(number: str, database: str, latest: Latest) -> StoredNumber:
    if latest.document is None:
        return StoredNumber(base=latest.revision)
    read = documents.read(latest.document, expected_database=database)
    if isinstance(read, Skipped):
        return StoredNumber(
            base=latest.revision, problem=errors.malformed(number, f"in {database} it is no number, {read.reason}")
        )
    return StoredNumber(read, latest.revision)
