"""Page that explains where a number routes, and why."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from router.console.context import console_of, in_thread, session_of
from router.console.templating import page
from router.console.views.why import Why, as_text, why


async def show(request: Request) -> Response:
    """Show the form, and the explanation of its number."""
    number, plan, past_caches = _asked(request)
    found = await _explain(request) if number else None
    text = "" if found is None else as_text(found)
    return page(request, "why.html", number=number, plan=plan, past_caches=past_caches, why=found, text=text)


async def show_text(request: Request) -> Response:
    """Show the explanation as plain text."""
    if not _asked(request)[0]:
        return PlainTextResponse("name a number: /why.txt?number=…\n", 400)
    return PlainTextResponse(as_text(await _explain(request)))


def _asked(request: Request) -> tuple[str, str, bool]:
    query = request.query_params
    number = query.get("number", "")
    if number[:1] == " " and number[1:2].isdigit():
        number = f"+{number[1:]}"  # typed into the address bar, where a plus stands for a space
    return number.strip(), query.get("plan", "").strip(), query.get("past") == "1"


async def _explain(request: Request) -> Why:
    console, token = console_of(request), session_of(request).token
    number, plan, past_caches = _asked(request)
    explained = await in_thread(console.services.explain, token, number, plan, authoritative=False)
    near_caches = await console.admin.near_caches(token, explained.number) if explained.HasField("near_cache") else {}
    past = None
    if past_caches:
        past = (await in_thread(console.services.explain, token, number, plan, authoritative=True)).answer
    return why(explained, near_caches, past)
