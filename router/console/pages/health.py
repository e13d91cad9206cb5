"""Page of the services' health."""

import time

from starlette.requests import Request
from starlette.responses import Response

from router.console.admin_pages import AdminPage
from router.console.context import console_of, in_thread, session_of
from router.console.history import History
from router.console.pages import login
from router.console.sessions import Session
from router.console.templating import page
from router.console.views.health import Health, health
from router.console.views.instances import InstanceState


async def show(request: Request) -> Response:
    """Show the page."""
    return await _show(request, "health.html")


async def refresh(request: Request) -> Response:
    """Show the part that refreshes itself."""
    return await _show(request, "health_body.html")


async def _show(request: Request, template: str) -> Response:
    console, session = console_of(request), session_of(request)
    pages = await console.admin.state(session.token)
    if _is_unknown(pages.values()):
        return login.end(request, "The service does not know your token any more. Log in with a new one.")
    states = [_state(session, name, found) for name, found in pages.items()]

    # The figures were read with another visitor's token: only who may read the admin pages sees them.
    is_shown = any(state.workers and not state.refused for state in states)
    history, age = (console.history, console.figures_age) if is_shown else (History(), None)

    def make() -> Health:
        contains = request.query_params.get("shards", "").strip()
        return health(states, history, age, time.monotonic(), stale_after=console.stale_after, shards_contain=contains)

    return page(request, template, health=await in_thread(make))


def _is_unknown(pages: object) -> bool:
    found = [each for each in pages if isinstance(each, AdminPage)]  # type: ignore[attr-defined]
    return bool(found) and all(each.status == 401 for each in found)  # noqa: PLR2004


def _state(session: Session, instance: str, found: AdminPage) -> InstanceState:
    """Return an instance's state; the last one that it showed to this visitor while it does not answer."""
    now = time.monotonic()
    content = found.json()
    workers = content.get("workers", {"worker-0": content}) if isinstance(content, dict) else None
    if isinstance(workers, dict):
        session.last_states[instance] = (now, workers)
        return InstanceState(instance, workers)
    if found.is_refused:
        return InstanceState(instance, {}, problem=found.problem, refused=True)
    seen_at, last = session.last_states.get(instance, (now, {}))
    return InstanceState(instance, last, age=now - seen_at, problem=found.problem or "no readable answer")
