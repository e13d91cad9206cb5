"""Logging in and out."""

import asyncio
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from router.console.context import console_of, in_thread
from router.console.security import LOGIN, delete_session_cookie, local_path, set_session_cookie
from router.console.services import ServiceError
from router.console.templating import page

_MAX_FORM = 4096
"""Bytes of a login: a token has some fifty."""
_FORM_TIMEOUT = 10.0
"""Seconds for a login to arrive."""


class _FormError(Exception):
    """A form that is too large, or too slow."""


async def show(request: Request) -> Response:
    """Show the form."""
    if getattr(request.state, "session", None) is not None:
        return RedirectResponse("/", 303)
    return await _form(request, local_path(request.query_params.get("next", "/")))


async def log_in(request: Request) -> Response:
    """Check the token, and open a session."""
    try:
        fields = await _fields(request)
    except _FormError as problem:
        return PlainTextResponse(f"{problem}\n", 400)
    target, token = local_path(fields.get("next", "/")), fields.get("token", "").strip()
    fault = _malformed(token)
    if fault:
        return await _form(request, target, fault, 400)
    try:
        session = await in_thread(console_of(request).log_in, token)
    except ServiceError as refusal:
        status = 401 if refusal.is_unknown_token else 503
        return await _form(request, target, refusal.message, status)
    response = RedirectResponse(target, 303)
    set_session_cookie(response, session)
    return response


async def log_out(request: Request) -> Response:
    """End the session."""
    return end(request, "")


def end(request: Request, message: str) -> Response:
    """End the session, and send the visitor to the login."""
    session = getattr(request.state, "session", None)
    if session is not None:
        console_of(request).sessions.close(session)
        request.state.session = None
    if "hx-request" in request.headers:
        response: Response = PlainTextResponse("the login has ended\n", 401, {"HX-Redirect": LOGIN})
    elif message:
        response = page(request, "login.html", status=401, next="/", problem=message, is_open=False)
    else:
        response = RedirectResponse(LOGIN, 303)
    delete_session_cookie(response)
    return response


async def _form(request: Request, target: str, problem: str = "", status: int = 200) -> Response:
    try:
        is_open = await in_thread(console_of(request).is_open)
    except ServiceError as unreachable:
        is_open, problem = False, problem or unreachable.message
    return page(request, "login.html", status=status, next=target, problem=problem, is_open=is_open)


def _malformed(token: str) -> str:
    if not token:
        return "Paste a token."
    if not token.isascii() or not token.isprintable() or " " in token:
        return "That is more than a token: paste the token alone, without Bearer and without spaces."
    return ""


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a posted form."""
    body = b""
    try:
        async with asyncio.timeout(_FORM_TIMEOUT):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_FORM:
                    raise _FormError("the form is too large")
    except (TimeoutError, ClientDisconnect):
        raise _FormError("the form did not arrive in time") from None
    return {name: values[-1] for name, values in parse_qs(body.decode("latin-1"), keep_blank_values=True).items()}
