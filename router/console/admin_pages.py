"""Reads the admin pages of every instance, in parallel, with the visitor's token."""

import asyncio
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

import orjson

_TIMEOUT = 3.0
"""Seconds for a page: an instance waits up to two for its workers."""
_MAX_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class AdminPage:
    """An instance's response.

    Attributes:
        status: HTTP's; 0 where nothing answered.
        problem: for people; empty for a page.
    """

    status: int
    body: bytes = b""
    problem: str = ""

    @property
    def ok(self) -> bool:
        """There is a page."""
        return self.status == HTTPStatus.OK

    @property
    def is_refused(self) -> bool:
        """The token is not known, or lacks the scope."""
        return self.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

    def json(self) -> Any:
        """Return the page's JSON; None where there is none."""
        try:
            return orjson.loads(self.body) if self.ok else None
        except ValueError:
            return None


class AdminPages:
    """The admin addresses of all instances.

    Args:
        instances: host:port, or a URL without a path.
        context: verifies HTTPS.
    """

    def __init__(self, instances: Sequence[str], context: ssl.SSLContext | None) -> None:
        self._urls = {each: each if "://" in each else f"http://{each}" for each in instances}
        self._context = context

    @property
    def instances(self) -> list[str]:
        """The instances' addresses."""
        return list(self._urls)

    async def state(self, token: str) -> dict[str, AdminPage]:
        """Read every instance's /state."""
        return await self._read_all("/state", token)

    async def metrics(self, token: str) -> dict[str, AdminPage]:
        """Read every instance's /metrics."""
        return await self._read_all("/metrics", token)

    async def near_caches(self, token: str, number: str) -> dict[str, AdminPage]:
        """Read what every worker's near cache holds for a number in E.164."""
        return await self._read_all(f"/near_cache/{quote(number)}", token)

    async def _read_all(self, path: str, token: str) -> dict[str, AdminPage]:
        pages = await asyncio.gather(
            *(asyncio.to_thread(self._read, f"{url}{path}", token) for url in self._urls.values())
        )
        return dict(zip(self._urls, pages, strict=True))

    def _read(self, url: str, token: str) -> AdminPage:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http or https, from the settings
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT, context=self._context) as response:  # noqa: S310
                return AdminPage(response.status, response.read(_MAX_BYTES))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return AdminPage(refusal.code, problem=refusal.read(1000).decode(errors="replace").strip())
        except (OSError, HTTPException) as problem:
            return AdminPage(0, problem=str(getattr(problem, "reason", problem)) or type(problem).__name__)


def problems(pages: Mapping[str, AdminPage]) -> dict[str, str]:
    """Return why there is no page, by instance."""
    return {name: page.problem for name, page in pages.items() if not page.ok}
