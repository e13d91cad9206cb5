"""The recorded exchanges with a real CouchDB 3.5, sent again to another server."""

import json
import random
import re
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.exchange import Answer, Couch, Feed

CASES = json.loads((Path(__file__).parent.parent / "cases" / "couchdb-transcripts.json").read_text())["exchanges"]
SEQUENCE = re.compile(r"\d+-g1AAAA[A-Za-z0-9_-]+")
_NAME = re.compile(r"(numbers(?:%2F%2B|/\+))177([78])(?!\d)")


class Replayed(NamedTuple):
    """One exchange: what was recorded, with this run's names in it, and what came now."""

    recorded: dict[str, Any]
    answer: Answer | None
    lines: list[str]


class Replay:
    """Sends the exchanges in order. Databases get names of their own, sequences those of this server."""

    def __init__(self, couch: Couch) -> None:
        self._couch = couch
        self._suffix = f"{random.randrange(10**10):010}"
        self._sequences: dict[str, str] = {}

    def run(self) -> dict[str, Replayed]:
        try:
            return {case["name"]: self._send(self._renamed(case)) for case in CASES}
        finally:
            for digit in "78":
                self._couch.delete(f"/numbers%2F%2B177{digit}{self._suffix}")

    def _renamed(self, case: dict[str, Any]) -> Any:
        text = _NAME.sub(rf"\g<1>177\g<2>{self._suffix}", json.dumps(case))
        return json.loads(text)

    def _send(self, case: dict[str, Any]) -> Replayed:
        request = case["request"]
        path = SEQUENCE.sub(lambda found: self._sequences.get(found[0], found[0]), request["path"])
        if "lines" in case:
            return Replayed(case, None, self._follow(path, case["lines"]))
        if "response" in case and case["name"] == "db updates":
            self._await_updates(path, len(case["response"]["body"]["results"]))
        # a wrong password would count towards the lock of the account: an unknown user is told the same
        unknown = {"Authorization": "Basic bm9ib2R5Ong="} if case["name"] == "wrong password" else None
        answer = self._couch.send(
            request["method"],
            path,
            request.get("body"),
            raw=request.get("raw"),
            headers=unknown,
            authenticated=request.get("authenticated", True),
        )
        self._learn(case["response"]["body"], answer)
        return Replayed(case, answer, [])

    def _await_updates(self, path: str, rows: int) -> None:
        """Until so many events are written: a server that has just begun keeps them in memory for a while."""
        end = time.monotonic() + 10
        while len(self._couch.get(path).json["results"]) < rows and time.monotonic() < end:
            time.sleep(0.02)

    def _learn(self, recorded: Any, answer: Answer) -> None:
        if isinstance(recorded, dict) and "last_seq" in recorded and answer.status == 200:
            self._sequences[recorded["last_seq"]] = answer.json["last_seq"]

    def _follow(self, path: str, recorded: list[list[Any]]) -> list[str]:
        """The kinds of lines of a feed, heartbeats in a row as one, while what happened then happens again."""
        expected = kinds([line for _, line in recorded])
        with self._couch.feed(path) as feed:
            acts = threading.Thread(target=self._act, args=(path, recorded))
            acts.start()
            lines = [f"<status {feed.response.status} chunked>"]
            while not self._is_over(kinds(lines), expected) and feed.seconds() < 8:
                line = self._line(feed)
                lines.append(line or "<end>")
                if not line:
                    break
            acts.join()
        return kinds(lines)

    def _is_over(self, seen: list[str], expected: list[str]) -> bool:
        return seen == expected or (self._couch.copies > 1 and events(seen) == events(expected))

    def _line(self, feed: Feed) -> str:
        try:
            return feed.line().decode()
        except (HTTPException, ValueError):
            if self._couch.copies == 1:
                raise
            return ""

    def _act(self, path: str, recorded: list[list[Any]]) -> None:
        couch = Couch(f"http://{self._couch.address[0]}:{self._couch.address[1]}", self._couch.copies)
        couch.authorization = self._couch.authorization
        began = time.monotonic()
        numbers, other = (f"/numbers%2F%2B177{digit}{self._suffix}" for digit in "78")
        if "_db_updates" in path:
            time.sleep(0.6)
            couch.put(other)
            couch.put(f"{numbers}/%2B17775550310", {"a": 1})
        elif other in path:
            time.sleep(0.3)
            couch.delete(other)
        for at, line in recorded:
            if '"id"' in line:
                time.sleep(max(0.0, began + at / 2 - time.monotonic()))
                couch.put(f"{numbers}/{json.loads(line)['id'].replace('+', '%2B')}", {"a": 1})
        couch.close()


def kinds(lines: list[str]) -> list[str]:
    """`status`, `newline`, `row`, `last` and so on, runs of the same taken as one."""
    found: list[str] = []
    for line in lines:
        kind = _kind(line)
        if kind is not None and (not found or found[-1] != kind):
            found.append(kind)
    return found


def events(lines: list[str]) -> list[str]:
    """The kinds without newlines, whose number is chance at a cluster."""
    return kinds([line for line in kinds(lines) if line != "newline"])


def _kind(line: str) -> str | None:
    text = line.strip()
    if text.startswith("<"):
        return text
    if not text:
        return "newline"
    if text.startswith('{"db_name"'):
        # other databases of a shared server have events too, and `_dbs` comes in any place
        return "event"
    return "last" if "last_seq" in text else "row" if text.startswith('{"seq"') else text
