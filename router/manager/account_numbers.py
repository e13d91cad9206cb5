"""Lists an account's numbers, from the account's own list or from every number database."""

import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from router.account_copies import AccountCopies
from router.couch.errors import CouchUnavailable
from router.couch.server import CouchServer
from router.lifecycle import permissions
from router.lifecycle.errors import forbidden
from router.lifecycle.operations import SYSTEM
from router.manager.read_step import Reader
from router.numbers import documents
from router.numbers.documents import NumberDocument
from router.numbers.fields import Skipped
from router.numbers.shards import SHARD_PREFIX, shard_for

BUDGET = 10.0
"""Seconds after which a page of a thorough listing ends early; the next page goes on from there."""
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an account's numbers.

    Attributes:
        next: value of `after` for the next page; empty on the last page. A page before the last may be short or empty.
    """

    numbers: list[NumberDocument] = field(default_factory=list)
    next: str = ""


class AccountNumberLister:
    """Lists numbers. Thread-safe. See `NumberManager.list_by_account`."""

    def __init__(self, databases: CouchServer, reader: Reader, copies: AccountCopies) -> None:
        self._databases = databases
        self._reader = reader
        self._copies = copies

    def page(self, account: str, auth_by: str, *, after: str, limit: int, budget: float | None) -> Page:
        """Return one page.

        Args:
            budget: seconds for reading every database; None: start from the account's own list.

        Raises:
            NumberError: the caller may not see this account's numbers.
            CouchError: CouchDB can't be asked.
        """
        known = self._reader.accounts({account, auth_by} - {SYSTEM})
        if not (permissions.is_admin(auth_by, known) or permissions.is_ancestor_or_self(auth_by, account, known)):
            raise forbidden()
        if budget is None:
            return self._from_account_list(account, after, limit)
        return self._from_databases(account, after, limit, budget)

    def _from_account_list(self, account: str, after: str, limit: int) -> Page:
        candidates = self._copies.numbers_of(account)
        left = candidates[bisect_right(candidates, after) :]
        numbers: list[NumberDocument] = []
        while left and len(numbers) < limit:
            batch, left = left[:limit], left[limit:]
            for number, found in sorted(self._reader.numbers(batch).items()):
                if found.problem is not None and found.base == "":
                    raise CouchUnavailable(found.problem.message)
                if found.document is not None and _is_of(found.document, account):
                    numbers.append(found.document)
                after = number
        if len(numbers) > limit:
            numbers = numbers[:limit]
            after = numbers[-1].number
        return Page(numbers, after if left or candidates[bisect_right(candidates, after) :] else "")

    def _from_databases(self, account: str, after: str, limit: int, budget: float) -> Page:
        end = time.monotonic() + budget
        numbers: list[NumberDocument] = []
        for number, document in self._walk(after):
            if len(numbers) == limit:
                return Page(numbers, numbers[-1].number)
            if document is not None and _is_of(document, account):
                numbers.append(document)
            if time.monotonic() > end:
                return Page(numbers, number)
        return Page(numbers)

    def _walk(self, after: str) -> Iterator[tuple[str, NumberDocument | None]]:
        """Yield every number after one, in order; databases sort like their numbers."""
        first = shard_for(after) or ""
        for name in sorted(self._databases.shards()):
            end = f"{name.removeprefix(SHARD_PREFIX)}\uffff"
            if name < first or after == end:
                continue
            begin = after if name == first else None
            for page in self._databases.database(name).all_documents(_PAGE, after=begin):
                for document in page:
                    read = documents.read(document, expected_database=name)
                    if not isinstance(read, Skipped):
                        yield read.number, read
            # Reading a database without numbers takes time too: let the caller check its budget.
            yield end, None


def _is_of(document: NumberDocument, account: str) -> bool:
    return document.assigned_to == account and not document.deleted
