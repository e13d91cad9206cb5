"""Reads the figures of all instances every two seconds, while someone is logged in or the console has a token."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from router.console.admin_pages import AdminPage, AdminPages
from router.console.figures import WorkerFigures, read_figures
from router.console.history import INTERVAL, History, WorkerName

log = logging.getLogger(__name__)


class Poller:
    """Fills a history.

    Args:
        tokens: returns the tokens that may open the admin pages, the likeliest first.
    """

    def __init__(self, admin: AdminPages, history: History, tokens: Callable[[], Sequence[str]]) -> None:
        self._admin = admin
        self._history = history
        self._tokens = tokens
        self.polled_at: float | None = None
        """When figures arrived last, on the monotonic clock."""

    async def run(self) -> None:
        """Poll until it is cancelled."""
        while True:
            started = time.monotonic()
            try:
                await self.poll()
            except Exception:
                log.exception("reading figures failed")
            await asyncio.sleep(max(0.1, INTERVAL - (time.monotonic() - started)))

    async def poll(self) -> None:
        """Poll once, with the first token that opens a page."""
        for token in dict.fromkeys(self._tokens()):
            pages = await self._admin.metrics(token)
            at = time.monotonic()
            figures = await asyncio.to_thread(_figures, pages)
            if figures:
                self._history.add(at, figures)
                self.polled_at = at
                return
            if not any(page.is_refused for page in pages.values()):
                return  # nothing answers, whatever the token


def _figures(pages: Mapping[str, AdminPage]) -> dict[WorkerName, WorkerFigures]:
    return {
        (instance, worker): figures
        for instance, page in pages.items()
        if page.ok
        for worker, figures in read_figures(page.body.decode(errors="replace")).items()
    }
