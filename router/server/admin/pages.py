"""The admin address: HTTP for operators, Prometheus and health checks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Protocol

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from router.runtime.addresses import is_loopback, parse_address
from router.server.admin.listener import MAX_CONNECTIONS, Listener
from router.server.auth.authorizer import Authorizer
from router.server.auth.tls_files import Certificates
from router.server.auth.tokens import ADMIN
from router.server.failure import Failure
from router.server.observation import protocols

Page = Callable[[str | None], tuple[int, str, bytes]]
"""Takes the caller's `Authorization`; returns a status, a content type and a body."""


class ArgumentPage(Protocol):
    """A page with an argument: the rest of its path, decoded."""

    def __call__(self, authorization: str | None, argument: str) -> tuple[int, str, bytes]:
        """Return a status, a content type and a body."""
        ...


_OPEN_PAGES = ("/healthz", "/readyz")
"""Pages for load balancers; the others require an admin token where there are tokens."""

_HTTP_STATUS = {grpc.StatusCode.UNAUTHENTICATED: 401, grpc.StatusCode.PERMISSION_DENIED: 403}
TEXT, JSON = "text/plain; charset=utf-8", "application/json"


class AdminServer:
    """Serves pages from `start` until `stop`.

    Args:
        address: host:port.
        pages: by path.
        argument_pages: by the path before the argument, which ends in "/".
        authorizer: checks callers; None where pages need no token.
        certificates: for HTTPS, unless the address is a loopback one; None for HTTP.
    """

    def __init__(
        self,
        address: str,
        pages: Mapping[str, Page],
        authorizer: Authorizer | None = None,
        certificates: Certificates | None = None,
        argument_pages: Mapping[str, ArgumentPage] | None = None,
    ) -> None:
        self._address = address
        self._known = "\n".join(sorted([*pages, *(argument_pages or {})]))
        self._authorizer = authorizer
        # A page may wait for a worker that hangs; a thread for each connection lets it hide no other page.
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="admin-page")
        routes = [Route(path, self._endpoint(path, page)) for path, page in pages.items()]
        routes += [
            Route(f"{path}{{argument:path}}", self._endpoint(path, page))
            for path, page in (argument_pages or {}).items()
        ]
        app = Starlette(routes=routes, exception_handlers={HTTPException: self._refused})  # type: ignore[dict-item]
        self._listener = Listener("admin", app, None if is_loopback(address) else certificates)

    @property
    def port(self) -> int:
        """The bound port."""
        return self._listener.port

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address can't be listened on.
        """
        try:
            self._listener.start(parse_address(self._address))
        except OSError as problem:
            raise OSError(f"can't listen on {self._address} for admin: {problem.strerror}") from None

    def stop(self) -> None:
        """Stop listening."""
        self._listener.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _endpoint(self, path: str, page: Page | ArgumentPage) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            authorization = request.headers.get("authorization")
            refusal = self._refusal_of(path, authorization)
            if refusal is not None:
                return _response(_HTTP_STATUS[refusal.code], TEXT, f"{refusal.message}\n".encode())
            call = partial(page, authorization, **request.path_params)
            return _response(*await asyncio.get_running_loop().run_in_executor(self._threads, call))

        return serve

    def _refusal_of(self, path: str, authorization: str | None) -> Failure | None:
        if self._authorizer is None or path in _OPEN_PAGES:
            return None
        return self._authorizer.refuse(ADMIN, authorization, protocols.ADMIN)

    async def _refused(self, _: Request, problem: HTTPException) -> Response:
        """Answer what Starlette refuses: a path or a method that does not exist."""
        if problem.status_code == HTTPStatus.NOT_FOUND:
            return _response(HTTPStatus.NOT_FOUND, TEXT, f"no such page; there are:\n{self._known}\n".encode())
        return _response(problem.status_code, TEXT, f"{problem.detail}: pages are read by GET\n".encode())


def _response(status: int, kind: str, body: bytes) -> Response:
    """Return a response after which the connection ends; the next request opens another one."""
    headers = {"content-type": kind, "connection": "close"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    return Response(body, status, headers)
