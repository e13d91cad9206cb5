"""Faults of a cluster, on the imitated one alone: nodes killed, frozen, cut off, late, in maintenance; a split."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.embedded import EmbeddedCluster
from tests.contract.clusters import NAME, Nodes, cluster_of_three
from tests.contract.exchange import Answer, Couch, Database
from tests.support.waiting import eventually

FIRST, SECOND, THIRD = "+14155550100", "+14155550101", "+14155550102"
DOWN_AFTER, TIMEOUT = 1.2, 0.5


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with cluster_of_three(down_after=DOWN_AFTER, request_timeout=TIMEOUT) as made:
        yield made


def put(database: Database, identity: str, **body: object) -> Answer:
    return database.couch.put(database.document(identity), body)


def seconds_of(ask: Callable[[], object]) -> float:
    began = time.monotonic()
    ask()
    return time.monotonic() - began


def test_majority_makes_a_write_and_fewer_accept_it(nodes: Nodes) -> None:
    nodes.cluster.kill(2)
    assert put(nodes[0], FIRST).status == 201
    nodes.cluster.kill(1)
    answer = put(nodes[0], SECOND)
    assert (answer.status, answer.json["ok"]) == (202, True)
    bulk = nodes[0].couch.post(f"{nodes[0].path}/_bulk_docs", {"docs": [{"_id": THIRD}, {"_id": FIRST}]})
    assert bulk.status == 202
    assert bulk.json[0]["accepted"] is True
    assert bulk.json[1] == {"id": FIRST, "error": "conflict", "reason": "Document update conflict."}
    assert nodes[0].couch.delete(f"{nodes[0].document(SECOND)}?rev={answer.json['rev']}").status == 202


def test_node_that_comes_back_has_what_it_had_and_catches_up(nodes: Nodes) -> None:
    nodes[0].save(FIRST)
    nodes.cluster.kill(2)
    purged = nodes[0].load(FIRST)["_rev"]
    nodes[0].save(SECOND)
    nodes[1].couch.post(f"{nodes[1].path}/_purge", {FIRST: [purged]})
    nodes.restart(2)

    def states() -> set[tuple[str, int]]:
        infos = [node.info() for node in nodes for _ in range(5)]
        return {(info["purge_seq"].split("-")[0], info["doc_count"]) for info in infos}

    eventually(lambda: states() == {("1", 1)})
    assert nodes.ids(2, "0") == [SECOND]


def test_another_copy_repeats_rows_and_loses_none(nodes: Nodes) -> None:
    nodes[0].save(FIRST)
    time.sleep(0.7)  # until it is known that every copy has it
    nodes[0].save(SECOND)
    since = nodes.since_naming(2, at=0)
    nodes[1].save(THIRD)
    nodes.cluster.kill(2)
    assert nodes.ids(0, since) == [SECOND, THIRD], "the second one again"


def test_feed_goes_on_when_the_node_that_it_reads_dies(nodes: Nodes) -> None:
    since = nodes.since_naming(2, at=0)
    with nodes[0].feed(f"feed=continuous&heartbeat=300&since={since}") as feed:
        assert feed.line() == b"\n"
        nodes.cluster.kill(2)
        nodes[1].save(FIRST)
        assert feed.row()["id"] == FIRST


def test_database_recreated_without_a_node_replaces_its_copy(nodes: Nodes) -> None:
    nodes[0].save(FIRST)
    nodes.cluster.kill(2)
    started = nodes[0].info()["instance_start_time"]
    time.sleep(1.1)
    nodes[0].drop()
    nodes[1].create()
    nodes.restart(2)
    times = {node.info()["instance_start_time"] for node in nodes for _ in range(5)}
    assert len(times) == 1
    assert times != {started}
    assert nodes[2].couch.get(nodes[2].document(FIRST)).status == 404


def test_frozen_node_answers_nothing_until_it_thaws(nodes: Nodes) -> None:
    nodes.cluster.freeze(2)
    threading.Timer(0.4, nodes.cluster.thaw, [2]).start()
    assert seconds_of(lambda: nodes[2].couch.get("/_up")) > 0.3


def test_frozen_peer_silences_what_names_it(nodes: Nodes) -> None:
    named, other = nodes.since_naming(2, at=0), nodes.since_naming(1, at=0)
    nodes.cluster.freeze(2)
    assert put(nodes[0], FIRST).status == 201
    began = time.monotonic()
    answer = nodes[0].couch.get(f"{nodes[0].path}/_changes?since={named}")
    assert (answer.status, answer.json["error"]) == (500, "timeout")
    assert time.monotonic() - began > TIMEOUT - 0.1
    with nodes[0].feed(f"feed=continuous&heartbeat=100&since={named}") as feed:
        feed.connection.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            feed.line()
    assert nodes.ids(0, other) == [FIRST], "a sequence that names living nodes is good"


def test_read_of_copies_that_differ_waits_for_a_frozen_peer(nodes: Nodes) -> None:
    nodes[0].save(FIRST)
    time.sleep(0.3)
    nodes.cluster.lag(1, 0.5)
    nodes.cluster.freeze(2)
    writing = threading.Thread(target=nodes[0].save, args=(SECOND,))
    writing.start()
    time.sleep(0.1)
    body = {"docs": [{"id": SECOND}]}
    assert seconds_of(lambda: nodes[1].couch.post(f"{nodes[1].path}/_bulk_get", body)) > TIMEOUT - 0.1
    writing.join()
    assert seconds_of(lambda: nodes[1].couch.post(f"{nodes[1].path}/_bulk_get", body)) < TIMEOUT / 2


def test_other_requests_beside_a_frozen_peer_are_answered(nodes: Nodes) -> None:
    nodes[0].save(FIRST)
    nodes.cluster.freeze(2)
    database = nodes[0]
    asks: list[Callable[[], object]] = [
        lambda: database.changes("since=now"),
        lambda: database.load(FIRST),
        lambda: database.couch.get(f"{database.path}/_all_docs"),
        lambda: database.couch.post("/_dbs_info", {"keys": [NAME]}),
        lambda: database.couch.get("/_db_updates?since=now"),
        lambda: database.save(SECOND),
        database.info,
    ]
    assert max(map(seconds_of, asks)) < TIMEOUT
    for _ in range(20):
        assert nodes.cluster.named_nodes(database.changes("since=now")["last_seq"]) <= {0, 1}


def test_write_that_needs_a_frozen_copy_is_accepted_late(nodes: Nodes) -> None:
    nodes.cluster.kill(1)
    nodes.cluster.freeze(2)
    began = time.monotonic()
    assert put(nodes[0], FIRST).status == 202
    assert time.monotonic() - began > TIMEOUT - 0.1


def test_frozen_peer_counts_as_down_in_the_end(nodes: Nodes) -> None:
    since = nodes.since_naming(2, at=0)
    nodes.cluster.freeze(2)
    nodes[0].save(FIRST)
    assert len(nodes[0].couch.get("/_membership").json["all_nodes"]) == 3
    time.sleep(DOWN_AFTER)
    assert nodes[0].couch.get("/_membership").json["all_nodes"] == ["node1@127.0.0.1", "node2@127.0.0.1"]
    assert nodes.ids(0, since) == [FIRST]
    nodes.cluster.thaw(2)
    eventually(lambda: nodes.ids(2, since) == [FIRST])


def test_feed_that_waits_for_a_frozen_peer_goes_on_when_it_thaws() -> None:
    with cluster_of_three() as nodes:
        since = nodes.since_naming(2, at=0)
        with nodes[0].feed(f"feed=continuous&heartbeat=5000&since={since}") as feed:
            assert feed.line() == b"\n"
            nodes.cluster.freeze(2)
            nodes[0].save(FIRST)
            threading.Timer(0.5, nodes.cluster.thaw, [2]).start()
            assert feed.row()["id"] == FIRST
            assert feed.seconds() > 0.4


def test_both_sides_of_a_cut_take_writes_and_end_in_conflict(nodes: Nodes) -> None:
    nodes.cluster.isolate(0)
    assert put(nodes[0], FIRST, side="alone").status == 202
    assert put(nodes[1], FIRST, side="two").status == 201
    assert [node.load(FIRST)["side"] for node in nodes] == ["alone", "two", "two"]
    nodes.cluster.join(0)

    def leaves(node: Database) -> dict[str, str]:
        found = node.couch.get(f"{node.document(FIRST)}?conflicts=true").json
        return {"winner": found["_rev"], "others": str(found.get("_conflicts", []))}

    eventually(lambda: all(leaves(node) == leaves(nodes[0]) and leaves(node)["others"] != "[]" for node in nodes))


def test_maintenance_takes_copies_out_of_use(nodes: Nodes) -> None:
    nodes.cluster.maintenance(1)
    answer = nodes[1].couch.get("/_up")
    assert (answer.status, answer.json) == (404, {"status": "maintenance_mode"})
    assert nodes[0].couch.get("/_up").json == {"status": "ok", "seeds": {}}
    assert put(nodes[1], FIRST).status == 201, "it passes requests on"
    for _ in range(20):
        assert 1 not in nodes.cluster.named_nodes(nodes[1].info()["update_seq"])
    nodes.cluster.maintenance(1, on=False)
    assert nodes[1].couch.get("/_up").status == 200
    eventually(lambda: {node.info()["doc_count"] for node in nodes for _ in range(10)} == {1})


def test_page_of_a_copy_that_lags_ends_short(nodes: Nodes) -> None:
    since = nodes.since_naming(2, at=0)
    nodes.cluster.lag(2, 0.5)
    began = time.monotonic()
    for identity in (FIRST, SECOND):
        assert put(nodes[0], identity).status == 201
    page = nodes[0].changes(f"since={since}&limit=10")
    assert (page["results"], page["pending"]) == ([], 0)
    eventually(lambda: nodes.ids(0, page["last_seq"]) == [FIRST, SECOND])
    assert time.monotonic() - began > 0.4


def test_read_may_be_older_than_the_row(nodes: Nodes) -> None:
    """The two copies that are read agree on the earlier revision, unless all are asked for."""
    revision = nodes[0].save(FIRST)
    since = nodes.since_naming(0, at=0)
    for node in (1, 2):
        nodes.cluster.lag(node, 0.6)
    with nodes[0].feed(f"feed=continuous&heartbeat=5000&since={since}") as feed:
        feed.line()
        writing = threading.Thread(
            target=Couch(nodes.cluster.url).put, args=(nodes[0].document(FIRST), {"_rev": revision})
        )
        writing.start()
        row = feed.row()["changes"][0]["rev"]
        read = {nodes[1].load(FIRST)["_rev"] for _ in range(20)}
        whole = {nodes[1].couch.get(f"{nodes[1].document(FIRST)}?r=3").json["_rev"] for _ in range(5)}
        writing.join()
    assert read == {revision, row}
    assert whole == {row}
    assert nodes[1].load(FIRST)["_rev"] == row


def test_split_tells_of_a_deletion_that_was_none(nodes: Nodes) -> None:
    nodes[0].save(FIRST)
    before, since = nodes[0].info(), nodes[0].changes()["last_seq"]
    time.sleep(0.8)
    events = nodes[0].couch.get("/_db_updates?since=now").json["last_seq"]
    with nodes[0].feed("feed=continuous&heartbeat=5000&since=now") as feed:
        feed.line()
        nodes.cluster.split(NAME)
        assert "last_seq" in feed.row()
    after = nodes[0].info()
    assert after["instance_start_time"] == before["instance_start_time"]
    assert len(after["update_seq"]) > len(before["update_seq"])
    nodes[1].save(SECOND)
    assert nodes.ids(0, since) == [SECOND]
    assert nodes.ids(0, nodes[0].changes()["last_seq"]) == []

    def kinds() -> set[str]:
        rows = nodes[0].couch.get(f"/_db_updates?since={events}").json["results"]
        return {row["type"] for row in rows if row["db_name"] == NAME}

    eventually(lambda: kinds() == {"deleted", "updated"})


def test_faults_by_request(nodes: Nodes) -> None:
    couch = nodes[0].couch
    assert couch.post("/_imitation/freeze", {"node": 0}).status == 200
    state = couch.get("/_imitation").json
    assert [node["frozen"] for node in state] == [True, False, False]
    assert couch.post("/_imitation/thaw", {"node": 0}).json == {"ok": True}
    assert couch.post("/_imitation/lag", {"node": 1, "seconds": 0.5}).status == 200
    assert couch.post("/_imitation/kill", {"node": 2}).status == 200
    assert [node["running"] for node in couch.get("/_imitation").json] == [True, True, False]
    assert couch.post("/_imitation/start", {"node": 2}).status == 200
    assert couch.get("/_imitation", authenticated=False).status == 401
    assert couch.post("/_imitation/lag", {"node": 1, "seconds": -1}).status == 400
    assert couch.post("/_imitation/kill", {"node": 3}).refusal == (
        400,
        "bad_request",
        "there are 3 nodes, counted from 0",
    )
    assert "freeze" in couch.post("/_imitation/melt", {}).refusal[2]


def test_cluster_started_again_brings_its_copies_together(nodes: Nodes) -> None:
    nodes.cluster.kill(2)
    nodes[0].save(FIRST)
    nodes.cluster.stop()
    nodes.cluster.start()
    nodes.close()
    eventually(lambda: {node.info()["doc_count"] for node in nodes for _ in range(10)} == {1})
    nodes.cluster.kill(2)
    nodes[0].save(SECOND)
    nodes.restart(2)
    eventually(lambda: {node.info()["doc_count"] for node in nodes for _ in range(10)} == {2})


def test_cluster_comes_back_with_its_data(tmp_path: Path) -> None:
    with cluster_of_three(directory=tmp_path) as nodes:
        nodes[0].save(FIRST)
        time.sleep(0.1)
        before = nodes[0].info()["instance_start_time"]
    with EmbeddedCluster(directory=tmp_path) as cluster:
        again = Nodes(cluster)
        assert {node.info()["instance_start_time"] for node in again} == {before}
        assert [node.load(FIRST)["_id"] for node in again] == [FIRST] * 3
        again.close()
