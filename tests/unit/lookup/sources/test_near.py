"""The fast path of unary calls: the bytes of a request lead to a stored response."""

import pytest

from router.entries.codec import STALE_FIELD
from router.lookup.queued_call import CALL, QueuedCall
from router.numbers.routes import Refused
from tests.unit.lookup.chain import ACCOUNT, Chain, RecordedCall, route_entry

NUMBER, UNKNOWN = "+14158867900", "+14158867901"
REQUEST, UNKNOWN_REQUEST = b"the bytes of a request", b"those of another"


class _FastPath:
    """Both answers of the fast path, by handle."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.routes: dict[int, bytes] = {}
        self.refusals: dict[int, Refused] = {}

    def resolve(self, *calls: QueuedCall) -> tuple[list[int], int]:
        """Return the handles that are left, and the number of routes."""
        rest, routed = self.chain.lookup.near_cache.resolve_requests(
            calls,
            self.chain.lookup.trust,
            self.routes.__setitem__,
            lambda handle, entry: self.refusals.update({handle: entry.refusal}),
        )
        return [call[1] for call in rest], routed


@pytest.fixture
def path() -> _FastPath:
    """Return the fast path over a near cache that holds a route and a refusal."""
    chain = Chain()
    chain.redis.values = {NUMBER: route_entry(NUMBER).pack()}
    chain.list_nothing("numbers/+1415", UNKNOWN)
    chain.lookup.answer([RecordedCall(NUMBER, raw=REQUEST), RecordedCall(UNKNOWN, raw=UNKNOWN_REQUEST)])
    return _FastPath(chain)


def _queued(handle: int, request: bytes, remaining: float | None = None) -> QueuedCall:
    return CALL, handle, 0, request, "ipv4:127.0.0.1:5", (None, None, remaining)


def test_kept_route_and_refusal_are_sent_and_others_left(path: _FastPath) -> None:
    left = path.resolve(_queued(1, REQUEST, 1.0), _queued(2, UNKNOWN_REQUEST), _queued(3, b"not kept"))
    assert left == ([3], 1)
    assert list(path.routes) == [1]
    assert path.refusals[2].number == UNKNOWN


def test_stale_near_cache_marks_its_routes(path: _FastPath) -> None:
    path.chain.trust.set_entries_current(current=False)
    assert path.resolve(_queued(1, REQUEST)) == ([], 1)
    assert path.routes[1].endswith(STALE_FIELD)


def test_unavailable_near_cache_leaves_every_call(path: _FastPath) -> None:
    path.chain.trust.set_receives_invalidations(receives=False)
    assert path.resolve(_queued(1, REQUEST)) == ([1], 0)


def test_cleared_near_cache_leaves_every_call_and_item(path: _FastPath) -> None:
    reset = (CALL + 1, 2, 0, b"", "", None)
    path.chain.near.clear()
    assert path.resolve(_queued(1, REQUEST), reset) == ([1, 2], 0)  # type: ignore[arg-type]


def test_call_without_time_left_gets_no_response_here(path: _FastPath) -> None:
    assert path.resolve(_queued(1, REQUEST, 0.0)) == ([1], 0)


def test_route_to_a_disabled_account_is_left_to_the_chain(path: _FastPath) -> None:
    path.chain.reference_data.enabled.discard(ACCOUNT)
    assert path.resolve(_queued(1, REQUEST)) == ([1], 0)
