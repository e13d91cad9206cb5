"""Reading what a batch of asks needs: number documents, a request a database, and accounts, one request."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from router.couch.errors import CouchError, NotFoundError
from router.couch.responses import Latest
from router.couch.server import CouchServer
from router.entries.reference_values import ACCOUNTS
from router.lifecycle import errors
from router.lifecycle.errors import NumberError
from router.numbers import accounts, documents
from router.numbers.accounts import AccountDocument
from router.numbers.documents import NumberDocument
from router.numbers.fields import MAX_ID_LENGTH, Skipped, is_visible
from router.numbers.shards import shard_for

BATCH_SIZE = 1000
"""Documents in one request."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class StoredNumber:
    """What stands for a number.

    Attributes:
        document: None where there is none.
        base: the document's revision, or its deletion's; empty where there never was one.
        problem: why it can't be told, or isn't a number document.
    """

    document: NumberDocument | None = None
    base: str = ""
    problem: NumberError | None = None


class Reader:
    """Reads from CouchDB; several databases at a time.

    Args:
        pool: for them; a single one is read by the caller's own thread.
    """

    def __init__(self, databases: CouchServer, pool: ThreadPoolExecutor) -> None:
        self._databases = databases
        self._pool = pool

    def numbers(self, numbers: Iterable[str]) -> dict[str, StoredNumber]:
        """What stands for each of these E.164 numbers."""
        stored: dict[str, StoredNumber] = {}
        for some in map_concurrently(
            self._pool, lambda piece: self.of_database(*piece), list(by_database(numbers).items())
        ):
            stored |= some
        return stored

    def of_database(self, database: str, numbers: Sequence[str]) -> dict[str, StoredNumber]:
        """The same for numbers of one database."""
        stored: dict[str, StoredNumber] = {}
        for start in range(0, len(numbers), BATCH_SIZE):
            stored |= self._some(database, numbers[start : start + BATCH_SIZE])
        return stored

    def accounts(self, identifiers: Collection[str]) -> dict[str, AccountDocument]:
        """These accounts, without those that don't exist.

        Where there is no database of accounts nobody says that one is gone: then they all exist, and may nothing.

        Raises:
            CouchError: CouchDB can't be asked.
        """
        # Whatever callers call themselves: only what can be an account's id is asked for.
        identifiers = [each for each in identifiers if len(each) <= MAX_ID_LENGTH and is_visible(each)]
        if not identifiers:
            return {}
        try:
            stored = self._databases.database(ACCOUNTS).get_current(sorted(identifiers))
        except NotFoundError:
            return {each: _of_whom_nothing_is_known(each) for each in identifiers}
        read = map(accounts.read, stored.values())
        return {account.id: account for account in read if not isinstance(account, Skipped) and not account.deleted}

    def _some(self, database: str, numbers: Sequence[str]) -> dict[str, StoredNumber]:
        try:
            latest = self._databases.database(database).get_latest(numbers)
        except CouchError as problem:
            return dict.fromkeys(numbers, StoredNumber(problem=errors.unavailable(str(problem))))
        return {number: _stored(number, database, each) for number, each in latest.items()}


def _of_whom_nothing_is_known(identifier: str) -> AccountDocument:
    return AccountDocument(identifier, "", enabled=True, deleted=False, name="", realm="")


def by_database(numbers: Iterable[str]) -> Mapping[str, list[str]]:
    """Numbers by the database they belong in."""
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for number in numbers:
        grouped[shard_for(number) or ""].append(number)
    return grouped


def map_concurrently(pool: ThreadPoolExecutor, act: Callable[[T], R], things: Sequence[T]) -> list[R]:
    """Do it for each, at once where there are several; in their order."""
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
