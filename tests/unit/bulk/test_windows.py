"""Windows of rows: whatever order they stand in, few waves do them, and a number's rows keep theirs."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from router.bulk.rows import Row
from router.bulk.windows import NOT_REPEATABLE, Window, WindowBuilder
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest

_OPERATIONS = (Operation.CREATE, Operation.RESERVE, Operation.MOVE, Operation.RELEASE, Operation.UPDATE)


def row(line: int, number: str, operation: Operation = Operation.MOVE) -> Row:
    return Row(line, number, OperationRequest(operation, number, SYSTEM))


def windows(rows: Sequence[Row], size: int = 1000, begun_to: int = 0, settled: Sequence[int] = ()) -> list[Window]:
    return list(WindowBuilder(size, str.strip, begun_to, settled).of(rows))


def test_waves_mixed_rows_take_as_many_as_the_busiest_number() -> None:
    operations = (Operation.RESERVE, Operation.MOVE)
    rows = [row(2 * index + place, f"+{index}", operations[place]) for index in range(500) for place in (0, 1)]

    (window,) = windows(rows)

    assert [len(wave) for wave in window.waves] == [500, 500]
    requests = [rows[place].request for place in window.waves[0]]
    assert [request.operation for request in requests if request is not None] == [Operation.RESERVE] * 500


def test_windows_first_row_without_result_is_uncertain() -> None:
    rows = [row(line, number) for line, number in enumerate(("+1", "+1", "+2", "+1", "+2"), 2)]

    first, second = windows(rows, size=3, begun_to=5, settled=[2])

    assert [[rows[place].line for place in wave] for wave in first.waves] == [[3, 4]]
    assert first.uncertain == {1, 2}
    assert [list(wave) for wave in second.waves] == [[0, 1]]
    assert not second.uncertain, "their numbers' rows of before were those in doubt"


@given(
    st.lists(st.tuples(st.sampled_from(["+1", "+2", " +2", "+3"]), st.sampled_from(_OPERATIONS)), max_size=30),
    st.integers(1, 10),
    st.integers(0, 20),
    st.sets(st.integers(1, 20)),
)
def test_windows_hold_each_row_once_in_order(
    requested: list[tuple[str, Operation]], size: int, begun_to: int, settled: set[int]
) -> None:
    rows = [row(line, number, operation) for line, (number, operation) in enumerate(requested, 1)]

    found = windows(rows, size, begun_to, sorted(settled))

    assert [each for window in found for each in window.rows] == rows
    for window in found:
        places = [place for wave in window.waves for place in wave]
        assert sorted(places) == [place for place, each in enumerate(window.rows) if each.line not in settled]
        for number in window.numbers:
            theirs = [place for place in places if window.rows[place].number.strip() == number]
            assert theirs == sorted(theirs)
        for index, wave in enumerate(window.waves):
            numbers = [window.rows[place].number.strip() for place in wave]
            asked = [window.rows[place].request for place in wave]
            again = {number for number in numbers if numbers.count(number) > 1}
            assert not again or index == 0
            for number, request in zip(numbers, asked, strict=True):
                assert request is not None
                assert number not in again or request.operation not in NOT_REPEATABLE
        assert window.uncertain <= set(window.waves[0] if window.waves else ())
