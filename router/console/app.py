"""The console as an ASGI application: its routes, and what every request passes before them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from router.console.context import Console
from router.console.pages import health, login, numbers, why
from router.console.security import LoginRequired, OriginCheck, SecurityHeaders
from router.console.services import ServiceError
from router.console.templating import STATIC, page


def build_app(console: Console) -> Starlette:
    """Return the application."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        polling = asyncio.create_task(console.poller.run())
        try:
            yield
        finally:
            polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await polling

    app = Starlette(
        routes=[
            Route("/", health.show),
            Route("/health", health.refresh),
            Route("/why", why.show),
            Route("/why.txt", why.show_text),
            Route("/numbers", numbers.choose),
            Route("/account/{account}", numbers.account),
            Route("/account/{account}/numbers.csv", numbers.account_csv),
            Route("/number/{number:path}", numbers.number),
            Route("/login", login.show, methods=["GET"]),
            Route("/login", login.log_in, methods=["POST"]),
            Route("/logout", login.log_out, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(OriginCheck),
            Middleware(LoginRequired, sessions=console.sessions),
        ],
        exception_handlers={404: _not_found, ServiceError: _service_error, 500: _failed},
        lifespan=lifespan,
    )
    app.state.console = console
    return app


async def _not_found(request: Request, _: Exception) -> Response:
    return page(request, "message.html", status=404, title="No such page", message="There is nothing at this address.")


async def _failed(request: Request, _: Exception) -> Response:
    message = "The console failed on this page. Its log has the reason."
    return page(request, "message.html", status=500, title="Something went wrong", message=message)


async def _service_error(request: Request, problem: Exception) -> Response:
    """Show why a service refused; a token that it does not know any more ends the login."""
    assert isinstance(problem, ServiceError)  # noqa: S101 - Starlette calls this for no other
    if problem.is_unknown_token:
        return login.end(request, "The service does not know your token any more. Log in with a new one.")
    if problem.is_forbidden:
        return page(
            request, "message.html", status=403, title="Your token does not allow this", message=problem.message
        )
    return page(request, "message.html", status=503, title="The service gives no answer", message=problem.message)
