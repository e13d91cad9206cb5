"""The OpenAPI 3.1 document, made from the descriptors of the proto files."""

from functools import cache
from importlib.metadata import version
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from router.server.api.http.operations import OPERATIONS
from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2 as npb

_SCHEMAS = "#/components/schemas/"
_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer", "format": "int64"},
}
_STRUCT = "google.protobuf.Struct"
_DEADLINE = [
    {"name": "Grpc-Timeout", "in": "header", "schema": {"type": "string"}, "description": "deadline, such as 200m"},
    {"name": "Request-Timeout", "in": "header", "schema": {"type": "number"}, "description": "deadline in seconds"},
]


@cache
def document() -> dict[str, Any]:
    """Return the document; it doesn't change while the process runs."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    lookup = _query("dial_plan", "consistency", "alt")
    paths: dict[str, Any] = {
        "/v1/lookup/{number}": {"get": _read("Find a number's account", pb.LookupResponse, [_path("number"), *lookup])},
        "/v1/lookup": {
            "get": _read("Find a number's account", pb.LookupResponse, [*_query("number"), *lookup]),
            "post": _write("Find a number's account", pb.LookupRequest, pb.LookupResponse),
        },
        "/v1/lookups": {
            "post": _write("Find the accounts of up to 1,000 numbers", pb.LookupBatchRequest, pb.LookupBatchResponse)
        },
        "/v1/explain/{number}": {
            "get": _read("Say why a number routes where it does", pb.ExplainResponse, [_path("number"), *lookup[:2]])
        },
        "/v1/numbers": {
            "get": _read(
                "List an account's numbers",
                npb.ListByAccountResponse,
                _query("account_id", "auth_by", "page_size", "page_token", "thorough"),
            )
        },
        "/v1/numbers/{number}": {
            "get": _read("Show a number", npb.NumberResult, [_path("number"), *_query("auth_by")])
        },
    }
    for name, each in OPERATIONS.items():
        paths[f"/v1/numbers/{name}"] = {"post": _write(each.summary, each.request, each.response)}
    _describe(_messages(), schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "did-router", "version": version("did-router")},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"bearer": []}],
    }


def _messages() -> list[Descriptor]:
    kinds: list[Any] = [
        pb.LookupRequest,
        pb.LookupResponse,
        pb.LookupBatchRequest,
        pb.LookupBatchResponse,
        pb.ExplainResponse,
    ]
    kinds += [npb.ListByAccountResponse, npb.NumberResult]
    kinds += [kind for each in OPERATIONS.values() for kind in (each.request, each.response)]
    return [kind.DESCRIPTOR for kind in kinds]


def _describe(messages: list[Descriptor], schemas: dict[str, Any]) -> None:
    """Add a schema for each message, and for those within it."""
    for message in messages:
        if message.name in schemas or message.full_name == _STRUCT:
            continue
        schemas[message.name] = {
            "type": "object",
            "properties": {field.name: _field(field) for field in message.fields},
        }
        _describe([field.message_type for field in message.fields if field.message_type is not None], schemas)


def _field(field: Any) -> dict[str, Any]:
    schema = _type(field)
    if field.is_repeated:
        return {"type": "array", "items": schema}
    if "type" in schema and schema["type"] == "string":
        return {**schema, "type": ["string", "null"]}
    return schema


def _type(field: Any) -> dict[str, Any]:
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    if field.message_type is None:
        return dict(_SCALARS[field.cpp_type])
    if field.message_type.full_name == _STRUCT:
        return {"type": "object", "additionalProperties": True}
    reference = {"$ref": _SCHEMAS + field.message_type.name}
    return reference if field.is_repeated else {"anyOf": [reference, {"type": "null"}]}


def _read(summary: str, response: Any, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"summary": summary, "parameters": [*parameters, *_DEADLINE], "responses": _responses(response)}


def _write(summary: str, request: Any, response: Any) -> dict[str, Any]:
    body = {"required": True, "content": _json_of(request.DESCRIPTOR.name)}
    return {"summary": summary, "parameters": _DEADLINE, "requestBody": body, "responses": _responses(response)}


def _responses(response: Any) -> dict[str, Any]:
    return {
        "200": {"description": "done", "content": _json_of(response.DESCRIPTOR.name)},
        "default": {"description": "refused", "content": _json_of("Error")},
    }


def _json_of(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _SCHEMAS + name}}}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]


_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error", "sip"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "status", "message", "details"],
            "properties": {
                "code": {"type": "integer"},
                "status": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        },
        "sip": {
            "type": "object",
            "required": ["code", "reason"],
            "properties": {"code": {"type": "integer"}, "reason": {"type": "string"}},
        },
    },
}
"""AIP-193's error, and the response that a switch gives."""
