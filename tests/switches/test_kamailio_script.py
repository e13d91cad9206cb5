"""Cases that the real Kamailio can't be brought to at will, with a stand-in for its KSR module."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock, create_autospec

import pytest

from router.client import Client, LookupResult
from tests.switches.programs import EXAMPLES


@pytest.fixture
def kamailio() -> MagicMock:
    """A KSR module on a new INVITE."""
    ksr = MagicMock(name="KSR")
    ksr.is_ACK.return_value = ksr.is_CANCEL.return_value = ksr.is_OPTIONS.return_value = False
    ksr.siputils.has_totag.return_value = -1
    ksr.maxfwd.process_maxfwd.return_value = ksr.tm.t_newtran.return_value = 1
    ksr.pv.get.return_value = "sip:4158867900@proxy.example"
    return ksr


@pytest.fixture
def script(kamailio: MagicMock, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script, as Kamailio imports it."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setitem(sys.modules, "KSR", kamailio)
    yield importlib.import_module("kamailio_kemi")
    for name in ("kamailio_kemi", "did_lookup"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("reason", "retry_after"),
    [("OVERLOADED", ["Retry-After: 1\r\n"]), ("NUMBER_DATABASE_UNAVAILABLE", []), ("", [])],
)
def test_retry_after_is_for_an_overloaded_router_only(
    script: Any, kamailio: MagicMock, reason: str, retry_after: list[str]
) -> None:
    process = script.mod_init()
    process.router = create_autospec(Client, instance=True)
    process.router.lookup.return_value = LookupResult(None, "UNAVAILABLE", reason)
    process.ksr_request_route(None)

    kamailio.tm.t_reply.assert_called_with(503, "Service Unavailable")
    assert [call.args[0] for call in kamailio.hdr.append_to_reply.call_args_list] == retry_after


@pytest.mark.parametrize(("rank", "asks"), [(-4, False), (-1, False), (0, False), (1, True), (2, True)])
def test_only_sip_workers_have_a_client(script: Any, rank: int, *, asks: bool) -> None:
    process = script.mod_init()
    process.child_init(rank)

    assert (process.router is not None) == asks
    if asks:
        process.router.close()
