"""`POST /v1/numbers/{operation}`: the methods of NumberManager that take many numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import Message

from router.v1 import numbers_pb2 as pb


@dataclass(frozen=True, slots=True)
class NumberOperation:
    """One of them.

    Attributes:
        method: its name in numbers.proto.
        summary: for the OpenAPI document.
    """

    method: str
    request: type[Message]
    response: type[Message]
    summary: str


OPERATIONS: Mapping[str, NumberOperation] = {
    "get": NumberOperation("Get", pb.GetNumbersRequest, pb.NumbersResponse, "Show numbers"),
    "create": NumberOperation("Create", pb.CreateNumbersRequest, pb.NumbersResponse, "Create numbers"),
    "reserve": NumberOperation(
        "Reserve", pb.ReserveNumbersRequest, pb.NumbersResponse, "Reserve numbers for an account"
    ),
    "move": NumberOperation("Move", pb.MoveNumbersRequest, pb.NumbersResponse, "Put numbers in service on an account"),
    "release": NumberOperation("Release", pb.ReleaseNumbersRequest, pb.NumbersResponse, "Give numbers up"),
    "delete": NumberOperation("Delete", pb.DeleteNumbersRequest, pb.NumbersResponse, "Remove number documents"),
    "update": NumberOperation("Update", pb.UpdateNumbersRequest, pb.NumbersResponse, "Change public fields"),
    "assign_to_app": NumberOperation(
        "AssignToApp", pb.AssignToAppRequest, pb.NumbersResponse, "Say which application uses numbers"
    ),
    "history": NumberOperation("History", pb.HistoryRequest, pb.HistoryResponse, "Show who had numbers"),
}
"""By the name in the path."""
