"""Opens and writes the copies of single accounts; errors become return values."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from router.account_copies import names
from router.account_copies.copy_format import CopyFormat, CopyTooLargeError, CopyWriteResult, OpenCopy
from router.account_copies.layout import NumberSnapshot
from router.couch.errors import CouchError, NotFoundError

log = logging.getLogger(__name__)

CopyFailures = dict[str, str]
"""Number → reason why its copies could not be read or written, for an operator."""


class OpenedCopies(NamedTuple):
    """The copies of one account, one a format, and the numbers of which they could not be opened."""

    copies: list[tuple[CopyFormat, OpenCopy]]
    failures: CopyFailures


class CopyAccess:
    """Reads and writes the copies in accounts' databases. Threads may share it.

    An account whose database does not exist is skipped, as in KAZOO.
    """

    def __init__(self, formats: Sequence[CopyFormat]) -> None:
        self._formats = formats
        self._skipped: set[str] = set()

    def open(self, account: str, numbers: Sequence[str], *, unread: bool = False) -> OpenedCopies:
        """Open an account's copies of these numbers.

        Args:
            unread: take it that the account has no copy yet, where a wrong guess shows when the copy is written.
        """
        database = names.account_database(account)
        if database is None:
            self._skip(account)
            return OpenedCopies([], {})
        opened: list[tuple[CopyFormat, OpenCopy]] = []
        try:
            for each in self._formats:
                copy = each.open_unread(account, database, numbers) if unread else each.open(account, database, numbers)
                opened.append((each, copy))
        except NotFoundError:
            self._skip(account)
        except CouchError as problem:
            return OpenedCopies(opened, dict.fromkeys(numbers, f"account {account}: {problem}"))
        return OpenedCopies(opened, {})

    def write(self, copy: OpenCopy, snapshots: Mapping[str, NumberSnapshot], keep: Collection[str]) -> CopyWriteResult:
        """Write an open copy; see `OpenCopy.write`. Errors are the result's `refused`."""
        try:
            return copy.write(snapshots, keep=keep)
        except NotFoundError:
            self._skip(copy.account)
            return CopyWriteResult(answered=False)
        except CopyTooLargeError as problem:
            reason = str(problem)
        except CouchError as problem:
            reason = f"account {copy.account}: {problem}"
        refused = {each.number: reason for each in copy.deviations(snapshots)}
        return CopyWriteResult(refused=refused, answered=False)

    def _skip(self, account: str) -> None:
        if account not in self._skipped:
            self._skipped.add(account)
            log.info("no account copies without a database: account=%s", account)
