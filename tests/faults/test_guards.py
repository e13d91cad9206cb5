"""Each guard that `make guards` takes out still stands where it looks for it."""

from tests.faults.guard_list import GUARDS, ROOT
from tests.faults.guards import missing


def test_every_guard_stands_where_it_is_looked_for() -> None:
    assert not list(missing())


def test_every_guards_test_exists() -> None:
    for guard in GUARDS:
        file, _, name = guard.test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text("utf-8")
