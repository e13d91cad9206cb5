"""did-router import: rows done, rows refused and lines read add up, or the command says that they do not."""

from pathlib import Path

import pytest

from router.embedded import EmbeddedCouchDB
from tests.cli.command import databases_at, run
from tests.cli.test_import import ACCOUNTS, database, documents, results, where

__all__ = ["database", "where"]
ROWS = 300


@pytest.mark.parametrize("closed", [False, True], ids=["never closed", "closed 47 rows further"])
def test_import_open_quote_hides_no_rows(
    where: tuple[str, ...], database: EmbeddedCouchDB, tmp_path: Path, *, closed: bool
) -> None:
    file = tmp_path / "numbers.csv"
    rows = [f"+1415{index:07},{ACCOUNTS[0]},note {index}\n" for index in range(ROWS)]
    rows[1] = f'+14150000001,{ACCOUNTS[0]},"note 1\n'
    if closed:
        rows[48] = f'+14150000048,{ACCOUNTS[0]},note 48"\n'
    file.write_text("e164,account_id,opaque.note\n" + "".join(rows) + "\n")

    result = run("import", str(file), "--json", *where)

    assert result.code == 1, result.err
    (totals,) = result.json
    assert totals["statuses"] == {"done": ROWS - 1, "refused": 1}
    assert (totals["lines_read"], totals["lines_without_rows"], totals["rows"]) == (ROWS + 2, 2, ROWS)
    expected = results(Path(totals["results"]))
    assert [each["row"] for each in expected] == list(range(2, ROWS + 2))
    assert [(each["row"], each["number"]) for each in expected if each["error"]] == [(3, "+14150000001")]
    assert len(documents(database.url)) == ROWS - 1


def test_import_missing_result_is_reported(where: tuple[str, ...], database: EmbeddedCouchDB, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("e164,account_id\n" + "".join(f"+1415000000{index},{ACCOUNTS[0]}\n" for index in range(5)))
    assert run("import", str(file), *where).code == 0
    output = tmp_path / "numbers.csv.results.jsonl"
    kept = [line for line in output.read_bytes().splitlines(keepends=True) if b'"row":4' not in line]
    output.write_bytes(b"".join(kept))

    result = run("import", str(file), *where)

    assert result.code == 1
    assert "6 lines were read (0 of them belong to no row), 5 rows found, 4 rows have a result" in result.complaint
    assert len(list(databases_at(database.url).database("numbers/+1415").all_documents(10))) == 1
