"""Checks `auth_by` against the caller's token: a bound token acts only within its account's tree."""

from collections.abc import Iterable
from typing import Protocol

import grpc

from router.lifecycle.operations import SYSTEM
from router.numbers.fields import printable
from router.server.auth import tokens
from router.server.auth.authorizer import Authorizer, header_of
from router.server.auth.tokens import Header, Token
from router.server.failure import Failure, failure

REASON = "AUTH_BY_DENIED"
"""The reason in google.rpc.ErrorInfo."""


class AccountTree(Protocol):
    """The tree of accounts."""

    def is_in_tree(self, account: str, top: str) -> bool:
        """Return whether an account is `top`, or one below it."""
        ...


class AuthByDeniedError(Exception):
    """The caller's token may not name this `auth_by`; `failure` is the status for the caller."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class AuthByCheck:
    """Decides which `auth_by` a call may name; thread-safe.

    Args:
        authorizer: holds the tokens; None where calls need no token, and may name any `auth_by`.
        tree: read for bound tokens that name another account than their own.
    """

    def __init__(self, authorizer: Authorizer | None, tree: AccountTree) -> None:
        self._authorizer = authorizer
        self._tree = tree

    def require(self, metadata: Iterable[tuple[str, Header]], auth_by: str) -> None:
        """Return where a call with this metadata may name `auth_by`.

        Raises:
            AuthByDeniedError: its token may not name it, or is not valid any more.
            CouchError: the tree is needed, and CouchDB can't be read.
        """
        if self._authorizer is None:
            return
        token = self._authorizer.token(header_of(metadata))
        if isinstance(token, Failure):
            raise AuthByDeniedError(token)
        if token.account is not None:
            self._require_in_tree(token, token.account, auth_by)
        elif auth_by == SYSTEM and tokens.SYSTEM not in token.scopes:
            raise _denied(
                f"the token '{token.name}' may not ask as system: name an account in auth_by, or use a token made "
                f"with --scope {tokens.MANAGE} --scope {tokens.SYSTEM}"
            )

    def _require_in_tree(self, token: Token, account: str, auth_by: str) -> None:
        if not self._tree.is_in_tree(auth_by, account):
            raise _denied(
                f"the token '{token.name}' is bound to account {account}: auth_by must be that account or one below "
                f"it, and '{printable(auth_by)}' is neither"
            )


def _denied(message: str) -> AuthByDeniedError:
    return AuthByDeniedError(failure(grpc.StatusCode.PERMISSION_DENIED, REASON, message, retryable=False))
