"""A results file that a run goes on from: cut anywhere, or written by somebody else.

No row is done twice or left out for it, and a file that isn't ours stays as it is.
"""

from pathlib import Path
from typing import Any

import orjson

from router.bulk.journal import Journal
from router.bulk.journal_header import Header
from router.bulk.previous_run import PreviousRun
from router.bulk.results import LATER
from router.bulk.rows import InvalidFileError
from tests.fuzz.scratch import file
from tests.fuzz.source import Source
from tests.fuzz.target import Target

NOW = 63877497874
_HEADER = Header({"command": "import", "dry_run": False, "update": False}, "sha256:1")
_STATUSES = ("done", "refused", "unchanged", "deleted")
_FIRST = orjson.dumps(_HEADER.as_json(NOW)) + b"\n"


def check(data: bytes) -> None:
    """The first byte chooses: what a run wrote, cut; lines behind our header; any bytes."""
    source = Source(data)
    kind = source.byte() % 3
    if kind == 0:
        _cut(source)
    else:
        _anybodys((_FIRST if kind == 1 else b"") + source.rest())


def _cut(source: Source) -> None:
    path = file("results", None)
    journal = Journal.open(path, _HEADER, NOW)
    written = _run(journal, source)
    journal.close()
    whole = path.read_bytes()
    length = len(_FIRST) + source.number(max(1, len(whole) - len(_FIRST)))
    path = file("results", whole[:length])
    kept = whole[:length].count(b"\n") - 1
    previous = _opened(path)
    assert previous is not None, "it is our own"
    assert previous == _summed(written[:kept])
    assert path.read_bytes() == whole[: whole.rfind(b"\n", 0, length) + 1], "what was cut in the middle is gone"
    _goes_on(path, previous)


def _run(journal: Journal, source: Source) -> list[dict[str, Any]]:
    """Batches as a run writes them; returns every line but the first."""
    written: list[dict[str, Any]] = []
    row = 1
    for _ in range(source.byte() % 4):
        count = 1 + source.byte() % 4
        known = {source.text(12): source.word() for _ in range(count)} if source.flag() else None
        early = [_result(row + 1 + place, source) for place in range(source.byte() % (count + 1))]
        journal.begin(row + count, known, early)
        written.append(
            {"begun": row + count}
            | ({} if known is None else {"revisions": known})
            | ({"early": early} if early else {})
        )
        results = [_result(row + 1 + place, source) for place in range(source.byte() % (count + 1))]
        journal.results(results)
        written += results
        row += count
        if source.flag():
            failed_copies = {source.text(12): source.text()}
            journal.copies(failed_copies)
            written.append({"copies": "written", "behind": failed_copies})
    return written


def _result(row: int, source: Source) -> dict[str, Any]:
    result: dict[str, Any] = {"row": row, "number": source.text(20), "status": source.pick(_STATUSES), "error": None}
    return result | {"copies": LATER, "copies_of": [source.word()]} if source.flag() else result


def _summed(lines: list[dict[str, Any]]) -> PreviousRun:
    """Return the sums of these lines, computed in another way than the journal does."""
    made = PreviousRun(started=NOW)
    done = [line for line in lines if "row" in line]
    made.done_to = done[-1]["row"] if done else 0
    for line in done:
        made.statuses[line["status"]] = made.statuses.get(line["status"], 0) + 1
    last = max((place for place, line in enumerate(lines) if "row" not in line and "copies" in line), default=-1)
    for line in lines[last + 1 :]:
        if "row" in line and line.get("copies") == LATER:
            accounts = made.copies_deferred.setdefault(line["number"], [])
            accounts.extend(each for each in line["copies_of"] if each not in accounts)
    for place, line in enumerate(lines):
        if "begun" in line:
            before = max((each["row"] for each in lines[:place] if "row" in each), default=0)
            made.begun = [each for each in made.begun if each[0] > before]
            made.begun.append((line["begun"], line.get("revisions", {})))
            made.early |= {each["row"]: each for each in line.get("early", ())}
    for line in done:
        made.early.pop(line["row"], None)
    return made


def _anybodys(content: bytes) -> None:
    path = file("results", content)
    previous = _opened(path)
    if previous is None:
        assert path.read_bytes() == content, "what isn't ours stays as it is"
        return
    left = path.read_bytes()
    if content:
        assert left == content[: len(left)]
        assert b"\n" not in content[len(left) :], "only a line that was cut goes"
    assert type(previous.done_to) is int
    assert all(isinstance(orjson.loads(line), dict) for line in left.split(b"\n") if line), "each line is an object"
    rows = [
        result["row"]
        for line in left.split(b"\n")[1:-1]
        if "row" in (result := orjson.loads(line)) and "begun" not in result
    ]
    assert rows == sorted(set(rows)), "a result for each row, in order"
    assert previous.done_to == (rows[-1] if rows else 0)
    assert previous.rows == len(rows)
    assert all(type(line) is int and line > 0 for line, _ in previous.begun)
    assert all(isinstance(word, str) for pair in previous.revisions.items() for word in pair)
    _goes_on(path, previous)


def _goes_on(path: Path, previous: PreviousRun) -> None:
    """The next run's results stand behind, and the run after it sees both."""
    journal = Journal.open(path, _HEADER, NOW + 5)
    assert journal.previous == previous
    journal.results([{"row": previous.done_to + 1, "number": "+1", "status": "done"}])
    journal.close()
    after = _opened(path)
    assert after is not None
    assert (after.done_to, after.rows, after.started) == (previous.done_to + 1, previous.rows + 1, previous.started)


def _opened(path: Path) -> PreviousRun | None:
    try:
        journal = Journal.open(path, _HEADER, NOW)
    except InvalidFileError as refused:
        assert str(refused).isprintable()
        return None
    journal.close()
    return journal.previous


TARGET = Target(
    "bulk_results",
    check,
    dictionary=(
        b"\n",
        b"\x01",
        _FIRST,
        '{"begun":3}\n',
        '{"begun":3,"revisions":{"+1":"1-a"}}\n',
        '{"row":2,"number":"+1","status":"done","copies":"later"}\n',
        '{"copies":"written","behind":{}}\n',
        '{"begun":3,"revisions":{"2":""},"early":[{"row":2,"number":"+1","status":"done","copies_of":["a"]}]}\n',
        '"row":',
        '"status":"refused"',
        '"did_router":2',
        '"started":',
        '"input":"sha256:1"',
        '"dry_run":false',
        "1e400",
        "null",
    ),
    longest=1024,
)
