"""State that all pages share: the services, the admin pages, the logins and the figures."""

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from router.console.admin_pages import AdminPages
from router.console.history import History
from router.console.poller import Poller
from router.console.services import ServiceError, Services
from router.console.sessions import Session, SessionStore

P = ParamSpec("P")
T = TypeVar("T")

_KEY_PREFIX = "console_"


@dataclass
class Console:
    """The console's parts.

    Attributes:
        own_token: reads figures while no user is logged in; empty: none.
        stale_after: seconds after which a follower's silence makes answers stale.
        key: opens the console where the services ask for no token; printed at the start, valid until the end.
    """

    services: Services
    admin: AdminPages
    sessions: SessionStore
    stale_after: float
    own_token: str = ""
    history: History = field(default_factory=History)
    key: str = field(default_factory=lambda: _KEY_PREFIX + secrets.token_urlsafe(24), repr=False)

    def __post_init__(self) -> None:
        self.poller = Poller(self.admin, self.history, self._tokens)

    @property
    def figures_age(self) -> float | None:
        """Seconds since figures arrived; None where none did."""
        return None if self.poller.polled_at is None else time.monotonic() - self.poller.polled_at

    def is_open(self) -> bool:
        """Return whether the services answer anyone.

        Raises:
            ServiceError: none answers.
        """
        try:
            self.services.check_token("")
        except ServiceError as problem:
            if problem.is_unknown_token:
                return False
            raise
        return True

    def log_in(self, token: str) -> Session:
        """Return a new login.

        Raises:
            ServiceError: the services don't know the token, or none answers.
        """
        if self.is_open():
            # Without this, everyone who reaches the console would reach services that only this machine should.
            if not hmac.compare_digest(token.encode(), self.key.encode()):
                raise ServiceError("UNAUTHENTICATED", "this is not the key that the console printed when it started")
            return self.sessions.open("")
        self.services.check_token(token)
        return self.sessions.open(token)

    def _tokens(self) -> list[str]:
        return [self.own_token, *self.sessions.tokens()] if self.own_token else self.sessions.tokens()


def console_of(request: Request) -> Console:
    """Return the console that a request is for."""
    console = request.app.state.console
    assert isinstance(console, Console)  # noqa: S101 - set by build_app
    return console


def session_of(request: Request) -> Session:
    """Return the login of a request that `LoginRequired` let pass."""
    session = request.state.session
    assert isinstance(session, Session)  # noqa: S101 - LoginRequired refuses others
    return session


async def in_thread(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call that blocks in a thread."""
    return await run_in_threadpool(act, *args, **kwargs)
