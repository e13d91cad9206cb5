"""The bodies of Envoy's own responses to HTTP requests: errors in the JSON that the workers use (docs/http.md).

Responses to gRPC calls stay as they are, since Envoy puts the body into the status' message.
"""

from router.server.edge.plan import Json

_NO_GRPC = {
    "header_filter": {
        "header": {
            "name": "content-type",
            "string_match": {"prefix": "application/grpc"},
            "invert_match": True,
            "treat_missing_header_as_empty": True,
        }
    }
}


def local_replies() -> Json:
    """Return the configuration; the first match counts."""
    return {
        "mappers": [
            _mapper("EQ", 504, "DEADLINE_EXCEEDED"),
            _mapper("EQ", 408, "DEADLINE_EXCEEDED"),
            _mapper("GE", 500, "UNAVAILABLE"),
            _mapper("GE", 400, "INVALID_ARGUMENT"),
        ]
    }


def _mapper(operator: str, status: int, name: str) -> Json:
    comparison = {"op": operator, "value": {"default_value": status, "runtime_key": f"local_replies.{name}.{status}"}}
    filters = [_NO_GRPC, {"status_code_filter": {"comparison": comparison}}]
    return {
        "filter": {"and_filter": {"filters": filters}},
        "body_format_override": {"json_format": _error(name), "content_type": "application/json"},
    }


def _error(name: str) -> Json:
    """Return the body; a switch treats every refusal by the edge as a router that is not in service."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": name,
        "domain": "did-router",
        "metadata": {"envoy": "%RESPONSE_CODE_DETAILS%"},
    }
    message = "the edge answered: %LOCAL_REPLY_BODY% (%RESPONSE_CODE_DETAILS%)"
    return {
        "error": {"code": "%RESPONSE_CODE%", "status": name, "message": message, "details": [info]},
        "sip": {"code": 503, "reason": "Service Unavailable"},
    }
