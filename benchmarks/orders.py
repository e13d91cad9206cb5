"""Import's rate for rows that touch the same two accounts, in the two orders a file may have.

Every number is reserved by one account, then moved to the other, whose lists hold thousands: number by number, and
first all of the one, then all of the other. Each turn is the `import` command as a process of its own.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import orjson

from benchmarks.deployment import Deployment, deployment
from router.account_copies.names import account_database

_ACCOUNTS = ("a" * 32, "b" * 32)
_ORDERS = ("all of one, then the other", "number by number")


def main() -> None:
    """Run it."""
    given = _options()
    with deployment(given.couchdb_url, 0, 0) as on, tempfile.TemporaryDirectory() as folder:
        names = ["accounts", *(account_database(account) or "" for account in _ACCOUNTS)]
        for name in names:
            on.databases.database(name).create()
        on.databases.database("accounts").put_many(
            [{"_id": each, "pvt_type": "account", "name": each[:1]} for each in _ACCOUNTS]
        )
        try:
            _measure(on, Path(folder), given)
        finally:
            for name in [*names, *on.databases.names("numbers/+2")]:
                on.databases.database(name).drop()


def _options() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--couchdb-url", help="a real CouchDB that holds nothing (default: the embedded database)")
    made.add_argument("--listed", type=int, default=4000, help="numbers that each account lists (%(default)s)")
    made.add_argument("--rows", type=int, default=1000, help="two for each number (%(default)s)")
    made.add_argument("--rounds", type=int, default=3, help="by turns (%(default)s)")
    return made.parse_args()


def _measure(on: Deployment, folder: Path, given: argparse.Namespace) -> None:
    owner, other = _ACCOUNTS
    rows = [f"+2000{index:07},{owner},create" for index in range(given.listed)]
    rows += [f"+2001{index:07},{other},create" for index in range(given.listed)]
    _import(on, folder / "all.csv", rows)
    rates: dict[str, list[float]] = {order: [] for order in _ORDERS}
    for turn in range(given.rounds):
        for place, order in enumerate(_ORDERS):
            first = (2 * turn + place) * (given.rows // 2)
            numbers = [f"+2000{index % given.listed:07}" for index in range(first, first + given.rows // 2)]
            reserved = [f"{number},{other},reserve" for number in numbers]
            moved = [f"{number},{owner},move" for number in numbers]
            by_turns = [row for pair in zip(reserved, moved, strict=True) for row in pair]
            rates[order].append(_import(on, folder / f"{turn}-{place}.csv", by_turns if place else reserved + moved))
            print(f"{order:>28}: {given.rows:,} rows, {rates[order][-1]:,.0f} rows/s", flush=True)
    middle = {order: median(found) for order, found in rates.items()}
    for order in _ORDERS:
        print(f"{order:>28}: {middle[order]:,.0f} rows/s in the middle")
    print(f"number by number, of the other order: {middle[_ORDERS[1]] / middle[_ORDERS[0]]:.2f}")


def _import(on: Deployment, file: Path, rows: Sequence[str]) -> float:
    """Rows a second, as the command counts them."""
    file.write_text("e164,account_id,action\n" + "".join(f"{row}\n" for row in rows))
    result = subprocess.run(on.command("import", str(file), "--json"), capture_output=True, check=False)
    report = orjson.loads(result.stdout)
    if result.returncode or set(report["statuses"]) != {"done"} or report["warnings"]:
        raise SystemExit(f"the import did not go well: {report} {result.stderr.decode()}")
    return float(report["rate"])


if __name__ == "__main__":
    main()
