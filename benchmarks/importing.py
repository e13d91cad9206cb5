"""Import's rate beside plain `_bulk_docs` of the same documents, with and without the accounts' own copies.

By turns, on the same rows: plain bulk writes by one client, then the `import` command as a process of its own, its
start included, without account copies, then with them.
"""

import argparse
import csv
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import redis

from benchmarks.deployment import Deployment, deployment
from router.account_copies.names import account_database
from router.couch.errors import ConflictError, NotFoundError
from router.numbers.shards import shard_for
from router.runtime.chunked import chunked

_BATCH_SIZE = 1000
_TURNS = ("plain", "import", "with copies", "plain with lists")


def main() -> None:
    """Run it."""
    given = _options()
    accounts = [f"{index:032x}" for index in range(1, given.accounts + 1)]
    with deployment(given.couchdb_url, 0, 0) as on, tempfile.TemporaryDirectory() as folder:
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda account: _create(on, account_database(account) or ""), accounts))
            _create(on, "accounts")
            _put(on, "accounts", [{"_id": each, "pvt_type": "account", "name": each[-6:]} for each in accounts])
            file = Path(folder) / "numbers.csv"
            _write(file, _rows(given, accounts))
            rates = _measure(on, file, accounts, given)
        finally:
            names = [account_database(account) or "" for account in accounts]
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda name: _drop(on, name), [*names, "accounts", *_shards(on)]))
    _report(rates, given.rows)


def _options() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--couchdb-url", help="a real CouchDB that holds nothing (default: the embedded database)")
    made.add_argument("--rows", type=int, default=100_000, help="%(default)s")
    made.add_argument("--databases", type=int, default=20, help="number databases (%(default)s)")
    made.add_argument("--accounts", type=int, default=1000, help="each with a database of its own (%(default)s)")
    made.add_argument(
        "--block", type=int, default=25, help="numbers in a row on one account, with the same settings (%(default)s)"
    )
    made.add_argument("--batch", type=int, default=_BATCH_SIZE, help="import's rows at a time (%(default)s)")
    made.add_argument("--rounds", type=int, default=3, help="by turns (%(default)s)")
    return made.parse_args()


def _rows(given: argparse.Namespace, accounts: Sequence[str]) -> Iterator[tuple[str, str]]:
    each = given.rows // given.databases
    for index in range(each * given.databases):
        shard, place = divmod(index, each)
        yield f"+{2000 + shard}{place:07d}", accounts[index // given.block % len(accounts)]


def _write(file: Path, rows: Iterator[tuple[str, str]]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("e164", "account_id", "prepend.enabled", "prepend.name", "used_by"))
        writer.writerows((number, account, "true", f"Sales {account[-4:]}", "callflow") for number, account in rows)


def _measure(on: Deployment, file: Path, accounts: Sequence[str], given: argparse.Namespace) -> dict[str, list[float]]:
    """Documents a second of each turn."""
    rates: dict[str, list[float]] = {turn: [] for turn in _TURNS}
    _import(on, file, given.batch, "none")  # warms everything, and shows what documents come of it
    documents = _documents(on)
    for _ in range(given.rounds):
        for turn in _TURNS:
            lists = _lists(on, accounts) if turn == "plain with lists" else {}
            _clear(on, accounts, with_copies=turn in {"with copies", "plain with lists"})
            if turn.startswith("plain"):
                seconds = _plain(on, documents, lists)
            else:
                seconds = _import(on, file, given.batch, "none" if turn == "import" else "single")
            rates[turn].append(len(documents) / seconds)
            print(f"{turn:>16}: {len(documents):,} documents, {seconds:.1f} s, {rates[turn][-1]:,.0f}/s", flush=True)
            if turn == "with copies":
                _check(on, len(documents), accounts)
    return rates


def _plain(on: Deployment, documents: Sequence[dict[str, Any]], lists: Mapping[str, dict[str, Any]]) -> float:
    """Seconds to write the same documents, the databases made on the way; lists: the same for accounts' databases."""
    began = time.monotonic()
    by_shard: dict[str, list[dict[str, Any]]] = {}
    for document in documents:
        by_shard.setdefault(shard_for(document["_id"]) or "", []).append(document)
    for name, found in by_shard.items():
        _create(on, name)
        _put(on, name, found)
    for name, each in lists.items():
        _put(on, name, [each])
    return time.monotonic() - began


def _import(on: Deployment, file: Path, batch: int, copies: str) -> float:
    began = time.monotonic()
    message = ("import", str(file), "--batch", str(batch), "--set", f"account_copies={copies}", "--json")
    result = subprocess.run(on.command(*message), capture_output=True, check=False)
    seconds = time.monotonic() - began
    report = orjson.loads(result.stdout)
    if result.returncode or set(report["statuses"]) != {"done"} or report["warnings"]:
        raise SystemExit(f"the import did not go well: {report} {result.stderr.decode()}")
    Path(report["results"]).unlink()
    return seconds


def _documents(on: Deployment) -> list[dict[str, Any]]:
    """Return the documents of the import, without revisions."""
    pages = (page for name in _shards(on) for page in on.databases.database(name).all_documents(_BATCH_SIZE))
    return [{name: value for name, value in each.items() if name != "_rev"} for page in pages for each in page]


def _lists(on: Deployment, accounts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the accounts' lists after the import, by database, without revisions."""
    names = [account_database(account) or "" for account in accounts]
    found = {name: on.databases.database(name).get("phone_numbers") for name in names}
    return {name: {key: value for key, value in each.items() if key != "_rev"} for name, each in found.items()}


def _check(on: Deployment, rows: int, accounts: Sequence[str]) -> None:
    """The last import made every number, and every account's copy tells of its own."""
    found = sum(len(page) for name in _shards(on) for page in on.databases.database(name).all_documents(_BATCH_SIZE))
    listed = 0
    for account in accounts:
        copies = on.databases.database(account_database(account) or "").get_many(["phone_numbers"]).values()
        listed += sum(name.startswith("+") for copy in copies for name in copy or ())
    if (found, listed) != (rows, rows):
        raise SystemExit(f"{rows} rows made {found} numbers and {listed} entries in account copies")


def _clear(on: Deployment, accounts: Sequence[str], *, with_copies: bool) -> None:
    redis.Redis.from_url(on.redis_url).flushall()
    for name in _shards(on):
        _drop(on, name)
    if not with_copies:
        return
    for account in accounts:
        name = account_database(account) or ""
        try:
            on.databases.database(name).delete(
                "phone_numbers", str(on.databases.database(name).get("phone_numbers")["_rev"])
            )
        except NotFoundError:
            continue


def _shards(on: Deployment) -> list[str]:
    return on.databases.names("numbers/+2")


def _create(on: Deployment, name: str) -> None:
    try:
        on.databases.database(name).create()
    except ConflictError:
        raise SystemExit(f"{name} exists: point this at a CouchDB that holds nothing") from None


def _put(on: Deployment, name: str, documents: Sequence[dict[str, Any]]) -> None:
    for batch in chunked(documents, _BATCH_SIZE):
        on.databases.database(name).put_many(batch)


def _drop(on: Deployment, name: str) -> None:
    try:
        on.databases.database(name).drop()
    except NotFoundError:
        return


def _report(rates: dict[str, list[float]], rows: int) -> None:
    middle = {turn: median(found) for turn, found in rates.items()}
    for turn in _TURNS:
        print(f"{turn:>16}: {middle[turn]:,.0f}/s, {middle[turn] / middle['plain']:.2f} of plain _bulk_docs")
    both = middle["with copies"] / middle["plain with lists"]
    print(f"with copies, of plain _bulk_docs of all the same documents, the accounts' lists too: {both:.2f}")
    cost = (1 / middle["with copies"] - 1 / middle["import"]) * rows
    print(f"account copies of {rows:,} rows took {cost:.1f} s")


if __name__ == "__main__":
    main()
