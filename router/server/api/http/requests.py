"""Reading HTTP requests: query strings in which `+` is a plus, and JSON bodies that become messages."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import unquote

import grpc
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from router.server.api.http.results import HttpError
from router.server.api.limits import MAX_MESSAGE_BYTES
from router.server.failure import Failure, failure

M = TypeVar("M", bound=Message)
Receive = Callable[[], Awaitable[Any]]
"""ASGI's."""
_TOO_LARGE = 413


class CallerDisconnectedError(Exception):
    """The caller hung up before the whole request was there."""


def invalid(message: str) -> HttpError:
    """Return the error for a request that can't be read."""
    return HttpError(failure(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", message, retryable=False))


def query_of(raw: bytes) -> dict[str, str]:
    """Split a query string, or the body of a form; the first value of a name counts.

    `+` stays a plus, since numbers begin with one (a form would make it a space); %2B is one, too.
    """
    found: dict[str, str] = {}
    for pair in raw.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if name:
            found.setdefault(unquote(name), unquote(value))
    return found


async def body_of(receive: Receive) -> bytes:
    """Return a request's body.

    Raises:
        HttpError: it is longer than a gRPC request may be (1 MiB).
        CallerDisconnectedError: the caller hung up.
    """
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerDisconnectedError
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > MAX_MESSAGE_BYTES:
            text = f"the body is longer than {MAX_MESSAGE_BYTES} bytes: send several requests"
            # The server reads the rest, and keeps the connection.
            raise HttpError(Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, text), status=_TOO_LARGE)
        if not message.get("more_body", False):
            return b"".join(parts)


def message_of(body: bytes, message: M) -> M:
    """Read a JSON body into a message; field names as in the proto files (lowerCamelCase is read, too).

    Raises:
        HttpError: it isn't JSON, or has other fields than the message.
    """
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise invalid("the body is not JSON") from None
    if not isinstance(value, dict):
        raise invalid("the body is a JSON object")
    try:
        return ParseDict(value, message)
    except (ParseError, RecursionError, ValueError) as problem:
        raise invalid(f"the body can't be used: {problem}") from None
