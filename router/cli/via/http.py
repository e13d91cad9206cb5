"""Asks over HTTP."""

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote

from google.protobuf.json_format import ParseDict, ParseError

from router.cli.client import LookupResult
from router.cli.via.view import Question, SwitchView
from router.v1 import inbound_pb2 as pb


def ask_http(question: Question) -> SwitchView:
    """Send `GET /v1/lookup/{number}`.

    Raises:
        OSError: nothing answers HTTP there.
    """
    connection = _connect(question)
    path = f"/v1/lookup/{quote(question.number, safe='')}?dial_plan={quote(question.dial_plan, safe='')}"
    if question.authoritative:
        path += "&consistency=AUTHORITATIVE"
    try:
        connection.request("GET", path, headers={**question.headers, "Request-Timeout": f"{question.timeout:.6f}"})
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    except HTTPException as problem:
        raise OSError(f"no HTTP response: {type(problem).__name__}") from None
    finally:
        connection.close()
    return SwitchView(f"HTTP {response.status} {response.reason}\n{body}", _result(question.number, body))


def _connect(question: Question) -> HTTPConnection:
    host, port = question.target
    if question.tls is None:
        return HTTPConnection(host, port, timeout=question.timeout)
    return HTTPSConnection(host, port, timeout=question.timeout, context=question.tls)


def _result(number: str, body: str) -> LookupResult:
    try:
        fields = json.loads(body)
        if "error" in fields:
            return _refused(number, fields["error"])
        known = {name: value for name, value in fields.items() if value is not None}
        return LookupResult(number, "OK", reachable=True, route=ParseDict(known, pb.LookupResponse()))
    except (ValueError, KeyError, TypeError, AttributeError, ParseError):
        raise OSError("the response is none of did-router's") from None


def _refused(number: str, error: dict[str, Any]) -> LookupResult:
    details: dict[str, Any] = next((each for each in error["details"] if "reason" in each), {})
    status, reason = str(error["status"]), str(details.get("reason", ""))
    return LookupResult(
        number,
        status,
        reachable=True,
        reason="" if reason == status else reason,
        message=str(error["message"]),
        metadata=details.get("metadata", {}),
    )
