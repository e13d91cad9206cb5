"""Authorizes callers: a token's scopes against the scope that a method or a page requires."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from router.runtime.counters import LabelledCounters
from router.server.auth.tokens import ADMIN, LOOKUP, MANAGE, SCOPES, Header, Token, TokenFile, TokenSet
from router.server.failure import Failure
from router.server.observation.calls import METHODS, GrpcCalls
from router.server.observation.protocols import GRPC
from router.settings import Settings

AUTHORIZATION = "authorization"

_PUBLIC = ""
_ANY_SCOPE = "*"
_REQUIRED_SCOPES = {
    "router.v1.InboundRouter": LOOKUP,
    "router.v1.NumberManager": MANAGE,  # and `auth_by.AuthByCheck`
    "grpc.health.v1.Health": _PUBLIC,
    "grpc.reflection.v1alpha.ServerReflection": _ANY_SCOPE,
    "grpc.reflection.v1.ServerReflection": _ANY_SCOPE,
}
"""Required scope by gRPC service. Any other service requires `admin`, so that a forgotten one is closed, not open."""

_NO_TOKEN = Failure(
    grpc.StatusCode.UNAUTHENTICATED,
    "a token is wanted here: send the metadata 'authorization: Bearer TOKEN' (did-router token new makes one)",
)
_UNKNOWN = Failure(
    grpc.StatusCode.UNAUTHENTICATED,
    "this token is not known here, or not any more: ask for a new one (did-router token new), and send it as "
    "'authorization: Bearer TOKEN'",
)


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Callers, by the way in which they came.

    Attributes:
        calls: of those whose token opens what they asked for, by the token's name.
        refused: the others, by the reason.
    """

    calls: LabelledCounters = field(default_factory=LabelledCounters)
    refused: LabelledCounters = field(default_factory=LabelledCounters)


class Authorizer:
    """Authorizes callers by their tokens, and counts them; thread-safe."""

    def __init__(self, tokens: TokenFile) -> None:
        self._tokens = tokens
        self.counts = TokenCounts()

    def verified_headers(self, scope: str) -> Mapping[Header, str]:
        """Return the headers that are known to have a scope now, with their tokens' names.

        A call with one of them needs no further check.
        """
        return self._tokens.current().verified_headers[scope]

    def refusal(self, scope: str, header: Header | None) -> Failure | None:
        """Return the failure of a caller without the scope; None for a caller with it. Neither is counted."""
        judged = self._judge(scope, header)
        return judged if isinstance(judged, Failure) else None

    def refuse(self, scope: str, header: Header | None, protocol: str) -> Failure | None:
        """Like `refusal`, and count the caller.

        Args:
            protocol: the way in which the caller came.
        """
        judged = self._judge(scope, header)
        if isinstance(judged, Failure):
            self.counts.refused.add((protocol, _why(judged)))
            return judged
        self.counts.calls.add((protocol, judged))
        return None

    def count_calls(self, protocol: str, names: Sequence[str]) -> None:
        """Count the calls of a batch with verified headers, by the names of their tokens."""
        for name in set(names):
            self.counts.calls.add((protocol, name), names.count(name))

    def _judge(self, scope: str, header: Header | None) -> str | Failure:
        """Return the name of a caller's token; the failure of a caller without the scope."""
        tokens = self._tokens.current()
        if scope == _ANY_SCOPE:
            token = tokens.find(header)
            return _unknown_token(header) if token is None else token.name
        name = None if header is None else tokens.verified_headers[scope].get(header)
        return _check(tokens, scope, header) if name is None else name

    def token(self, header: Header | None) -> Token | Failure:
        """Return the valid token in a header; a failure where there is none."""
        return self._tokens.current().find(header) or _unknown_token(header)

    def refuse_call(self, method: str, header: Header | None) -> Failure | None:
        """Like `refuse`, for a gRPC method such as /router.v1.InboundRouter/Lookup."""
        scope = _REQUIRED_SCOPES.get(method.strip("/").partition("/")[0], ADMIN)
        return None if scope == _PUBLIC else self.refuse(scope, header, GRPC)


def open_authorizer(settings: Settings) -> Authorizer | None:
    """Return the authorizer for the token file in the settings; None without one.

    Raises:
        SettingsError: the token file can't be used.
    """
    return None if settings.auth.token_file is None else Authorizer(TokenFile(settings.auth.token_file))


class AuthInterceptor(grpc.aio.ServerInterceptor):
    """Authorizes every call of a grpcio server.

    Args:
        calls: counts the calls that are refused here.
    """

    def __init__(self, authorizer: Authorizer, calls: GrpcCalls) -> None:
        self._authorizer = authorizer
        self._calls = calls

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Continue with an authorized call; respond to any other with its failure."""
        header = header_of(handler_call_details.invocation_metadata)
        refusal = self._authorizer.refuse_call(handler_call_details.method, header)
        if refusal is None:
            return await continuation(handler_call_details)
        method = handler_call_details.method.strip("/")
        if method not in METHODS:
            method = "other"  # a stranger's words are no label
        self._calls.start(method)
        self._calls.end(method, refusal.code.name, 0.0)
        return _refusing_handler(refusal)


def _check(tokens: TokenSet, scope: str, header: Header | None) -> str | Failure:
    token = tokens.find(header)
    if token is None or header is None:
        return _unknown_token(header)
    if scope in token.scopes:
        tokens.add_verified(scope, header, token.name)
        return token.name
    held = " and ".join(name for name in SCOPES if name in token.scopes)
    return Failure(
        grpc.StatusCode.PERMISSION_DENIED,
        f"the token '{token.name}' opens {held}, and this wants {scope}: use a token made with --scope {scope}",
    )


def _why(refusal: Failure) -> str:
    """Return the label of a refusal's reason."""
    if refusal.code is grpc.StatusCode.PERMISSION_DENIED:
        return "scope"
    return "missing" if refusal is _NO_TOKEN else "unknown"


def _unknown_token(header: Header | None) -> Failure:
    return _UNKNOWN if header else _NO_TOKEN


def header_of(metadata: Iterable[tuple[str, Header]]) -> Header | None:
    """Return the first `authorization` in a call's metadata; None where there is none."""
    for name, value in metadata:
        if name == AUTHORIZATION:
            return value
    return None


def _refusing_handler(refusal: Failure) -> "grpc.RpcMethodHandler[Any, Any]":
    async def refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(refusal.code, refusal.message)

    # A bidirectional stream responds without waiting for a request; all kinds of method are the same on the wire.
    return grpc.stream_stream_rpc_method_handler(refuse)
