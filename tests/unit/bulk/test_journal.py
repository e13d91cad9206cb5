"""A results file that is gone on from: only lines that a run wrote count."""

from pathlib import Path

import pytest

from router.bulk.journal import Journal
from router.bulk.journal_header import Header
from router.bulk.rows import InvalidFileError

HEADER = Header({"command": "test", "dry_run": False}, "sha256:1")


def test_open_truncated_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "results"
    journal = Journal.open(path, HEADER, 0)
    journal.results([{"row": row, "number": f"+{row}", "status": "done"} for row in (2, 3)])
    journal.close()
    path.write_bytes(path.read_bytes()[:-5])

    journal = Journal.open(path, HEADER, 0)

    assert (journal.previous.done_to, journal.previous.rows) == (2, 1)
    journal.close()


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '["copies"]',
        '"begun"',
        '{"row": 2, "status": "done"}',
        '{"row": 1, "status": "done"}',
        '{"row": 3.5, "status": "done"}',
        '{"row": "3", "status": "done"}',
        '{"row": true, "status": "done"}',
        '{"row": 3, "status": ["done"]}',
        '{"row": 3, "number": 1, "status": "done", "copies": "later"}',
        '{"begun": -1}',
        '{"begun": 1e300}',
        '{"begun": 3, "revisions": [["+1", "1-a"]]}',
        '{"begun": 3, "revisions": {"+1": 1}}',
        '{"begun": 3',
    ],
)
def test_open_foreign_line_refuses_and_keeps_the_file(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results"
    journal = Journal.open(path, HEADER, 0)
    journal.results([{"row": 2, "number": "+1", "status": "done"}])
    journal.close()
    with path.open("a") as file:
        file.write(f"{line}\n")
    before = path.read_bytes()

    with pytest.raises(InvalidFileError, match="a line that no run wrote"):
        Journal.open(path, HEADER, 0)

    assert path.read_bytes() == before
