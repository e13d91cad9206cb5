"""The number page's row for an account's copy."""

import pytest

from router.console.views.numbers import number_view
from router.v1 import numbers_pb2 as pb

MISSING = pb.CopyDifference(format="phone_numbers", kind="missing")


@pytest.mark.parametrize(
    ("copy", "state", "detail"),
    [
        (pb.AccountCopy(account_id="a"), "", "no difference"),
        (pb.AccountCopy(account_id="a", differences=[MISSING]), "differs", "its list lacks the number"),
        (pb.AccountCopy(account_id="a", error="refused"), "unreadable", "can't be compared: refused"),
        (
            pb.AccountCopy(account_id="a", no_database=True),
            "no database",
            "the account's database is missing, so it has no copy",
        ),
    ],
    ids=["equal", "missing", "unreadable", "no database"],
)
def test_copy_is_shown_as_it_was_compared(copy: pb.AccountCopy, state: str, detail: str) -> None:
    [row] = number_view(pb.NumberRecord(number="+14158867900", copies=[copy])).copies

    assert (row.state, row.detail, row.differs) == (state, detail, state == "differs")
