"""What the forms of an account copy have in common: opened, compared, written against the revision that was opened."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from router.account_copies.layout import Kind, NumberSnapshot
from router.numbers.documents import NumberDocument


class CopyTooLargeError(Exception):
    """An account's copy can't grow; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One number of which an opened copy holds something else than it should.

    Attributes:
        certain: the number's database said so: only then is an extra one taken away.
    """

    number: str
    kind: Kind
    certain: bool = True


@dataclass(slots=True)
class CopyWriteResult:
    """What a write did.

    Attributes:
        done: numbers whose copy was changed.
        conflicts: numbers whose copy somebody else changed since it was opened.
        refused: number → why, where CouchDB would not take a copy.
    """

    done: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)


class OpenCopy(Protocol):
    """A copy as it was when it was opened.

    Attributes:
        account: whose.
        numbers: those about which it was opened.
    """

    account: str
    numbers: Sequence[str]

    def deviations(self, snapshots: Mapping[str, NumberSnapshot]) -> list[Deviation]:
        """What is wrong in it, of the numbers it was opened for."""

    def write(self, snapshots: Mapping[str, NumberSnapshot], keep: Collection[str]) -> CopyWriteResult:
        """Put it right, against the revision that was opened; nothing is sent when nothing is wrong.

        Args:
            standings: read after this copy was opened, so that a later change wins.
            keep: numbers that are not to be taken away yet.

        Raises:
            CopyTooLargeError: CouchDB takes no document that large.
            CouchError: it isn't known whether it was written.
        """


class CopyFormat(Protocol):
    """One way in which accounts keep their numbers.

    Attributes:
        name: as audits name it.
    """

    name: str

    def open(self, account: str, database: str, numbers: Sequence[str]) -> OpenCopy:
        """Read an account's copy.

        Raises:
            NotFoundError: there is no such database.
            CouchError: it can't be read.
        """

    def open_unread(self, account: str, database: str, numbers: Sequence[str]) -> OpenCopy:
        """Take it that the account has no copy of any number; as `open` where writing would not tell that it has.

        CopyWriteResult wrongly, it is in conflict, with all of these numbers.
        """

    def held(self, database: str) -> Iterable[tuple[str, object]]:
        """Number and what counts of its copy, for all that an account holds. Raises as `open` does."""

    def wanted(self, document: NumberDocument) -> Iterable[tuple[str, object]]:
        """Account and what should count there, for all accounts that should hold a copy."""


def deviation(snapshot: NumberSnapshot, held: Any, wanted: Any) -> Deviation | None:
    """Compare what counts of a copy; None stands for nothing there."""
    if held == wanted:
        return None
    if wanted is None:
        # What nobody can vouch for is told where no document exists; where one does, that one needs mending first.
        is_reported = snapshot.certain or not snapshot.exists
        return Deviation(snapshot.number, Kind.EXTRA, snapshot.certain) if is_reported else None
    return Deviation(snapshot.number, Kind.MISSING if held is None else Kind.DIFFERENT)


def changeable(found: Iterable[Deviation], keep: Collection[str]) -> list[Deviation]:
    """Those that may be put right now."""
    return [each for each in found if each.kind is not Kind.EXTRA or (each.certain and each.number not in keep)]
