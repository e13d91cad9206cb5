"""Page of an account's numbers."""

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TypeVar
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from router.console.context import console_of, in_thread, session_of
from router.console.services import SYSTEM, NumberPage, ServiceError
from router.console.templating import page
from router.console.views.numbers import STATES, Filter, account_page, csv_lines, number_view
from router.console.views.why import Why, why
from router.v1 import numbers_pb2 as pb

T = TypeVar("T")

_ACCOUNT = re.compile(r"[0-9a-zA-Z]{32}")
_NOT_FOUND = "not_found"


async def choose(request: Request) -> Response:
    """Show the form, and go to the account or the number that it names."""
    text = "".join(request.query_params.get("q", "").split())
    if not text:
        return page(request, "numbers.html", query="")
    if _ACCOUNT.fullmatch(text):
        return RedirectResponse(f"/account/{text.lower()}", 303)
    return RedirectResponse(f"/number/{quote(text)}", 303)


async def account(request: Request) -> Response:
    """Show a page of an account's numbers."""
    account_id, wanted = request.path_params["account"], _filter(request)
    after, thorough = request.query_params.get("after", ""), _is_thorough(request)
    found = await in_thread(account_page, _reader(request), wanted, after)
    filters = {"prefix": wanted.prefix, "state": wanted.state, "thorough": "1" if thorough else ""}
    query = {name: value for name, value in filters.items() if value}
    return page(
        request,
        "account.html",
        account=account_id,
        found=found,
        wanted=wanted,
        states=STATES,
        thorough=thorough,
        after=after,
        next_query=urlencode({**query, "after": found.next}),
        csv_query=urlencode(query),
        first_query=urlencode(query),
        thorough_query=urlencode({**query, "thorough": "1"}),
    )


async def account_csv(request: Request) -> Response:
    """Send all of an account's numbers as CSV."""
    lines = csv_lines(_reader(request), _filter(request))
    # Read before the headers are sent: a refusal is shown as a page.
    begin = await in_thread(_first, lines)
    name = re.sub(r"[^0-9A-Za-z]", "", request.path_params["account"])
    headers = {"Content-Disposition": f'attachment; filename="numbers-{name}.csv"'}
    return StreamingResponse(chain(begin, lines), media_type="text/csv; charset=utf-8", headers=headers)


async def number(request: Request) -> Response:
    """Show a number's document, and what the other layers hold."""
    text = request.path_params["number"]
    account_id = request.query_params.get("account", "")
    result = await in_thread(_read_number, request, text, account_id)
    shown, refused = await _layers(request, result.number or text)
    if result.WhichOneof("result") == "error":
        status = 404 if result.error.error == _NOT_FOUND else 400
        return page(
            request,
            "number.html",
            status=status,
            number=result.number or text,
            view=None,
            error=result.error,
            layers=shown,
            layers_note=refused,
            account=account_id,
        )
    view = number_view(result.record)
    return page(
        request,
        "number.html",
        number=view.number,
        view=view,
        error=None,
        layers=shown,
        layers_note=refused,
        account=account_id,
    )


def _read_number(request: Request, text: str, account_id: str) -> pb.NumberResult:
    services, token = console_of(request).services, session_of(request).token
    return _as_allowed(lambda auth_by: services.number(token, text, auth_by), account_id)


async def _layers(request: Request, text: str) -> tuple[Why | None, str]:
    """Return what every layer holds; a token that may manage numbers need not be one for lookups."""
    console, token = console_of(request), session_of(request).token
    try:
        explained = await in_thread(console.services.explain, token, text, "", authoritative=False)
    except ServiceError as problem:
        if problem.is_unknown_token:
            raise
        return None, problem.message
    near_caches = await console.admin.near_caches(token, explained.number) if explained.HasField("near_cache") else {}
    return why(explained, near_caches), ""


def _reader(request: Request) -> Callable[[str], NumberPage]:
    services, token = console_of(request).services, session_of(request).token
    account_id, thorough = request.path_params["account"], _is_thorough(request)
    return lambda after: _as_allowed(
        lambda auth_by: services.numbers(token, account_id, auth_by, after, thorough=thorough), account_id
    )


def _as_allowed(ask: Callable[[str], T], account_id: str) -> T:
    """Ask as the system where the token may, else as the account whose page this is."""
    try:
        return ask(SYSTEM)
    except ServiceError as problem:
        if not (problem.is_forbidden and account_id):
            raise
    return ask(account_id)


def _filter(request: Request) -> Filter:
    prefix = re.sub(r"[^0-9+]", "", request.query_params.get("prefix", ""))
    prefix = f"+{prefix.strip('+')}" if prefix.strip("+") else ""
    return Filter(prefix, request.query_params.get("state", "").strip())


def _is_thorough(request: Request) -> bool:
    return request.query_params.get("thorough") == "1"


def _first(lines: Iterator[str]) -> list[str]:
    return [line for _, line in zip(range(2), lines, strict=False)]
