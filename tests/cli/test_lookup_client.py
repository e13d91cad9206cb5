"""The client against a real service: networks that fail it, and an installation without the service's dependencies."""

import asyncio
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router.client import AsyncClient, Client, Options
from router.v1 import numbers_pb2 as nm
from tests.cli.command import ACCOUNTS, Running, environment
from tests.faults.links import Link, Trouble
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
UNKNOWN = "+14158860000"
NOBODY = "127.0.0.1:1"


@contextmanager
def linked(service: Running, *, deadline: float, options: Options | None = None) -> Iterator[tuple[Client, Link]]:
    """A client whose connection to the service can be made to fail."""
    host, port = service.target.rsplit(":", 1)
    link = Link(host, int(port))
    try:
        with Client(f"127.0.0.1:{link.port}", deadline=deadline, options=options) as client:
            yield client, link
    finally:
        link.close()


def test_client_routes_and_refuses(service: Running) -> None:
    with Client(service.target, deadline=5) as client:
        found, unknown = client.lookup("4158867900"), client.lookup(UNKNOWN)

    assert found.route is not None
    assert (found.route.account_id, found.status) == (ACCOUNTS[0], "OK")
    assert (unknown.route, unknown.status, unknown.reason) == (None, "NOT_FOUND", "NUMBER_NOT_FOUND")
    assert unknown.details == {"number": UNKNOWN}
    assert unknown.sip == (404, "Not Found")


def test_client_streams_numbers_of_any_kind(service: Running) -> None:
    with Client(service.target) as client:
        results = {each.input: each for each in client.lookup_stream(["4158867900", UNKNOWN, "reception"], deadline=20)}

    assert results["4158867900"].value is not None
    assert results["4158867900"].value.account_id == ACCOUNTS[0]
    assert {name: each.reason for name, each in results.items() if each.reason} == {
        UNKNOWN: "NUMBER_NOT_FOUND",
        "reception": "NOT_RECONCILABLE",
    }


def test_async_client_asks_everything(service: Running) -> None:
    async def ask() -> None:
        async with AsyncClient(service.target, deadline=5) as client:
            batch = await client.lookup_batch(["4158867900", UNKNOWN])
            streamed = [each.status async for each in client.lookup_stream(["4158867900"], deadline=20)]
            explained = await client.explain("4158867900", deadline=20)
            shown = await client.numbers.get(nm.GetNumbersRequest(numbers=["4158867900"], auth_by="system"))

        assert [each.reason for each in batch] == ["", "NUMBER_NOT_FOUND"]
        assert streamed == ["OK"]
        assert explained.value is not None
        assert explained.value.answer.route.account_id == ACCOUNTS[0]
        assert shown.value is not None
        assert shown.value.results[0].record.assigned_to == ACCOUNTS[0]

    asyncio.run(ask())


def test_client_unreachable_service_gives_503() -> None:
    with Client(NOBODY) as client:
        result = client.lookup("4158867900")

    assert (result.route, result.reason, result.sip[0]) == (None, "", 503)
    assert result.status in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


def test_client_silent_connection_is_replaced(service: Running) -> None:
    # A busy machine answers the next connection's pings within this; half a second was too short once.
    pings = {"grpc.keepalive_time_ms": 1500, "grpc.http2.ping_timeout_ms": 1500}
    with linked(service, deadline=5, options=Options(attempts=1, channel=pings)) as (client, link):
        before = client.lookup("4158867900")
        link.suffer(Trouble.FORGET)
        lost = client.lookup("4158867900")
        # The next call may still meet the old connection while gRPC closes it.
        eventually(lambda: client.lookup("4158867900").status == "OK", 12)

    assert before.status == "OK"
    assert lost.status in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


def test_client_frozen_service_opens_the_circuit_breaker(service: Running) -> None:
    pause = Options().circuit_breaker_reset_timeout
    with linked(service, deadline=0.4) as (client, link):
        eventually(lambda: client.lookup("4158867900").status == "OK")
        link.suffer(Trouble.DROP)
        asked = [client.lookup("4158867900") for _ in range(3)]
        began = time.monotonic()
        refused = [client.lookup("4158867900") for _ in range(20)]
        took = time.monotonic() - began
        link.suffer(Trouble.REFUSE)  # no connection is no answer either
        time.sleep(pause)
        trial, after_trial = client.lookup("4158867900"), client.lookup("4158867900")
        link.heal()
        eventually(lambda: client.lookup("4158867900").status == "OK")

    is_open = "not asked: the circuit breaker is open"
    assert [each.status for each in asked] == ["DEADLINE_EXCEEDED"] * 3
    assert took < pause
    assert {each.message for each in [*refused, after_trial]} == {is_open}
    assert trial.message != is_open
    assert trial.reason == ""
    assert {each.sip[0] for each in [*asked, *refused]} == {503}


def test_client_refusals_keep_the_breaker_closed(service: Running) -> None:
    with Client(service.target, deadline=5) as client:
        results = [client.lookup(UNKNOWN) for _ in range(5)]

    assert {each.reason for each in results} == {"NUMBER_NOT_FOUND"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a virtual environment that holds the wheel without extras, and what the wheel asks for."""
    folder = tmp_path_factory.mktemp("bare")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--python", str(folder / "venv")]
    done = subprocess.run([*uv, str(wheel)], capture_output=True, text=True, env=dict(os.environ), check=False)
    if done.returncode and "error sending request" in done.stderr:
        pytest.skip("no registry can be reached, to install what the wheel asks for")
    assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin"


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def test_client_alone_in_a_bare_environment_asks(bare: Path, service: Running) -> None:
    script = (
        "import asyncio, sys; from router.client import AsyncClient, Client\n"
        f"with Client({service.target!r}, deadline=20) as client: print(client.lookup('4158867900').route.account_id)\n"
        "async def ask():\n"
        f"    async with AsyncClient({service.target!r}, deadline=20) as client:\n"
        "        print((await client.lookup('4158867900')).route.account_id)\n"
        "asyncio.run(ask())\n"
        "print(sorted({'redis', 'couchdb', 'click', 'pydantic', 'starlette'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [bare / "python", "-c", script], capture_output=True, text=True, env=environment(), check=False
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == [ACCOUNTS[0], ACCOUNTS[0], "[]"]


def test_command_in_a_bare_environment_says_what_to_install(bare: Path) -> None:
    done = _run(bare / "did-router")

    assert done.returncode == 2
    assert "pip install 'did-router[server]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
