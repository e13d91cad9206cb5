"""Windows of rows that are under way together, and the waves in which they are done.

After a kill the document of a number tells whether one row was done, but not which of two. So a number's second row
waits for the next wave of its window, and that wave begins with the results of the one before it in the journal.
The order of the rows in a file does not matter that way: a window of a thousand rows takes as many waves as its
busiest number has rows, however they are mixed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from router.bulk.rows import Row
from router.lifecycle.operations import Operation

NOT_REPEATABLE = (Operation.RELEASE, Operation.DELETE, Operation.RESERVE, Operation.MOVE)
"""Done twice, these come to something else than done once."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows that are under way together.

    Attributes:
        rows: in the file's order.
        numbers: theirs, as all their spellings come to.
        waves: places in `rows`, by the wave in which they are done; those that need no doing are in none.
        doubtful: places of the first wave that an earlier run began, and may have done.
    """

    rows: Sequence[Row]
    numbers: frozenset[str]
    waves: Sequence[Sequence[int]]
    uncertain: frozenset[int]


class WindowBuilder:
    """Makes windows of rows.

    Args:
        size: rows of a window.
        normal: a number as all its spellings come to.
        begun_to: the last line that an earlier run began; 0 for none.
        settled: lines beyond the last result whose result is known from that run.
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
            if row.ask is None:
                continue
            number, operation = self._normalise(row.number), row.ask.operation
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
        """Whether an earlier run may have done this row: the first of its number that it left without a result."""
        if line > self._begun_to or number in self._uncertain_numbers:
            return False
        self._uncertain_numbers.add(number)
        return True


def _wave_after(before: tuple[int, Operation, bool] | None, operation: Operation) -> int:
    """The wave of a number's row after the row before it; the same one where doing both once more does no harm."""
    if before is None:
        return 0
    wave, operation_before, is_uncertain = before
    harmless = operation is operation_before and operation not in NOT_REPEATABLE
    return wave if harmless and wave == 0 and not is_uncertain else wave + 1
