"""The paths of the HTTP API, each of them a call of a gRPC servicer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from router.runtime.json_messages import json_of
from router.server.api.http import formats, freeswitch
from router.server.api.http.app import LOOKUP_PATH, json_response
from router.server.api.http.callers import Callers
from router.server.api.http.lookup_request import lookup_request
from router.server.api.http.lookups import Lookups, answer_of
from router.server.api.http.openapi import document
from router.server.api.http.operations import OPERATIONS
from router.server.api.http.requests import body_of, invalid, message_of, query_of
from router.server.api.http.results import HttpError, error_body
from router.server.api.inbound_servicer import InboundServicer
from router.server.api.number_manager_servicer import NumbersServicer
from router.server.failure import Failure, failure
from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2 as npb

_PUBLIC = "public"
"""FreeSWITCH's context of inbound calls, in its own sample configuration."""


class HttpRoutes:
    """Makes the routes.

    Args:
        lookups: answers lookups.
        callers: identifies callers and their permissions.
    """

    def __init__(self, lookups: Lookups, inbound: InboundServicer, numbers: NumbersServicer, callers: Callers) -> None:
        self._lookups = lookups
        self._inbound = inbound
        self._numbers: Any = numbers  # its generated base class knows gRPC's own context alone
        self._callers = callers

    def routes(self) -> list[BaseRoute]:
        """Return all routes but `GET /v1/lookup/{number}`."""
        return [
            Route(f"{LOOKUP_PATH}{{number:path}}", _elsewhere, methods=["GET"]),
            Route("/v1/lookup", self.lookup_by_query, methods=["GET"]),
            Route("/v1/lookup", self.lookup_by_body, methods=["POST"]),
            Route("/v1/lookups", self.lookups, methods=["POST"]),
            Route("/v1/explain/{number:path}", self.explain, methods=["GET"]),
            Route("/v1/numbers", self.list_numbers, methods=["GET"]),
            Route("/v1/numbers/{operation}", self.operate, methods=["POST"]),
            Route("/v1/numbers/{number:path}", self.show_number, methods=["GET"]),
            Route("/v1/openapi.json", _openapi, methods=["GET"]),
            Route("/freeswitch/dialplan", self.freeswitch_dialplan, methods=["POST"]),
        ]

    async def lookup_by_query(self, request: Request) -> Response:
        """`GET /v1/lookup?number=&dial_plan=&consistency=`."""
        query = query_of(request.scope["query_string"])
        if "number" not in query:
            raise invalid("number is missing: /v1/lookup?number=+14158867900, or /v1/lookup/+14158867900")
        return await self._route(request, lookup_request(query["number"], query))

    async def lookup_by_body(self, request: Request) -> Response:
        """`POST /v1/lookup`: a LookupRequest."""
        self._callers.lookup(_headers(request))  # before a body is read for a caller that may not ask
        return await self._route(request, message_of(await body_of(request.receive), pb.LookupRequest()))

    async def lookups(self, request: Request) -> Response:
        """`POST /v1/lookups`: a LookupBatchRequest; the outcomes in its order."""
        context = self._callers.lookup(_headers(request))
        batch = message_of(await body_of(request.receive), pb.LookupBatchRequest())
        answer = await self._inbound.batch(batch, context)
        return json_response(json_of(pb.LookupBatchResponse.FromString(answer)))

    async def explain(self, request: Request) -> Response:
        """`GET /v1/explain/{number}`."""
        context = self._callers.lookup(_headers(request))
        lookup = lookup_request(request.path_params["number"], query_of(request.scope["query_string"]))
        found = await self._inbound.explain(pb.ExplainRequest(lookup=lookup), context)
        return json_response(json_of(found))

    async def list_numbers(self, request: Request) -> Response:
        """`GET /v1/numbers?account_id=&auth_by=&page_size=&page_token=&thorough=`."""
        context = self._callers.manage(_headers(request))
        query = query_of(request.scope["query_string"])
        asked = npb.ListByAccountRequest(
            account_id=query.get("account_id", ""),
            auth_by=query.get("auth_by", ""),
            page_size=_integer(query, "page_size"),
            page_token=query.get("page_token", ""),
            thorough=query.get("thorough", "false") == "true",
        )
        return json_response(json_of(await self._numbers.ListByAccount(asked, context)))

    async def show_number(self, request: Request) -> Response:
        """`GET /v1/numbers/{number}?auth_by=`: a NumberResult, or its error as any other."""
        context = self._callers.manage(_headers(request))
        query = query_of(request.scope["query_string"])
        asked = npb.GetNumbersRequest(numbers=[request.path_params["number"]], auth_by=query.get("auth_by", ""))
        answer = await self._numbers.Get(asked, context)
        result = answer.results[0]
        if result.HasField("error"):
            raise HttpError(_failure_of(result), status=result.error.code)
        return json_response(json_of(result))

    async def operate(self, request: Request) -> Response:
        """`POST /v1/numbers/{operation}`: the method's request; a result for each number, in order."""
        context = self._callers.manage(_headers(request))
        name = request.path_params["operation"]
        if name not in OPERATIONS:
            raise invalid(f"there is no operation {name}: one of {', '.join(OPERATIONS)}")
        operation = OPERATIONS[name]
        asked = message_of(await body_of(request.receive), operation.request())
        return json_response(json_of(await getattr(self._numbers, operation.method)(asked, context)))

    async def freeswitch_dialplan(self, request: Request) -> Response:
        """`POST /freeswitch/dialplan`: mod_xml_curl's form; a dialplan, always with 200."""
        try:
            form = query_of(await body_of(request.receive))
            context = form.get(freeswitch.CONTEXT, _PUBLIC)
            if context != _PUBLIC:
                return _xml(freeswitch.NOT_OURS)
            asked = pb.LookupRequest(number=freeswitch.destination_of(form)).SerializeToString()
            answer = await self._lookup(request, asked)
        except HttpError as problem:
            error = error_body(problem.failure, problem.status)
            return _xml(freeswitch.refused(_PUBLIC, error.reason or error.status, error.sip))
        return _xml(freeswitch.routed(context, pb.LookupResponse.FromString(answer)))

    async def _route(self, request: Request, asked: pb.LookupRequest) -> Response:
        wanted = formats.format_of(query_of(request.scope["query_string"]))
        answer = await self._lookup(request, asked.SerializeToString())
        response = Response(formats.route_body(answer, wanted), headers={"cache-control": "no-store"})
        response.headers["content-type"] = formats.CONTENT_TYPES[wanted].decode()
        return response

    async def _lookup(self, request: Request, asked: bytes) -> bytes:
        context = self._callers.lookup(_headers(request))
        return await answer_of(self._lookups.submit(asked, context.time_remaining(), context.trace))


async def _elsewhere(_: Request) -> Response:
    """Stand for what the application answers before it routes, so that other methods get 405."""
    raise AssertionError("the application answers this path")


async def _openapi(_: Request) -> Response:
    return json_response(document())


def _headers(request: Request) -> dict[bytes, bytes]:
    return dict(request.headers.raw)


def _xml(body: bytes) -> Response:
    return Response(body, headers={"content-type": freeswitch.CONTENT_TYPE.decode(), "cache-control": "no-store"})


def _integer(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 6:  # noqa: PLR2004 - an int32 holds it
        raise invalid(f"{name} is a number")
    return int(text)


_CODES = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.CONFLICT: grpc.StatusCode.ABORTED,
    HTTPStatus.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}


def _failure_of(result: npb.NumberResult) -> Failure:
    """Return the error of one number as a failed call; its ErrorInfo names KAZOO's error and cause."""
    error = result.error
    code = _CODES.get(HTTPStatus(error.code), grpc.StatusCode.INTERNAL)
    metadata = {"number": result.number, "cause": error.cause}
    retryable = code is grpc.StatusCode.UNAVAILABLE
    # A lookup of such a number has the same reason.
    reason = "NUMBER_NOT_FOUND" if error.error == "not_found" else error.error.upper()
    return failure(code, reason, error.message, metadata, retryable=retryable)
