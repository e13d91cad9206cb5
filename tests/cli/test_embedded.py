"""did-router embedded."""

import re
import signal
from pathlib import Path

import pytest
from redis import Redis

from tests.cli.command import Process, Start, children_of, databases_at, is_running, run, run_here
from tests.support.waiting import eventually


def urls(process: Process) -> tuple[str, str]:
    """The URLs that the command says to export."""
    couchdb = process.wait_for(r"^export DID_ROUTER_COUCHDB_URL=(\S+)$")[1]
    return couchdb, process.wait_for(r"^export DID_ROUTER_REDIS_URL=(\S+)$")[1]


def test_embedded_with_data_keeps_it_over_a_restart(start: Start, tmp_path: Path) -> None:
    first = start("embedded", "--data", str(tmp_path / "data"))
    couchdb, redis = urls(first)
    databases_at(couchdb).database("numbers/+1415").create()
    revision = databases_at(couchdb).database("numbers/+1415").put({"_id": "+14158867900"})
    with Redis.from_url(redis) as client:
        client.set("kept", "yes")

    children = children_of(first.popen.pid)
    assert children, "the Redis is a process of its own"
    assert first.end(signal.SIGTERM) == 0
    eventually(lambda: not any(map(is_running, children)))

    couchdb, redis = urls(start("embedded", "--data", str(tmp_path / "data")))
    assert databases_at(couchdb).database("numbers/+1415").get("+14158867900")["_rev"] == revision
    with Redis.from_url(redis) as client:
        assert client.get("kept") == b"yes"


@pytest.mark.parametrize("option", ["--couchdb-port", "--redis-port"])
def test_embedded_port_in_use_is_one_line(redis_url: str, option: str) -> None:
    taken = re.search(r":(\d+)/", redis_url)
    assert taken is not None

    result = run("embedded", option, taken[1])

    assert result.code == 3
    assert f"can't listen on 127.0.0.1:{taken[1]}" in result.complaint
    assert f"choose another port with {option}" in result.complaint


@pytest.mark.parametrize(
    "options",
    [("--couchdb-port", "99999"), ("--redis-port", "-1"), ("--couchdb-port", "65534", "--nodes", "3")],
    ids=" ".join,
)
def test_embedded_port_out_of_range_is_wrong_usage(options: tuple[str, ...]) -> None:
    result = run_here("embedded", *options)

    assert result.code == 2
    assert options[0] in result.complaint


def test_embedded_three_nodes_form_one_database(start: Start) -> None:
    couchdb, _ = urls(start("embedded", "--nodes", "3"))
    scheme, credentials, addresses = re.match(r"(http://)(admin:password@)(\S+)", couchdb).groups()  # type: ignore[union-attr]
    nodes = [databases_at(f"{scheme}{credentials}{address}") for address in addresses.split(",")]
    assert len(nodes) == 3
    nodes[0].database("numbers/+1415").create()
    revision = nodes[1].database("numbers/+1415").put({"_id": "+14158867900"})
    assert [node.database("numbers/+1415").get("+14158867900")["_rev"] for node in nodes] == [revision] * 3
