"""CouchDB 3.5's error responses, word for word."""


class ApiError(Exception):
    """An HTTP error response.

    Args:
        status: HTTP status.
        error: the `error` member of the JSON body.
        reason: the `reason` member of the JSON body.
        headers: further response headers.
    """

    def __init__(self, status: int, error: str, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {error}: {reason}")
        self.status = status
        self.error = error
        self.reason = reason
        self.headers = headers or {}


def bad_request(reason: str) -> ApiError:
    """400 `bad_request`."""
    return ApiError(400, "bad_request", reason)


def query_parse_error(reason: str) -> ApiError:
    """400 `query_parse_error`: a query parameter of `_all_docs` or `_all_dbs` that can't be read."""
    return ApiError(400, "query_parse_error", reason)


def invalid_json() -> ApiError:
    """400: a body or parameter that isn't JSON."""
    return bad_request("invalid UTF-8 JSON")


def malformed_sequence() -> ApiError:
    """400: a `since` that is no sequence."""
    return bad_request("Malformed sequence supplied in 'since' parameter.")


def no_database() -> ApiError:
    """404: the database is missing."""
    return ApiError(404, "not_found", "Database does not exist.")


def not_found(reason: str = "missing") -> ApiError:
    """404: a document is `missing` or `deleted`."""
    return ApiError(404, "not_found", reason)


def conflict() -> ApiError:
    """409: the revision given is not the current one."""
    return ApiError(409, "conflict", "Document update conflict.")


def file_exists() -> ApiError:
    """412: the database exists already."""
    return ApiError(412, "file_exists", "The database could not be created, the file already exists.")


def unauthorized(reason: str) -> ApiError:
    """401: no, or wrong, credentials."""
    return ApiError(401, "unauthorized", reason)


def method_not_allowed(methods: str) -> ApiError:
    """405: `methods` are the comma separated ones that would do."""
    return ApiError(405, "method_not_allowed", f"Only {methods} allowed", {"Allow": methods})


def illegal_database_name(name: str) -> ApiError:
    """400: a name outside CouchDB's alphabet."""
    return ApiError(
        400,
        "illegal_database_name",
        f"Name: '{name}'. Only lowercase characters (a-z), digits (0-9), and any of the characters "
        "_, $, (, ), +, -, and / are allowed. Must begin with a letter.",
    )
