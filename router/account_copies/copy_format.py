"""The interface of both copy formats: a copy is opened, compared, and written against the revision that was opened."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from router.account_copies.layout import Kind, NumberSnapshot
from router.numbers.documents import NumberDocument


class CopyTooLargeError(Exception):
    """An account's copy can't grow; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One number whose opened copy is wrong.

    Attributes:
        certain: the number's database proves it; only then is an extra copy removed.
    """

    number: str
    kind: Kind
    certain: bool = True


@dataclass(slots=True)
class CopyWriteResult:
    """Result of a write.

    Attributes:
        done: numbers whose copy was changed.
        conflicts: numbers whose copy another writer changed since it was opened.
        refused: number → reason, where a copy was not written.
        answered: CouchDB decided the write; False where the request failed as a whole.
    """

    done: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    answered: bool = True


class OpenCopy(Protocol):
    """An account's copy in the state in which it was opened.

    Attributes:
        account: its account.
        numbers: the numbers that it was opened for.
    """

    account: str
    numbers: Sequence[str]

    def deviations(self, snapshots: Mapping[str, NumberSnapshot]) -> list[Deviation]:
        """Return the wrong copies, of the numbers that it was opened for."""

    def write(self, snapshots: Mapping[str, NumberSnapshot], keep: Collection[str]) -> CopyWriteResult:
        """Correct it, against the revision that was opened; nothing is sent where nothing is wrong.

        Args:
            snapshots: read after this copy was opened, so that a later change wins.
            keep: numbers that must not be removed yet.

        Raises:
            CopyTooLargeError: CouchDB takes no document that large.
            CouchError: the copy may or may not have been written.
        """


class CopyFormat(Protocol):
    """One format of the copies.

    Attributes:
        name: its name in an audit's report.
    """

    name: str

    def open(self, account: str, database: str, numbers: Sequence[str]) -> OpenCopy:
        """Read an account's copy.

        Raises:
            NotFoundError: there is no such database.
            CouchError: it can't be read.
        """

    def open_unread(self, account: str, database: str, numbers: Sequence[str]) -> OpenCopy:
        """Open a copy on the guess that the account has none; like `open` where a write can't detect a wrong guess.

        A wrong guess makes the write a conflict, for all of these numbers.
        """

    def held(self, database: str) -> Iterable[tuple[str, object]]:
        """Yield number and comparable content of every copy that an account holds. Raises the errors of `open`."""

    def wanted(self, document: NumberDocument) -> Iterable[tuple[str, object]]:
        """Yield account and comparable content of every copy that a document should have."""


def deviation(snapshot: NumberSnapshot, held: Any, wanted: Any) -> Deviation | None:
    """Compare the comparable content of a copy; None means no copy."""
    if held == wanted:
        return None
    if wanted is None:
        # Reported where no document exists. An unreadable document has to be corrected before its copies.
        is_reported = snapshot.certain or not snapshot.exists
        return Deviation(snapshot.number, Kind.EXTRA, snapshot.certain) if is_reported else None
    return Deviation(snapshot.number, Kind.MISSING if held is None else Kind.DIFFERENT)


def changeable(found: Iterable[Deviation], keep: Collection[str]) -> list[Deviation]:
    """Return the deviations that may be corrected now."""
    return [each for each in found if each.kind is not Kind.EXTRA or (each.certain and each.number not in keep)]
