"""Tokens on either transport: a call without one is refused, and a token opens what its scopes say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import BOTH_TRANSPORTS, Running, StartService
from tests.integration.lookup_client import PATIENCE, request
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.integration.tokens import Tokens
from tests.support.waiting import eventually

pytestmark = BOTH_TRANSPORTS

Shown = tuple[tuple[str, str], ...]
NOTHING: Shown = ()


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(
        tmp_path / "tokens", switch="lookup", billing="manage", prometheus="admin", boss="lookup,manage,admin"
    )


@pytest.fixture
def running(stores: RealStores, tokens: Tokens, start_service: StartService) -> Running:
    stores.number()
    return start_service(token_file=tokens.path)


def _code(act: Callable[[], object]) -> str:
    try:
        act()
    except grpc.RpcError as problem:
        error: Any = problem
        return str(error.code().name)
    return "OK"


def _lookup(running: Running, shown: Shown) -> str:
    return _code(lambda: running.caller.stub.Lookup(request(NUMBER), timeout=PATIENCE, metadata=shown))


def _message(running: Running, shown: Shown) -> str:
    with pytest.raises(grpc.RpcError) as problem:
        running.caller.stub.Lookup(request(NUMBER), timeout=PATIENCE, metadata=shown)
    error: Any = problem.value
    return str(error.details())


def _ways(running: Running, shown: Shown) -> dict[str, Callable[[], object]]:
    stub: Any = running.caller.stub
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(running.caller.channel)
    more: dict[str, Any] = {"timeout": PATIENCE, "metadata": shown}
    streamed = [pb.LookupStreamRequest(id="1", lookup=request(NUMBER))]
    asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
    unknown: Any = running.caller.channel.unary_unary("/router.v1.InboundRouter/Nothing")
    elsewhere: Any = running.caller.channel.unary_unary("/some.Other/Method")
    managed: Any = running.caller.channel.unary_unary("/router.v1.NumberManager/Get")
    return {
        "Lookup": lambda: stub.Lookup(request(NUMBER), **more),
        "LookupBatch": lambda: stub.LookupBatch(pb.LookupBatchRequest(lookups=[request(NUMBER)]), **more),
        "LookupStream": lambda: list(stub.LookupStream(iter(streamed), **more)),
        "Explain": lambda: stub.Explain(pb.ExplainRequest(lookup=request(NUMBER)), **more),
        "reflection": lambda: list(reflection.ServerReflectionInfo(iter(asked), **more)),
        "Nothing": lambda: unknown(b"", **more),
        "elsewhere": lambda: elsewhere(b"", **more),
        "manager": lambda: managed(b"", **more),
    }


def _codes(running: Running, shown: Shown) -> dict[str, str]:
    return {name: _code(act) for name, act in _ways(running, shown).items()}


def test_without_a_token_health_alone_is_open(running: Running) -> None:
    assert set(_codes(running, NOTHING).values()) == {"UNAUTHENTICATED"}
    eventually(lambda: running.caller.health() == "SERVING")


def test_scope_opens_its_service(running: Running, tokens: Tokens) -> None:
    lookups = dict.fromkeys(("Lookup", "LookupBatch", "LookupStream", "Explain"), "OK")
    assert _codes(running, tokens.shown("switch")) == {
        **lookups,
        "reflection": "OK",
        "Nothing": "UNIMPLEMENTED",
        "elsewhere": "PERMISSION_DENIED",
        "manager": "PERMISSION_DENIED",
    }
    assert _codes(running, tokens.shown("billing")) == {
        **dict.fromkeys(lookups, "PERMISSION_DENIED"),
        "reflection": "OK",
        "Nothing": "PERMISSION_DENIED",
        "elsewhere": "PERMISSION_DENIED",
        "manager": "INVALID_ARGUMENT",  # let in, it is told that it names no numbers
    }
    everything = _codes(running, tokens.shown("boss"))
    assert {each for name, each in everything.items() if name in lookups} == {"OK"}
    assert everything["elsewhere"] == "UNIMPLEMENTED"


def test_refusal_says_what_to_do(running: Running, tokens: Tokens) -> None:
    assert "did-router token new" in _message(running, NOTHING)
    assert "not known here" in _message(running, (("authorization", "Bearer guessed"),))
    assert "--scope lookup" in _message(running, tokens.shown("billing"))
    assert tokens.plain["billing"] not in _message(running, tokens.shown("billing"))


def test_malformed_authorization_header_is_unauthenticated(running: Running, tokens: Tokens) -> None:
    token = tokens.plain["switch"]
    assert _lookup(running, tokens.shown("switch")) == "OK"
    for header in ("", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x", "Bearer {} {}", "ipv4:127.0.0.1:1"):
        assert _lookup(running, (("authorization", header.replace("{}", token)),)) == "UNAUTHENTICATED", header


def test_schemes_case_is_no_matter(running: Running, tokens: Tokens) -> None:
    assert _lookup(running, (("authorization", f"bearer {tokens.plain['switch']}"),)) == "OK"


def test_tokens_are_rotated_while_calls_run(running: Running, tokens: Tokens, caplog: pytest.LogCaptureFixture) -> None:
    old = tokens.shown("switch")
    assert _lookup(running, old) == "OK"
    tokens.replace(switch="lookup", successor="lookup")
    eventually(lambda: _lookup(running, tokens.shown("successor")) == "OK")
    assert _lookup(running, old) == "OK", "both count until the old line goes"
    tokens.replace(successor="lookup")
    eventually(lambda: _lookup(running, old) == "UNAUTHENTICATED")
    assert _lookup(running, tokens.shown("successor")) == "OK"

    secret = tokens.plain["successor"]
    tokens.path.write_text(f"successor {secret} lookup\n")
    reported = "tokens not reloaded"
    eventually(lambda: _lookup(running, tokens.shown("successor")) == "OK" and reported in caplog.text)
    for _ in range(30):
        assert _lookup(running, tokens.shown("successor")) == "OK"
    assert caplog.text.count(reported) <= 2, "once for each of the two that look: front and fallback share one file"
    assert secret not in caplog.text


def test_admin_pages_want_an_admin_token(running: Running, tokens: Tokens) -> None:
    running.wait_serving()
    for path in ("/state", "/metrics", "/metrics?x=1"):
        assert running.page(path)[0] == 401
        assert running.page(path, tokens.plain["switch"])[0] == 403
        assert running.page(path, tokens.plain["prometheus"])[0] == 200
    assert running.page("/healthz") == (200, b"alive\n")
    assert running.page("/readyz") == (200, b"warming\n"), "why it is so is not for strangers"
    assert b"no follower has filled" in running.page("/readyz", tokens.plain["prometheus"])[1]


def test_calls_are_counted_by_their_token(running: Running, tokens: Tokens) -> None:
    """Calls that wait together are counted together: known tokens, new ones and refused ones."""
    running.wait_serving()
    stub: Any = running.caller.stub
    shown = [tokens.shown(name) for name in ("switch", "boss", "billing")] * 8
    assert _lookup(running, tokens.shown("switch")) == "OK"
    started = [stub.Lookup.future(request(NUMBER), timeout=PATIENCE, metadata=each) for each in shown]
    assert [_code(each.result) for each in started] == ["OK", "OK", "PERMISSION_DENIED"] * 8
    stub.LookupBatch(pb.LookupBatchRequest(lookups=[request(NUMBER)] * 5), metadata=tokens.shown("boss"))
    tokens.replace(prometheus="admin", successor="lookup")
    eventually(lambda: _lookup(running, tokens.shown("successor")) == "OK")

    page = running.page("/metrics", tokens.plain["prometheus"])[1].decode()
    counted = {
        (sample.labels["protocol"], sample.labels["token"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "did_router_token_calls_total"
    }
    assert counted == {
        ("grpc", "switch"): 9,
        ("grpc", "boss"): 9,
        ("grpc", "successor"): 1,
        ("admin", "prometheus"): 1,
    }


def test_without_a_token_file_anybody_may_ask(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    running = start_service()
    assert running.caller.account(NUMBER) == ONE
    assert running.page("/state")[0] == 200
