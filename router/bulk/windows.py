"""Windows of rows that are in progress together, and the waves in which they run.

After a kill, a number's document shows whether one row was carried out, but not which of two. So a number's second
row waits for the next wave of its window, and that wave begins with the previous wave's results in the journal. A
window of a thousand rows takes as many waves as its busiest number has rows, however they are mixed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from router.bulk.rows import Row
from router.lifecycle.operations import Operation

NOT_REPEATABLE = (Operation.RELEASE, Operation.DELETE, Operation.RESERVE, Operation.MOVE)
"""Operations that have another effect when they run twice."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows that are in progress together.

    Attributes:
        rows: in the file's order.
        numbers: the rows' numbers, normalised.
        waves: indexes into `rows`, by wave; rows without work are in none.
        uncertain: indexes of the first wave that an earlier run began, and may have carried out.
    """

    rows: Sequence[Row]
    numbers: frozenset[str]
    waves: Sequence[Sequence[int]]
    uncertain: frozenset[int]


class WindowBuilder:
    """Splits rows into windows.

    Args:
        size: rows per window.
        normalise: number → a form that all its spellings share.
        begun_to: the last line that an earlier run began; 0: none.
        settled: lines behind the last result line whose result that run recorded.
    """

    def __init__(self, size: int, normalise: Callable[[str], str], begun_to: int, settled: Collection[int]) -> None:
        self._size = size
        self._normalise = normalise
        self._begun_to = begun_to
        self._settled = settled
        self._uncertain_numbers: set[str] = set()

    def of(self, rows: Iterable[Row]) -> Iterator[Window]:
        """Yield all rows, window by window."""
        window: list[Row] = []
        for row in rows:
            window.append(row)
            if len(window) == self._size:
                yield self._window(window)
                window = []
        if window:
            yield self._window(window)

    def _window(self, rows: Sequence[Row]) -> Window:
        waves: list[list[int]] = []
        uncertain: set[int] = set()
        last: dict[str, tuple[int, Operation, bool]] = {}
        numbers: set[str] = set()
        for place, row in enumerate(rows):
            if row.request is None:
                continue
            number, operation = self._normalise(row.number), row.request.operation
            numbers.add(number)
            if row.line in self._settled:
                continue
            is_uncertain = self._is_uncertain(row.line, number)
            if is_uncertain:
                uncertain.add(place)
            wave = _wave_after(last.get(number), operation)
            last[number] = (wave, operation, is_uncertain)
            while len(waves) <= wave:
                waves.append([])
            waves[wave].append(place)
        return Window(rows, frozenset(numbers), waves, frozenset(uncertain))

    def _is_uncertain(self, line: int, number: str) -> bool:
        """Return whether an earlier run may have carried out this row: its number's first one without a result."""
        if line > self._begun_to or number in self._uncertain_numbers:
            return False
        self._uncertain_numbers.add(number)
        return True


def _wave_after(before: tuple[int, Operation, bool] | None, operation: Operation) -> int:
    """Return the wave of a number's next row; the same wave if repeating both rows does no harm."""
    if before is None:
        return 0
    wave, operation_before, is_uncertain = before
    harmless = operation is operation_before and operation not in NOT_REPEATABLE
    return wave if harmless and wave == 0 and not is_uncertain else wave + 1
