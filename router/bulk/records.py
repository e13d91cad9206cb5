"""What a row says of a number, whichever kind of file it stands in, and the ask that it comes to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.bulk.columns import ACCOUNTS_APART, OPAQUE, PUBLIC
from router.bulk.rows import InvalidRowError
from router.lifecycle import document_writer
from router.lifecycle.operations import SYSTEM, Imported, Operation, OperationRequest
from router.numbers import documents, shards
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
"""What the column `action` may say; `create` where it says nothing."""

_LONGEST_TIME = 16
"""Digits, zeros in front of it among them."""
_ASSIGNING = (Operation.CREATE, Operation.RESERVE, Operation.MOVE)
_CARRYING = (*_ASSIGNING, Operation.UPDATE)


@dataclass(frozen=True, slots=True)
class Record:
    """A number as a row tells it; None: the row doesn't say. `problems`: what in a document nobody can read."""

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
    """How a run's rows are asked for.

    Attributes:
        auth_by: who asks.
        account: for rows that name none.
        update: a number that exists is moved and updated as its row says.
        dry_run: change nothing.
    """

    auth_by: str = SYSTEM
    account: str | None = None
    update: bool = False
    dry_run: bool = False

    def asks(self, record: Record) -> tuple[OperationRequest, tuple[OperationRequest, ...]]:
        """What to ask, and what instead where it was to create a number that exists."""
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
        return first, self._instead(record, account)

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

    def _instead(self, record: Record, account: str | None) -> tuple[OperationRequest, ...]:
        def ask(operation: Operation, **more: Any) -> OperationRequest:
            return OperationRequest(operation, record.number, self.auth_by, dry_run=self.dry_run, **more)

        made = []
        if account is not None:
            made.append(ask(Operation.RESERVE if record.state == "reserved" else Operation.MOVE, assign_to=account))
        if record.used_by is not None:
            made.append(ask(Operation.ASSIGN_TO_APP, used_by=record.used_by))
        made.append(ask(Operation.UPDATE, public_fields=dict(record.public)))
        return tuple(made)


def record_of_cells(cells: Mapping[str, str]) -> Record:
    """A record of named texts, an empty one saying nothing.

    Raises:
        RowWrong: a value that can't be what its column holds.
    """
    said = {name: text for name, cell in cells.items() if (text := cell.strip())}
    return Record(
        number=_number(said.get("e164", "")),
        operation=_operation(said.get("action", "create")),
        account=said.get("account_id"),
        state=said.get("state"),
        module_name=said.get("carrier_module"),
        ported_in=_maybe(said, "ported_in", _flag),
        created=_maybe(said, "created", _seconds),
        previously_assigned_to=said.get("previously_assigned_to"),
        reserve_history=_maybe(said, "reserve_history", lambda _, text: tuple(text.split(ACCOUNTS_APART))),
        used_by=said.get("used_by"),
        public=_public(said),
    )


def record_of_document(document: Mapping[str, Any]) -> Record:
    """A record of a number document.

    Raises:
        RowWrong: it is none.
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


def _public(said: Mapping[str, str]) -> dict[str, Any]:
    public: dict[str, Any] = {}
    for name, text in said.items():
        if name == "carrier_name":
            public[name] = text
        elif name.startswith(OPAQUE):
            put(public, tuple(name.removeprefix(OPAQUE).split(".")), text, name)
        elif (column := PUBLIC.get(name)) is not None:
            put(public, column.public, _flag(name, text) if column.flag else text, name)
    return public


def put(into: dict[str, Any], path: tuple[str, ...], value: Any, name: str) -> None:
    """Set a value inside of objects inside of objects.

    Raises:
        RowWrong: a step of the path holds something else already.
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


def _maybe(said: Mapping[str, str], name: str, read: Callable[[str, str], Any]) -> Any:
    return read(name, said[name]) if name in said else None


def _flag(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise InvalidRowError(name, f"{name} is {text[:40]!r}: write true or false")
    return text.lower() == "true"


def _seconds(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_TIME and 0 < int(text) < 10**12):
        raise InvalidRowError(name, f"{name} is {text[:40]!r}: write Gregorian seconds, as an export does")
    return int(text)
