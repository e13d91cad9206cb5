"""After a kill: which rows that had been begun were done? The number documents tell."""

from collections.abc import Mapping

from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.numbers.documents import NumberDocument


def was_created(ask: OperationRequest, document: NumberDocument, started: int) -> bool:
    """Whether this document is what this create made, and nobody changed it since.

    Args:
        ask: to create.
        document: as it stands.
        started: Gregorian seconds when the run began.
    """
    if (document.modified or 0) < started or not _is_as_created(document, started):
        return False
    brought = ask.imported
    if brought is not None and brought.document is not None:
        return _kept(brought.document) == _kept(document.fields)
    created = document.created or 0
    at_its_time = created == brought.created if brought is not None and brought.created else created >= started
    return (
        at_its_time
        and document.authorizing_account == ask.auth_by
        and (ask.assign_to is None or document.assigned_to == ask.assign_to)
        and (document.state == (ask.state or "in_service") or ask.ported_in)
        and (ask.module_name is None or document.module_name == ask.module_name)
    )


def _is_as_created(document: NumberDocument, started: int) -> bool:
    """The first revision; or, where a deleted number was made again, one that says so."""
    created = document.created or 0
    return _generation(document.revision) == 1 or (created >= started and created == document.modified)


def was_carried_out(ask: OperationRequest, document: NumberDocument | None, before: str) -> bool | None:
    """Whether an operation was carried out since its number had this revision.

    Args:
        ask: anything but to create.
        document: as it stands; None where there is none.
        before: the revision before; empty where there was no document.

    Returns:
        None when it can't be told: somebody else changed it too.
    """
    if document is None:
        gone = before != "" and ask.operation in (Operation.DELETE, Operation.RELEASE)
        return True if gone else (False if before == "" else None)
    if document.revision == before:
        return False
    return True if _generation(document.revision) == _generation(before) + 1 else None


def read_request(ask: OperationRequest) -> OperationRequest:
    """The ask for what stands now, whoever may see it."""
    return OperationRequest(Operation.GET, ask.number, SYSTEM)


def no_op_request(number: str) -> OperationRequest:
    """An ask that changes nothing, whatever stands."""
    return OperationRequest(Operation.UPDATE, number, SYSTEM, public_fields={})


def _kept(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name[:1] != "_" and name != "pvt_modified"}


def _generation(revision: str) -> int:
    head = revision.partition("-")[0]
    return int(head) if head.isdigit() else 0
