"""Behaviour of a cluster that a single node does not have; on the imitated and on a real cluster."""

import json
import re
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.contract.exchange import Answer, Couch, Database
from tests.contract.topology import Topology
from tests.support.waiting import eventually

NUMBERS = [f"+141555501{last:02}" for last in range(20)]


@pytest.fixture
def nodes(cluster: Topology, database: Database) -> Iterator[list[Database]]:
    """The database as seen at each node; writes wait for all copies."""
    couches = [Couch(url, cluster.copies) for url in cluster.urls]
    yield [Database(couch, database.name) for couch in couches]
    for couch in couches:
        couch.close()


@pytest.fixture
def filled(nodes: list[Database]) -> list[Database]:
    nodes[0].bulk([{"_id": number} for number in NUMBERS])
    return nodes


def number_in_front(sequence: str) -> str:
    return sequence.split("-", maxsplit=1)[0]


def test_texts_of_sequences_differ_from_answer_to_answer(filled: list[Database]) -> None:
    for name in ("update_seq", "purge_seq"):
        texts = {filled[turn % 3].info()[name] for turn in range(60)}
        assert len(texts) > 1, "they name the copies that answered first"
        assert {number_in_front(text) for text in texts} == {"20" if name == "update_seq" else "0"}


def test_one_node_alone_differs_from_itself(filled: list[Database]) -> None:
    assert len({filled[0].info()["purge_seq"] for _ in range(200)}) > 1


def test_dbs_info_differs_in_the_same_way(filled: list[Database]) -> None:
    def purge_seq() -> str:
        (row,) = filled[1].couch.post("/_dbs_info", {"keys": [filled[1].name]}).json
        return str(row["info"]["purge_seq"])

    assert len({purge_seq() for _ in range(200)}) > 1


def test_start_time_is_the_same_everywhere(filled: list[Database]) -> None:
    assert len({node.info()["instance_start_time"] for node in filled for _ in range(10)}) == 1


def test_purge_counts_the_same_everywhere(filled: list[Database]) -> None:
    revision = filled[0].load(NUMBERS[0])["_rev"]
    assert filled[1].couch.post(f"{filled[1].path}/_purge", {NUMBERS[0]: [revision]}).status in {201, 202}

    def seen() -> set[tuple[str, int]]:
        infos = [node.info() for node in filled for _ in range(10)]
        return {(number_in_front(info["purge_seq"]), info["doc_count"]) for info in infos}

    eventually(lambda: seen() == {("1", len(NUMBERS) - 1)})


def test_sequence_of_one_node_is_good_at_the_others(filled: list[Database]) -> None:
    for node in filled:
        since = node.changes()["last_seq"]
        assert [other.changes(f"since={since}")["results"] for other in filled for _ in range(5)] == [[]] * 15


def test_of_two_writers_at_once_never_both_are_done(nodes: list[Database], topology: Topology) -> None:
    """The majority decides; the writer with fewer copies gets `accepted`, and both revisions stay."""
    couches = [Couch(url) for url in topology.urls[:2]]
    accepted = 0
    for turn in range(400):
        rows = [answer.json[0] for answer in race(couches, f"{nodes[0].path}/_bulk_docs", f"race{turn}")]
        plain = [row for row in rows if "error" not in row and "accepted" not in row]
        assert len(plain) <= 1, rows
        if any("accepted" in row for row in rows):
            accepted += 1
            leaves = nodes[2].couch.get(f"{nodes[2].document(f'race{turn}')}?open_revs=all&r=3", headers=JSON).json
            assert {leaf["ok"]["_rev"] for leaf in leaves} >= {row["rev"] for row in rows if "accepted" in row}
        if accepted == 3:
            break
    assert accepted, "no race in 400 tries left fewer copies than a majority to one of them"


JSON = {"Accept": "application/json"}


def race(couches: list[Couch], path: str, identity: str) -> list[Answer]:
    """Write one document with two bodies at the same time."""
    answers: dict[int, Answer] = {}
    start = threading.Barrier(len(couches))

    def write(writer: int) -> None:
        body = {"docs": [{"_id": identity, "writer": writer}]}
        start.wait()
        answers[writer] = couches[writer].post(path, body)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(len(couches))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return [answers[writer] for writer in range(len(couches))]


def test_write_may_wait_for_every_copy(nodes: list[Database]) -> None:
    for turn in range(30):
        writer, reader = nodes[turn % 3], nodes[(turn + 1) % 3]
        assert writer.couch.copies == 3, "it asks by w=3"
        writer.save(f"+1415555{turn:04}")
        assert reader.info()["doc_count"] == turn + 1


def test_reading_all_copies_is_never_older_than_a_row(filled: list[Database]) -> None:
    """With the usual two it may be: the row's copy need not be among them."""
    writer = Couch(f"http://{filled[1].couch.address[0]}:{filled[1].couch.address[1]}")
    writer.authorization = filled[1].couch.authorization
    with filled[0].feed("feed=continuous&heartbeat=5000&since=now") as feed:
        feed.line()
        for turn in range(40):
            number = NUMBERS[turn % len(NUMBERS)]
            before = filled[1].couch.get(f"{filled[1].document(number)}?r=3").json
            assert writer.put(filled[1].document(number), before | {"turn": turn}).status in {201, 202}
            row = feed.row()
            read = filled[2].couch.get(f"{filled[2].document(row['id'])}?r=3").json
            assert generation(read["_rev"]) >= generation(row["changes"][0]["rev"])


def generation(revision: str) -> int:
    return int(revision.split("-", maxsplit=1)[0])


def test_membership_names_the_nodes(nodes: list[Database]) -> None:
    answer = nodes[0].couch.get("/_membership").json
    assert len(answer["cluster_nodes"]) == 3
    assert sorted(answer["all_nodes"]) == sorted(answer["cluster_nodes"])
    assert all(re.fullmatch(r"\w+@[\w.]+", name) for name in answer["cluster_nodes"])


def test_settings_of_a_node(nodes: list[Database]) -> None:
    def setting(name: str) -> Answer:
        return nodes[0].couch.get(f"/_node/_local/_config/{name}")

    assert (setting("cluster/n").json, setting("cluster/q").json) == ("3", "2")
    assert setting("cluster").json | {"n": "3", "q": "2"} == setting("cluster").json
    assert setting("none/of-that-name").refusal == (404, "not_found", "unknown_config_value")
    delay = setting("global_changes/max_write_delay")
    assert delay.status == 404 or delay.json.isdigit(), "its default of 500 ms is no setting"
    name = nodes[0].couch.get("/_node/_local").json["name"]
    assert name in nodes[0].couch.get("/_membership").json["all_nodes"]


def test_event_may_come_several_times(nodes: list[Database], settle: Callable[[], None]) -> None:
    settle()
    with nodes[0].couch.feed("/_db_updates?feed=continuous&heartbeat=400&since=now") as feed:
        feed.line()
        nodes[1].save(NUMBERS[0])
        events = []
        while feed.seconds() < 3:
            line = feed.line()
            if line.strip():
                events.append(json.loads(line))
    kinds = [event["type"] for event in events if event["db_name"] == nodes[1].name]
    assert set(kinds) == {"updated"}
    assert 1 <= len(kinds) <= 6
