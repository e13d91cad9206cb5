"""Compares the copies of numbers in accounts' own databases with the number documents, for people who look at them."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from router.account_copies import AccountCopies
from router.account_copies.copies import CopyDifference
from router.account_copies.layout import affected_accounts
from router.couch.errors import CouchError
from router.numbers.documents import NumberDocument


@dataclass(frozen=True, slots=True)
class ComparedCopies:
    """Copies of a number that one account holds, compared with its document.

    Attributes:
        differences: empty where every copy is as the number document wants it.
        error: the reason why they could not be compared; empty where they were.
        has_no_database: the account has no database of its own, and so no copies.
    """

    account: str
    differences: tuple[CopyDifference, ...] = ()
    error: str = ""
    has_no_database: bool = False


def compare_copies(
    copies: AccountCopies, documents: Sequence[NumberDocument], pool: ThreadPoolExecutor
) -> dict[str, list[ComparedCopies]]:
    """Return what each account that a document names holds, by number and in the accounts' order.

    An account's copies are read once for all of its numbers. Nothing is read where no copies are kept.
    """
    numbers: defaultdict[str, list[str]] = defaultdict(list)
    for document in documents if copies.formats else ():
        for account in affected_accounts(document):
            numbers[account].append(document.number)
    accounts = sorted(numbers)
    compared = pool.map(lambda account: _compare(copies, account, numbers[account]), accounts)
    found: defaultdict[str, list[ComparedCopies]] = defaultdict(list)
    for by_number in compared:
        for number, each in by_number.items():
            found[number].append(each)
    return found


def _compare(copies: AccountCopies, account: str, numbers: Sequence[str]) -> dict[str, ComparedCopies]:
    try:
        differences = copies.compare(account, numbers)
    except CouchError as problem:
        return {number: ComparedCopies(account, error=str(problem)) for number in numbers}
    if differences is None:
        return {number: ComparedCopies(account, has_no_database=True) for number in numbers}
    return {
        number: ComparedCopies(account, tuple(each for each in differences if each.number == number))
        for number in numbers
    }
