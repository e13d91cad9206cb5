"""Writes that too few copies of a cluster took: nobody is told a plain yes for what may not hold."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from router.couch.accepted import AcceptedWrites, UnconfirmedError
from router.couch.client import CouchClient, Document
from router.couch.errors import ConflictError
from router.couch.server import CouchServer
from router.embedded import EmbeddedCluster
from router.manager.write_step import DocumentWriter, WriteResult
from tests.support.waiting import eventually

SHARD = "numbers/+1415"


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(down_after=1.0, late_share=1.0, late_seconds=0.1) as made:
        yield made


@pytest.fixture
def at_nodes(cluster: EmbeddedCluster) -> list[CouchServer]:
    """A client for each node alone."""
    made = [CouchServer(CouchClient(url, timeout=20.0)) for url in cluster.urls]
    made[0].database(SHARD).create()
    return made


def _document(number: str, account: str) -> dict[str, object]:
    return {"_id": number, "pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": account}


def _race(at_nodes: list[CouchServer], number: str, base: str = "") -> list[WriteResult]:
    def write(node: int) -> WriteResult:
        document = _document(number, str(node) * 32) | ({"_rev": base} if base else {})
        return DocumentWriter(at_nodes[node]).write(SHARD, [document])[number]

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(write, (0, 1)))


def test_two_writers_of_one_number_are_never_both_reported_yes(at_nodes: list[CouchServer]) -> None:
    for index in range(20):
        number = f"+1415886{index:04}"
        outcomes = _race(at_nodes, number)
        done = [each for each in outcomes if each.revision and not each.warning]
        assert len(done) <= 1, number
        if done:
            # What was withdrawn may still be read from a copy that has not heard of it.
            eventually(_stands(at_nodes, number, done[0].revision), 5)


def _stands(at_nodes: list[CouchServer], number: str, revision: str) -> Callable[[], bool]:
    return lambda: at_nodes[2].database(SHARD).get(number)["_rev"] == revision


def test_document_that_two_change_with_a_node_away_is_never_lost(
    cluster: EmbeddedCluster, at_nodes: list[CouchServer]
) -> None:
    """Both writes may be only accepted, and each writer sees the other's in conflict with its own."""
    numbers = [f"+1415886{index:04}" for index in range(150)]
    rows = at_nodes[0].database(SHARD).put_many([_document(number, "9" * 32) for number in numbers])
    eventually(lambda: None not in at_nodes[1].database(SHARD).get_many(numbers).values(), 5)
    cluster.kill(2)
    for number, row in zip(numbers, rows, strict=True):
        outcomes = _race(at_nodes, number, row["rev"])
        document = at_nodes[0].database(SHARD).get(number)
        assert len([each for each in outcomes if each.revision]) <= 1
        assert document["pvt_assigned_to"] in {"0" * 32, "1" * 32}


def test_single_copy_is_reported_with_a_warning(cluster: EmbeddedCluster, at_nodes: list[CouchServer]) -> None:
    cluster.kill(1)
    cluster.kill(2)
    written = DocumentWriter(at_nodes[0]).write(SHARD, [_document("+14158867900", "1" * 32)])["+14158867900"]
    assert written.revision
    assert "too few CouchDB nodes stored the change" in written.warning


def test_write_stored_by_an_isolated_node_is_unconfirmed(cluster: EmbeddedCluster, at_nodes: list[CouchServer]) -> None:
    """A withdrawal at the isolated node would delete the document everywhere once it is back."""
    number = "+14158867900"
    first = at_nodes[0].database(SHARD).put(_document(number, "1" * 32))
    eventually(lambda: at_nodes[1].database(SHARD).get(number)["_rev"] == first, 5)
    _isolate_first(cluster, at_nodes[0], number)
    second = _document(number, "2" * 32) | {"_rev": first}
    rows = _write_at(at_nodes[0], [second])
    assert rows[0]["accepted"] is True

    settler = AcceptedWrites(at_nodes[1].database(SHARD).leaves, lambda documents: _write_at(at_nodes[0], documents))
    with pytest.raises(UnconfirmedError, match="no node that answers has the change"):
        settler.settle({number: second | {"_rev": rows[0]["rev"]}})

    assert at_nodes[0].database(SHARD).get(number)["pvt_assigned_to"] == "2" * 32
    cluster.join(0)
    eventually(lambda: at_nodes[1].database(SHARD).get(number)["pvt_assigned_to"] == "2" * 32, 5)


def _isolate_first(cluster: EmbeddedCluster, node: CouchServer, number: str) -> None:
    """Isolate the first node with the number in its own copy, which may take a write later than the others."""

    def has_number() -> bool:
        cluster.isolate(0)
        found = node.database(SHARD).get_many([number])[number]
        if found is None:
            cluster.join(0)
        return found is not None

    eventually(has_number, 5)


def _write_at(node: CouchServer, documents: Sequence[Document]) -> list[Document]:
    rows: list[Document] = node.client.request("POST", [SHARD, "_bulk_docs"], {"docs": list(documents)})
    return rows


def test_withdrawal_goes_to_the_node_that_was_read(cluster: EmbeddedCluster, at_nodes: list[CouchServer]) -> None:
    """An isolated node goes on serving what it took. Withdrawn there, the number would be unknown to its callers."""
    number = "+14158867900"
    first = at_nodes[0].database(SHARD).put(_document(number, "1" * 32))
    eventually(lambda: at_nodes[1].database(SHARD).get(number)["_rev"] == first, 5)
    _isolate_first(cluster, at_nodes[0], number)
    at_nodes[1].database(SHARD).put(_document(number, "3" * 32) | {"_rev": first})
    in_turn = _client_of(cluster, first_node=0, second_node=1)

    with pytest.raises(UnconfirmedError, match="can't be withdrawn"):
        in_turn.database(SHARD).put(_document(number, "2" * 32) | {"_rev": first})

    assert at_nodes[0].database(SHARD).get(number)["pvt_assigned_to"] == "2" * 32


def _client_of(cluster: EmbeddedCluster, first_node: int, second_node: int) -> CouchServer:
    """Return a client of two nodes that sends its first request to the first one."""
    host = urlsplit(cluster.urls[second_node]).netloc.rpartition("@")[2]
    client = CouchClient(f"{cluster.urls[first_node].rstrip('/')},{host}", timeout=20.0)
    client.nodes._turns = itertools.count()
    return CouchServer(client)


def test_list_write_of_a_copy_resolves_the_conflict(at_nodes: list[CouchServer]) -> None:
    def put(node: int, index: int) -> str:
        try:
            return at_nodes[node].database(SHARD).put({"_id": f"phone_numbers_{index}", "by": node})
        except ConflictError:
            return ""

    for index in range(20):
        with ThreadPoolExecutor(2) as pool:
            done = [each for each in pool.map(put, (0, 1), (index, index)) if each]
        assert len(done) <= 1
