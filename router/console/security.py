"""Security of every request: headers, the check of its origin, and the login."""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.console.sessions import Session, SessionStore

COOKIE = "__Host-did-router-console"
LOGIN = "/login"
_PUBLIC_PREFIXES = (LOGIN, "/static/")
"""Paths without a login; every other path requires one, whether or not it exists."""
_SAFE_METHODS = frozenset(("GET", "HEAD"))

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    # Not no-referrer, under which browsers send a form's Origin as "null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """Adds the security headers to every response, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class OriginCheck:
    """Refuses requests that may change something and come from another site's page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (
            scope["type"] == "http"
            and scope["method"] not in _SAFE_METHODS
            and not _is_same_origin(Headers(scope=scope))
        ):
            refusal = PlainTextResponse("this request came from another site's page: open the console itself\n", 403)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


class LoginRequired:
    """Finds the visitor's session, and sends everyone without one to the login."""

    def __init__(self, app: ASGIApp, sessions: SessionStore) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_refresh = "hx-request" in headers
        session = self._find(headers, is_refresh=is_refresh)
        if session is None and not scope["path"].startswith(_PUBLIC_PREFIXES):
            await _refuse(scope, is_refresh=is_refresh)(scope, receive, send)
            return
        scope.setdefault("state", {})["session"] = session
        await self._app(scope, receive, send)

    def _find(self, headers: Headers, *, is_refresh: bool) -> Session | None:
        session_id = _session_id(headers.get("cookie", ""))
        return self._sessions.find(session_id, is_active=not is_refresh) if session_id else None


def set_session_cookie(response: Response, session: Session) -> None:
    """Send the session's id to the browser; it ends with the browser, and no script can read it."""
    response.set_cookie(COOKIE, session.id, path="/", secure=True, httponly=True, samesite="strict")


def delete_session_cookie(response: Response) -> None:
    """Have the browser forget the session."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")


def local_path(text: str) -> str:
    """Return a path of this site to go to after the login; `/` for anything else."""
    parts = urlsplit(text)
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return text if is_local and text.isprintable() else "/"


def _refuse(scope: Scope, *, is_refresh: bool) -> Response:
    if is_refresh:
        # htmx follows no redirection to another page; it loads the page that this header names.
        return PlainTextResponse("the login has ended\n", 401, {"HX-Redirect": LOGIN})
    query = scope["query_string"].decode("latin-1")
    target = scope["path"] + (f"?{query}" if query else "")
    goes_on = scope["method"] == "GET" and target != "/"
    return RedirectResponse(f"{LOGIN}?next={quote(target)}" if goes_on else LOGIN, 303)


def _session_id(cookies: str) -> str:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _is_same_origin(headers: Headers) -> bool:
    """Return whether the browser says that the page with the form is this site's.

    Only the host is compared: behind a proxy that ends TLS the console does not know its own scheme.
    """
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    return bool(urlsplit(origin).netloc) and urlsplit(origin).netloc == headers.get("host")
