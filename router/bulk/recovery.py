"""Recovery after a kill: the number documents show which of the begun rows were carried out."""

from collections.abc import Mapping

from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.numbers.documents import NumberDocument
from router.numbers.revision import generation_of


def was_created(request: OperationRequest, document: NumberDocument, started: int) -> bool:
    """Return whether this request created the document, and no other change followed.

    Args:
        request: a create request.
        document: the current one.
        started: Gregorian seconds when the run began.
    """
    if (document.modified or 0) < started or not _is_as_created(document, started):
        return False
    brought = request.imported
    if brought is not None and brought.document is not None:
        return _comparable(brought.document) == _comparable(document.fields)
    created = document.created or 0
    at_its_time = created == brought.created if brought is not None and brought.created else created >= started
    return (
        at_its_time
        and document.authorizing_account == request.auth_by
        and (request.assign_to is None or document.assigned_to == request.assign_to)
        and (document.state == (request.state or "in_service") or request.ported_in)
        and (request.module_name is None or document.module_name == request.module_name)
    )


def _is_as_created(document: NumberDocument, started: int) -> bool:
    """Return whether it is the first revision, or the first one after a deleted number was created again."""
    created = document.created or 0
    return generation_of(document.revision) == 1 or (created >= started and created == document.modified)


def was_carried_out(request: OperationRequest, document: NumberDocument | None, before: str) -> bool | None:
    """Return whether an operation was carried out since its number had this revision.

    Args:
        request: any operation but create.
        document: the current one; None: no document.
        before: the earlier revision; empty: there was no document.

    Returns:
        None if it can't be determined: another client changed the number too.
    """
    if document is None:
        is_deletion = before != "" and request.operation in (Operation.DELETE, Operation.RELEASE)
        return True if is_deletion else (False if before == "" else None)
    if document.revision == before:
        return False
    return True if generation_of(document.revision) == generation_of(before) + 1 else None


def read_request(request: OperationRequest) -> OperationRequest:
    """Return a request, with the system's rights, for the number's current document."""
    return OperationRequest(Operation.GET, request.number, SYSTEM)


def no_op_request(number: str) -> OperationRequest:
    """Return a request that changes nothing, whatever the number's state."""
    return OperationRequest(Operation.UPDATE, number, SYSTEM, public_fields={})


def _comparable(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name[:1] != "_" and name != "pvt_modified"}
