"""did-router follow: a leader that dies is replaced, and nothing is lost."""

import signal
import socket
import urllib.request

import grpc

from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.cli.command import ACCOUNTS, SERVE, Start, databases_at, number, run, serving
from tests.support.waiting import eventually

DIGITS = "+16502223333"
SHARD = "numbers/+1650"
QUICK = ("--set", "follower_lease_ttl=1", "--set", "follower_heartbeat=1")


def test_follow_second_follower_takes_over(start: Start, couchdb: str, stores: tuple[str, ...]) -> None:
    databases = databases_at(couchdb)
    databases.database(SHARD).create()
    databases.database(SHARD).put(number(DIGITS))
    try:
        first = start("follow", *QUICK, *stores)
        first.wait_for("leading: owner=")
        second = start("follow", *QUICK, *stores)
        running = serving(start(*SERVE, *stores))
        second.wait_for("standing by, another follower leads: owner=")
        with grpc.insecure_channel(running.target) as channel:
            stub = InboundRouterStub(channel)

            def owner() -> tuple[str, int]:
                result = stub.Lookup(pb.LookupRequest(number=DIGITS), timeout=5)
                return result.account_id, result.source

            eventually(lambda: owner() == (ACCOUNTS[0], pb.REDIS))
            first.end(signal.SIGKILL)
            document = dict(databases.database(SHARD).get(DIGITS))
            databases.database(SHARD).put(document | {"pvt_assigned_to": ACCOUNTS[1]})
            second.wait_for("leading: owner=")
            eventually(lambda: owner() == (ACCOUNTS[1], pb.REDIS))

        assert second.end(signal.SIGTERM) == 0
    finally:
        databases.database(SHARD).drop()


def test_follow_shows_its_metrics_at_an_address_of_its_own(start: Start, stores: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        admin = f"127.0.0.1:{free.getsockname()[1]}"
    start("follow", *stores, "--admin", admin)

    def is_leading() -> bool:
        try:
            with urllib.request.urlopen(f"http://{admin}/metrics", timeout=5) as page:
                return "\ndid_router_follower_leading 1.0\n" in page.read().decode()
        except OSError:
            return False

    eventually(is_leading, 30)


def test_follow_refuses_an_admin_address_that_strangers_reach(stores: tuple[str, ...]) -> None:
    result = run("follow", *stores, "--admin", "0.0.0.0:0")

    assert result.code == 2
    assert "follower_admin_listen" in result.err
