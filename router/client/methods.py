"""The service's unary methods: their paths, and which may be sent again. Does no I/O."""

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from google.protobuf.message import Message

from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2 as nm

Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)


class Deadline(Enum):
    """The deadline of a call that names none: an argument of the client, or one of its options."""

    LOOKUP = "deadline"
    EXPLAIN = "explain_deadline"
    MANAGER = "manager_deadline"


@dataclass(frozen=True, slots=True)
class Method(Generic[Req, Res]):
    """A unary method.

    Attributes:
        path: as HTTP/2 carries it.
        response: the response's class.
        is_read: it changes nothing, so it may be sent again.
    """

    path: str
    request: type[Req]
    response: type[Res]
    deadline: Deadline
    is_read: bool


def _inbound(name: str, request: type[Req], response: type[Res], deadline: Deadline) -> Method[Req, Res]:
    return Method(f"/router.v1.InboundRouter/{name}", request, response, deadline, is_read=True)


def _read(name: str, request: type[Req], response: type[Res]) -> Method[Req, Res]:
    return Method(f"/router.v1.NumberManager/{name}", request, response, Deadline.MANAGER, is_read=True)


def _change(name: str, request: type[Req]) -> Method[Req, nm.NumbersResponse]:
    return Method(f"/router.v1.NumberManager/{name}", request, nm.NumbersResponse, Deadline.MANAGER, is_read=False)


LOOKUP = _inbound("Lookup", pb.LookupRequest, pb.LookupResponse, Deadline.LOOKUP)
LOOKUP_BATCH = _inbound("LookupBatch", pb.LookupBatchRequest, pb.LookupBatchResponse, Deadline.LOOKUP)
EXPLAIN = _inbound("Explain", pb.ExplainRequest, pb.ExplainResponse, Deadline.EXPLAIN)

GET = _read("Get", nm.GetNumbersRequest, nm.NumbersResponse)
LIST_BY_ACCOUNT = _read("ListByAccount", nm.ListByAccountRequest, nm.ListByAccountResponse)
HISTORY = _read("History", nm.HistoryRequest, nm.HistoryResponse)

CREATE = _change("Create", nm.CreateNumbersRequest)
RESERVE = _change("Reserve", nm.ReserveNumbersRequest)
MOVE = _change("Move", nm.MoveNumbersRequest)
RELEASE = _change("Release", nm.ReleaseNumbersRequest)
DELETE = _change("Delete", nm.DeleteNumbersRequest)
UPDATE = _change("Update", nm.UpdateNumbersRequest)
ASSIGN_TO_APP = _change("AssignToApp", nm.AssignToAppRequest)

LOOKUP_STREAM = "/router.v1.InboundRouter/LookupStream"
"""The one method that streams."""
