"""Translates the errors of the `couchdb` package and of sockets into those of `router.couch.errors`."""

from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

import couchdb.http
import orjson

from router.couch.connections import ConnectError
from router.couch.errors import (
    BadResponseError,
    ConflictError,
    ConnectFailed,
    CouchRefused,
    CouchUnavailable,
    DocumentTooLargeError,
    NotFoundError,
    ResponseLost,
    WrongPasswordError,
)

_WRONG_PASSWORD = ("incorrect", "locked")
"""Words of CouchDB's refusal of a wrong password, and of an account that too many wrong ones have locked."""


def translate_errors(address: str, act: Callable[[], Any]) -> Any:
    """Run one exchange with a node.

    Args:
        address: names the node in error messages.
        act: sends a request, or reads a part of the response.

    Raises:
        CouchError: see `router.couch.errors`.
    """
    try:
        return act()
    except (couchdb.http.Unauthorized, couchdb.http.Forbidden) as problem:
        raise _refusal(_reason(problem)) from None
    except couchdb.http.ResourceNotFound as problem:
        raise _not_found(address, problem) from None
    except (couchdb.http.ResourceConflict, couchdb.http.PreconditionFailed) as problem:
        raise ConflictError(_reason(problem)) from None
    except couchdb.http.ServerError as problem:
        raise _server_error(address, problem) from None
    except orjson.JSONDecodeError as problem:
        raise BadResponseError(f"{address} does not answer as CouchDB does: {problem}") from None
    except ConnectError as problem:
        raise ConnectFailed(f"CouchDB at {address}: {_describe(problem)}") from None
    except (TimeoutError, OSError, HTTPException, ValueError, OverflowError, MemoryError) as problem:
        # ValueError: a socket cut in the middle of a chunk's size; the last two: a size beyond any number, any memory.
        raise ResponseLost(f"CouchDB at {address}: {_describe(problem)}") from None
    except (AttributeError, KeyError, TypeError, couchdb.http.RedirectLimit) as problem:
        # The package stumbles over error bodies that are not CouchDB's.
        raise BadResponseError(f"{address} does not answer as CouchDB does ({problem})") from None


def decode(raw: bytes | str) -> Any:
    """Decode JSON.

    Raises:
        BadResponseError: it is no JSON.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise BadResponseError(f"CouchDB answered something that isn't JSON: {problem}") from None


def _not_found(address: str, problem: Exception) -> Exception:
    """Return the error of a 404: a proxy's own must not pass for a missing number, or a missing database."""
    answer = problem.args[0] if problem.args else None
    if isinstance(answer, tuple) and answer[0] == "not_found":
        return NotFoundError(_message(answer))
    return BadResponseError(f"{address} answered 404, but not as CouchDB does: is something else listening there?")


def _refusal(reason: str) -> CouchRefused:
    if any(word in reason for word in _WRONG_PASSWORD):
        return WrongPasswordError(reason)
    return CouchRefused(f"CouchDB refuses: {reason} (did-router needs a server admin's user)")


def _server_error(address: str, problem: Exception) -> Exception:
    status, answer = (*problem.args[0], None)[:2] if problem.args else (0, None)
    message = _message(answer)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return DocumentTooLargeError(
            f"CouchDB at {address} takes no document that large (max_document_size): {message}"
        )
    if status == HTTPStatus.BAD_REQUEST:
        return BadResponseError(f"CouchDB at {address} refused the request: {message}")
    return CouchUnavailable(f"CouchDB at {address} answered {status}: {message}")


def _describe(problem: Exception) -> str:
    return str(problem) or type(problem).__name__


def _reason(problem: Exception) -> str:
    return _message(problem.args[0]) if problem.args else ""


def _message(answer: Any) -> str:
    if isinstance(answer, tuple | list):
        return str(answer[-1])
    return str(answer)
