"""Converts the number manager's requests and outcomes from and to protobuf messages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.struct_pb2 import Struct

from router.lifecycle.document_writer import public_fields
from router.lifecycle.errors import NumberError
from router.manager.copy_comparison import ComparedCopies
from router.manager.outcomes import Outcome
from router.numbers.documents import NumberDocument
from router.numbers.gregorian import to_unix
from router.v1 import numbers_pb2 as pb


def results(
    outcomes: Iterable[Outcome], copies: Mapping[str, Sequence[ComparedCopies]] | None = None
) -> pb.NumbersResponse:
    """Convert the outcomes to results, in order.

    Args:
        copies: by number, what was found in accounts' own databases; None where they were not requested.
    """
    response = pb.NumbersResponse(results=[_result(outcome) for outcome in outcomes])
    for result in response.results if copies else ():
        if result.HasField("record"):
            result.record.copies.extend(map(_copy, (copies or {}).get(result.number, ())))
    return response


def histories(outcomes: Iterable[Outcome]) -> pb.HistoryResponse:
    """Convert the outcomes to histories, in order."""
    return pb.HistoryResponse(results=[_history(outcome) for outcome in outcomes])


def record(document: NumberDocument) -> pb.NumberRecord:
    """Convert a number document."""
    return pb.NumberRecord(
        number=document.number,
        state=document.state or "",
        assigned_to=document.assigned_to or "",
        previously_assigned_to=document.previously_assigned_to or "",
        reserve_history=document.reserve_history,
        module_name=document.module_name,
        features=_struct(document.features),
        public_fields=_struct(public_fields(document)),
        ported_in=document.ported_in,
        used_by=document.used_by or "",
        authorizing_account=document.authorizing_account or "",
        created=_unix(document.created),
        modified=_unix(document.modified),
        revision=document.revision,
    )


def _result(outcome: Outcome) -> pb.NumberResult:
    if outcome.error is not None:
        return pb.NumberResult(number=outcome.number, error=_error(outcome.error))
    message = pb.NumberRecord(number=outcome.number) if outcome.document is None else record(outcome.document)
    message.unchanged, message.deleted = outcome.unchanged, outcome.deleted
    message.warnings.extend(outcome.warnings)
    if outcome.deleted:
        message.ClearField("revision")
    return pb.NumberResult(number=outcome.number, record=message)


def _history(outcome: Outcome) -> pb.HistoryResult:
    document = outcome.document
    if outcome.error is not None or document is None:
        return pb.HistoryResult(number=outcome.number, error=_error(outcome.error))
    return pb.HistoryResult(
        number=outcome.number,
        history=pb.NumberHistory(
            state=document.state or "",
            assigned_to=document.assigned_to or "",
            previously_assigned_to=document.previously_assigned_to or "",
            reserve_history=document.reserve_history,
            authorizing_account=document.authorizing_account or "",
            ported_in=document.ported_in,
            created=_unix(document.created),
            modified=_unix(document.modified),
        ),
    )


def _copy(compared: ComparedCopies) -> pb.AccountCopy:
    differences = [pb.CopyDifference(format=each.copy_format, kind=each.kind.value) for each in compared.differences]
    return pb.AccountCopy(
        account_id=compared.account,
        differences=differences,
        error=compared.error,
        no_database=compared.has_no_database,
    )


def _error(error: NumberError | None) -> pb.NumberError:
    if error is None:
        return pb.NumberError()
    return pb.NumberError(code=error.code, error=error.error, cause=error.cause, message=error.message)


def _struct(fields: Mapping[str, Any]) -> Struct:
    struct = Struct()
    struct.update(dict(fields))
    return struct


def _unix(seconds: int | None) -> int:
    return 0 if seconds is None else to_unix(seconds)
