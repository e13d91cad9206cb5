"""A number as described by a row of any format, and the operations it comes to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.bulk.columns import OPAQUE
from router.bulk.rows import InvalidRowError
from router.lifecycle import document_writer
from router.lifecycle.operations import SYSTEM, Imported, Operation, OperationRequest
from router.numbers import documents, shards
from router.numbers.columns import ACCOUNT_SEPARATOR, PUBLIC_COLUMNS
from router.numbers.documents import Skipped

ACTIONS = {
    operation.value: operation
    for operation in (
        Operation.CREATE,
        Operation.RESERVE,
        Operation.MOVE,
        Operation.RELEASE,
        Operation.DELETE,
        Operation.UPDATE,
        Operation.ASSIGN_TO_APP,
    )
}
"""Values of the column `action`; an empty one means `create`."""

_MAX_TIME_DIGITS = 16
"""Digits, leading zeros included."""
_ASSIGNING = (Operation.CREATE, Operation.RESERVE, Operation.MOVE)
_CARRYING = (*_ASSIGNING, Operation.UPDATE)


@dataclass(frozen=True, slots=True)
class Record:
    """A number as a row describes it. None: the row doesn't say. `problems`: faults of its document."""

    number: str
    operation: Operation = Operation.CREATE
    account: str | None = None
    state: str | None = None
    module_name: str | None = None
    ported_in: bool | None = None
    created: int | None = None
    previously_assigned_to: str | None = None
    reserve_history: tuple[str, ...] | None = None
    used_by: str | None = None
    public: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options that apply to every row of a run.

    Attributes:
        auth_by: id of the calling account, or `system`.
        account: for rows that name none.
        update: move and update a number that exists, as its row says.
        dry_run: change nothing.
    """

    auth_by: str = SYSTEM
    account: str | None = None
    update: bool = False
    dry_run: bool = False

    def requests(self, record: Record) -> tuple[OperationRequest, tuple[OperationRequest, ...]]:
        """Return a record's operation, and the operations to run instead if it would create an existing number."""
        account = record.account or self.account
        operation = record.operation
        ported = record.ported_in is True and record.state in (None, "in_service")
        first = OperationRequest(
            operation=operation,
            number=record.number,
            auth_by=self.auth_by,
            assign_to=account if operation in _ASSIGNING else None,
            state=record.state if operation is Operation.CREATE else None,
            module_name=record.module_name if operation is Operation.CREATE else None,
            public_fields=dict(record.public) if operation in _CARRYING and record.public else None,
            ported_in=ported and operation is Operation.CREATE,
            used_by=record.used_by if operation is Operation.ASSIGN_TO_APP else None,
            dry_run=self.dry_run,
            imported=self._imported(record) if operation is Operation.CREATE else None,
        )
        if not self.update or operation is not Operation.CREATE:
            return first, ()
        return first, self._fallback(record, account)

    def _imported(self, record: Record) -> Imported | None:
        if self.auth_by != SYSTEM:
            return None
        return Imported(
            record.created,
            record.previously_assigned_to,
            record.reserve_history,
            record.used_by,
            record.ported_in,
            record.document,
        )

    def _fallback(self, record: Record, account: str | None) -> tuple[OperationRequest, ...]:
        def request(operation: Operation, **more: Any) -> OperationRequest:
            return OperationRequest(operation, record.number, self.auth_by, dry_run=self.dry_run, **more)

        made = []
        if account is not None:
            made.append(request(Operation.RESERVE if record.state == "reserved" else Operation.MOVE, assign_to=account))
        if record.used_by is not None:
            made.append(request(Operation.ASSIGN_TO_APP, used_by=record.used_by))
        made.append(request(Operation.UPDATE, public_fields=dict(record.public)))
        return tuple(made)


def record_of_cells(cells: Mapping[str, str]) -> Record:
    """Return a record from named texts; an empty text says nothing.

    Raises:
        InvalidRowError: a value doesn't fit its column.
    """
    values = {name: text for name, cell in cells.items() if (text := cell.strip())}
    return Record(
        number=_number(values.get("e164", "")),
        operation=_operation(values.get("action", "create")),
        account=values.get("account_id"),
        state=values.get("state"),
        module_name=values.get("carrier_module"),
        ported_in=_maybe(values, "ported_in", _flag),
        created=_maybe(values, "created", _seconds),
        previously_assigned_to=values.get("previously_assigned_to"),
        reserve_history=_maybe(values, "reserve_history", lambda _, text: tuple(text.split(ACCOUNT_SEPARATOR))),
        used_by=values.get("used_by"),
        public=_public(values),
    )


def record_of_document(document: Mapping[str, Any]) -> Record:
    """Return a record from a number document.

    Raises:
        InvalidRowError: it is no number document.
    """
    read = documents.read(document)
    if isinstance(read, Skipped):
        raise InvalidRowError("malformed_document", f"this is no number document: {read.reason}")
    unreachable = documents.routable_id(str(document["_id"]), shards.shard_for(read.number) or "")
    if unreachable is not None:
        raise InvalidRowError("malformed_document", f"no lookup would find this document: {unreachable}")
    return Record(
        number=str(document["_id"]),
        account=read.assigned_to,
        state=read.state,
        module_name=read.module_name,
        ported_in=read.ported_in,
        created=read.created,
        previously_assigned_to=read.previously_assigned_to,
        reserve_history=read.reserve_history,
        used_by=read.used_by,
        public=document_writer.public_fields(read),
        document=document,
        problems=read.problems,
    )


def _public(values: Mapping[str, str]) -> dict[str, Any]:
    public: dict[str, Any] = {}
    for name, text in values.items():
        if name == "carrier_name":
            public[name] = text
        elif name.startswith(OPAQUE):
            put(public, tuple(name.removeprefix(OPAQUE).split(".")), text, name)
        elif (column := PUBLIC_COLUMNS.get(name)) is not None:
            put(public, column.public, _flag(name, text) if column.flag else text, name)
    return public


def put(into: dict[str, Any], path: tuple[str, ...], value: Any, name: str) -> None:
    """Set a value inside nested objects.

    Raises:
        InvalidRowError: a step of the path already holds another value.
    """
    for step in path[:-1]:
        into = into.setdefault(step, {})
        if not isinstance(into, dict):
            raise InvalidRowError(name, f"{name}: {step} has a value of its own: it can't hold another field too")
    if path[-1] in into:
        raise InvalidRowError(name, f"{name}: another column sets it, or a field inside of it: leave one of them empty")
    into[path[-1]] = value


def _number(text: str) -> str:
    if not text:
        raise InvalidRowError("e164", "there is no number in the column e164")
    if "E+" in text.upper() and text[:1].isdigit():
        raise InvalidRowError(
            "e164", f"{text} was rounded by a spreadsheet: format the column as text there, and export it again"
        )
    return text


def _operation(text: str) -> Operation:
    found = ACTIONS.get(text.lower())
    if found is None:
        raise InvalidRowError("action", f"action is {text!r}: write one of {', '.join(ACTIONS)}, or nothing for create")
    return found


def _maybe(values: Mapping[str, str], name: str, read: Callable[[str, str], Any]) -> Any:
    return read(name, values[name]) if name in values else None


def _flag(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise InvalidRowError(name, f"{name} is {text[:40]!r}: write true or false")
    return text.lower() == "true"


def _seconds(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_TIME_DIGITS and 0 < int(text) < 10**12):
        raise InvalidRowError(name, f"{name} is {text[:40]!r}: write Gregorian seconds, as an export does")
    return int(text)
