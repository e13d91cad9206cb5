"""An account's numbers, and one number's document as a person reads it."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict

from router.console.services import NumberPage, all_numbers
from router.console.views.text import moment
from router.numbers.columns import EXPORTED_COLUMNS, cells_of
from router.numbers.documents import NumberDocument
from router.numbers.gregorian import from_unix
from router.numbers.states import State
from router.runtime.json_messages import json_fields
from router.v1 import numbers_pb2 as pb

ROWS = 100
"""Numbers on a page."""
STATES = tuple(State)
_NINES = "9" * 15
"""As many digits as a number in E.164 has."""
_MAX_SCANNED = 20_000
"""Numbers that are read for one page: a filter that few match ends there, and goes on with the next page."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which numbers are shown; empty: all.

    Attributes:
        prefix: how the number begins, with `+`.
    """

    prefix: str = ""
    state: str = ""

    @property
    def after(self) -> str:
        """A token of the number manager that is before every number with the prefix, and after those below it."""
        if not self.prefix:
            return ""
        begin = self.prefix.rstrip("0")
        if begin != self.prefix or not begin[-1:].isdigit():
            return begin  # a longer number is after it, and the next digit can't be below 0
        return f"{begin[:-1]}{int(begin[-1]) - 1}{_NINES}"

    def admits(self, record: pb.NumberRecord) -> bool:
        """Return whether a number is shown."""
        return record.number.startswith(self.prefix) and self.state in {"", record.state}

    def is_past(self, number: str) -> bool:
        """Return whether neither this number nor a later one begins with the prefix."""
        return bool(self.prefix) and number[: len(self.prefix)] > self.prefix


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A page of an account's numbers.

    Attributes:
        next: where the next page begins; empty on the last one.
        scanned: how many numbers were read for it.
    """

    rows: list[pb.NumberRecord]
    next: str
    scanned: int


def account_page(read: Callable[[str], NumberPage], wanted: Filter, after: str) -> AccountPage:
    """Read a page: until it is full, or the numbers end.

    Raises:
        ServiceError: a service refuses, or none answers.
    """
    rows: list[pb.NumberRecord] = []
    scanned = 0
    for record, token in all_numbers(read, after or wanted.after):
        if wanted.is_past(record.number):
            break
        if len(rows) == ROWS:
            return AccountPage(rows, rows[-1].number, scanned)
        if scanned >= _MAX_SCANNED:
            return AccountPage(rows, token, scanned)
        scanned += 1
        if wanted.admits(record):
            rows.append(record)
    return AccountPage(rows, "", scanned)


def csv_lines(read: Callable[[str], NumberPage], wanted: Filter) -> Iterator[str]:
    """Yield all numbers as CSV, a thousand lines at a time, as `did-router export` writes them but for accounts' names.

    Raises:
        ServiceError: a service refuses, or none answers.
    """
    yield _csv([EXPORTED_COLUMNS])
    lines: list[Iterable[object]] = []
    for record, _ in all_numbers(read, wanted.after):
        if wanted.is_past(record.number):
            break
        if wanted.admits(record):
            lines.append(cells_of(document_of(record), ""))
        if len(lines) == 1000:  # noqa: PLR2004 - bounds the memory, whatever the account's size
            yield _csv(lines)
            lines = []
    yield _csv(lines)


@dataclass(frozen=True, slots=True)
class CopyRow:
    """Copy of a number in an account's own database, compared with its document.

    Attributes:
        state: differs, unreadable or no database; empty for none of them.
        detail: in words.
    """

    account: str
    state: str
    detail: str

    @property
    def differs(self) -> bool:
        """True where the copy differs from the document."""
        return self.state == "differs"


_COPIES = {
    ("phone_numbers", "missing"): "its list lacks the number",
    ("phone_numbers", "different"): "its list has other values",
    ("phone_numbers", "extra"): "its list has the number, and should not",
    ("per_number", "missing"): "it lacks its copy of the document",
    ("per_number", "different"): "its copy of the document has other values",
    ("per_number", "extra"): "it has a copy of the document, and should not",
}
"""Words for a difference, by the format of the copy and its kind."""


@dataclass(frozen=True, slots=True)
class NumberView:
    """A number's document.

    Attributes:
        facts: name and value; the value's kind is text, account, or time.
        features: name and settings as text.
        history: accounts that reserved it, first to last.
        copies: in accounts' own databases; empty where none are kept.
    """

    number: str
    state: str
    account: str
    facts: list[tuple[str, str]]
    features: list[tuple[str, str]]
    public_fields: list[tuple[str, str]]
    history: list[str]
    warnings: list[str]
    accounts: dict[str, str]
    copies: list[CopyRow]

    @property
    def differing_copies(self) -> list[CopyRow]:
        """The copies that differ from the document."""
        return [row for row in self.copies if row.differs]


def number_view(record: pb.NumberRecord) -> NumberView:
    """Return a number's document as a person reads it."""
    facts = [
        ("carrier", record.module_name or "none"),
        ("used by", record.used_by),
        ("ported in", "yes" if record.ported_in else ""),
        ("created", record.created and moment(record.created)),
        ("changed", record.modified and moment(record.modified)),
        ("revision", record.revision),
    ]
    return NumberView(
        record.number,
        record.state or "no state",
        record.assigned_to,
        [(name, str(value)) for name, value in facts if value],
        _settings(record.features),
        _settings(record.public_fields),
        list(reversed(record.reserve_history)),
        list(record.warnings),
        {
            name: account
            for name, account in (
                ("assigned to", record.assigned_to),
                ("assigned before to", record.previously_assigned_to),
                ("created by", record.authorizing_account),
            )
            if account
        },
        [_copy_row(copy) for copy in record.copies],
    )


def _copy_row(copy: pb.AccountCopy) -> CopyRow:
    if copy.error:
        return CopyRow(copy.account_id, "unreadable", f"can't be compared: {copy.error}")
    if copy.no_database:
        return CopyRow(copy.account_id, "no database", "the account's database is missing, so it has no copy")
    found = [_COPIES[each.format, each.kind] for each in copy.differences if (each.format, each.kind) in _COPIES]
    return CopyRow(copy.account_id, "differs" if found else "", "; ".join(found) or "no difference")


def _settings(fields: Any) -> list[tuple[str, str]]:
    values = MessageToDict(fields)
    return [(name, _text(values[name])) for name in sorted(values)]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_text(inner)}" for name, inner in sorted(value.items()))
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return orjson.dumps(value).decode()


def document_of(record: pb.NumberRecord) -> NumberDocument:
    """Return a record of the number manager as the document that it was made from, as far as it tells."""
    return NumberDocument(
        number=record.number,
        revision=record.revision,
        state=record.state or None,
        assigned_to=record.assigned_to or None,
        previously_assigned_to=record.previously_assigned_to or None,
        reserve_history=tuple(record.reserve_history),
        module_name=record.module_name,
        features=json_fields(record.features),
        ported_in=record.ported_in,
        used_by=record.used_by or None,
        authorizing_account=record.authorizing_account or None,
        created=_gregorian(record.created),
        modified=_gregorian(record.modified),
        deleted=record.deleted,
        dirty=False,
        problems=(),
        fields=json_fields(record.public_fields),
    )


def _gregorian(unix: int) -> int | None:
    return from_unix(unix) if unix else None


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
