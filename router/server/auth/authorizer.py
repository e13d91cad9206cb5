"""Turns away who may not ask: a token's scope against what a method or a page wants."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc

from router.server.auth.tokens import ADMIN, LOOKUP, MANAGE, SCOPES, Header, Token, TokenFile, TokenSet
from router.server.calls.call_source import Failure
from router.settings import Settings

AUTHORIZATION = "authorization"

_ANYBODY = ""
_WHATEVER_SCOPE = "*"
_WANTED = {
    "router.v1.InboundRouter": LOOKUP,
    "router.v1.NumberManager": MANAGE,  # and `auth_by.AuthByCheck`
    "grpc.health.v1.Health": _ANYBODY,
    "grpc.reflection.v1alpha.ServerReflection": _WHATEVER_SCOPE,
    "grpc.reflection.v1.ServerReflection": _WHATEVER_SCOPE,
}
"""By gRPC service. What isn't here wants `admin`: a method that somebody forgot is closed, not open."""

_NO_TOKEN = Failure(
    grpc.StatusCode.UNAUTHENTICATED,
    "a token is wanted here: send the metadata 'authorization: Bearer TOKEN' (did-router token new makes one)",
)
_UNKNOWN = Failure(
    grpc.StatusCode.UNAUTHENTICATED,
    "this token is not known here, or not any more: ask for a new one (did-router token new), and send it as "
    "'authorization: Bearer TOKEN'",
)


class Authorizer:
    """Judges callers by their tokens; threads may share it."""

    def __init__(self, tokens: TokenFile) -> None:
        self._tokens = tokens

    def admitted(self, scope: str) -> set[Header]:
        """The headers that are known to open a scope, as of now: who sends one of these need not be judged."""
        return self._tokens.known().admitted[scope]

    def refusal(self, scope: str, header: Header | None) -> Failure | None:
        """Why who sends this header may not do what wants the scope; None when he may."""
        known = self._tokens.known()
        if scope == _WHATEVER_SCOPE:
            return None if known.find(header) else _stranger(header)
        if header in known.admitted[scope]:
            return None
        return _judged(known, scope, header)

    def token(self, header: Header | None) -> Token | Failure:
        """Return the token that a header shows; a failure where it shows none that counts now."""
        return self._tokens.known().find(header) or _stranger(header)

    def refusal_of_call(self, method: str, header: Header | None) -> Failure | None:
        """The same for a gRPC method, such as /router.v1.InboundRouter/Lookup."""
        scope = _WANTED.get(method.strip("/").partition("/")[0], ADMIN)
        return None if scope == _ANYBODY else self.refusal(scope, header)


def open_authorizer(settings: Settings) -> Authorizer | None:
    """The authorizer that the settings ask for; None where anybody may ask.

    Raises:
        SettingsError: a token file that can't be used.
    """
    return None if settings.auth.token_file is None else Authorizer(TokenFile(settings.auth.token_file))


class AuthInterceptor(grpc.aio.ServerInterceptor):
    """Stands before every method of a grpcio server."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Pass a call on, or answer it with a refusal."""
        header = header_of(handler_call_details.invocation_metadata)
        refusal = self._authorizer.refusal_of_call(handler_call_details.method, header)
        return await continuation(handler_call_details) if refusal is None else _turned_away(refusal)


def _judged(known: TokenSet, scope: str, header: Header | None) -> Failure | None:
    token = known.find(header)
    if token is None or header is None:
        return _stranger(header)
    if scope in token.scopes:
        known.admit(scope, header)
        return None
    held = " and ".join(name for name in SCOPES if name in token.scopes)
    return Failure(
        grpc.StatusCode.PERMISSION_DENIED,
        f"the token '{token.name}' opens {held}, and this wants {scope}: use a token made with --scope {scope}",
    )


def _stranger(header: Header | None) -> Failure:
    return _UNKNOWN if header else _NO_TOKEN


def header_of(metadata: Iterable[tuple[str, Header]]) -> Header | None:
    """Return the `authorization` that counts among a call's metadata: the first one; None where there is none."""
    for name, value in metadata:
        if name == AUTHORIZATION:
            return value
    return None


def _turned_away(refusal: Failure) -> "grpc.RpcMethodHandler[Any, Any]":
    async def refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(refusal.code, refusal.message)

    # A stream in both directions answers at once, without waiting for a request; on the wire all kinds are alike.
    return grpc.stream_stream_rpc_method_handler(refuse)
