"""Charts as SVG: values to points on a plane. The templates draw them, with a table of the same values behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from router.console.views.text import NONE

WIDTH, HEIGHT = 360.0, 84.0
"""Of the plane, in the SVG's own units; the page scales it."""

Values = Sequence[float | None]
"""One value a bin, oldest first; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Series:
    """A named row of values."""

    name: str
    values: Values


@dataclass(frozen=True, slots=True)
class Line:
    """A drawn series.

    Attributes:
        number: from 1, for its colour and its dashes.
        paths: data of SVG paths, one for each stretch without a gap.
        current: the last value as text.
    """

    name: str
    number: int
    paths: tuple[str, ...]
    current: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes:
        summary: the current values in one line, for screen readers.
        top: the upper end of the scale, as text.
        is_area: the lines are filled, and stand on each other.
        rows: of the table behind: minutes ago, then a value for each line.
    """

    title: str
    unit: str
    lines: tuple[Line, ...]
    top: str
    summary: str
    rows: tuple[tuple[str, ...], ...]
    is_area: bool = False

    @property
    def is_empty(self) -> bool:
        """There is nothing to draw."""
        return not any(line.paths for line in self.lines)


def line_chart(title: str, unit: str, series: Sequence[Series], *, minutes: float) -> Chart:
    """Draw each series as a line."""
    top = _nice(max((value for each in series for value in each.values if value is not None), default=0.0))
    lines = tuple(
        Line(each.name, number, tuple(_stretches(each.values, top)), text_of(_last(each.values)))
        for number, each in enumerate(series, 1)
    )
    return _chart(title, unit, lines, series, top, minutes=minutes)


def area_chart(title: str, unit: str, series: Sequence[Series], *, minutes: float, top: float | None = None) -> Chart:
    """Draw the series as areas that stand on each other."""
    sums: list[float | None] = []
    lines = []
    totals = [_sum(column) for column in zip(*(each.values for each in series), strict=True)]
    top = top or _nice(max((value for value in totals if value is not None), default=0.0))
    for number, each in enumerate(series, 1):
        below = sums or [None if value is None else 0.0 for value in each.values]
        sums = [
            None if value is None else value + (under or 0.0) for value, under in zip(each.values, below, strict=True)
        ]
        paths = tuple(_areas(sums, below, top))
        lines.append(Line(each.name, number, paths, text_of(_last(each.values))))
    return _chart(title, unit, tuple(lines), series, top, minutes=minutes, is_area=True)


def text_of(value: float | None) -> str:
    """Return a value with three significant digits, a dash for none."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _chart(
    title: str,
    unit: str,
    lines: tuple[Line, ...],
    series: Sequence[Series],
    top: float,
    *,
    minutes: float,
    is_area: bool = False,
) -> Chart:
    summary = ", ".join(f"{line.name} {line.current} {unit}".strip() for line in lines) or "nothing"
    return Chart(title, unit, lines, text_of(top), summary, tuple(_rows(series, minutes)), is_area)


def _rows(series: Sequence[Series], minutes: float) -> list[tuple[str, ...]]:
    """Return a row a minute, newest first, each value the mean of its minute."""
    if not series:
        return []
    count = len(series[0].values)
    per_minute = max(1, round(count / minutes))
    rows = []
    for ago, end in enumerate(range(count, 0, -per_minute)):
        values = [_mean(each.values[max(0, end - per_minute) : end]) for each in series]
        rows.append((f"{ago} min ago" if ago else "last minute", *map(text_of, values)))
    return rows


def _stretches(values: Values, top: float) -> list[str]:
    # A line from a point to itself is drawn as a dot where the ends are round.
    lines = [[_at(index, len(values), value, top) for index, value in each] for each in _known(values)]
    return ["M" + " L".join(line if len(line) > 1 else line * 2) for line in lines]


def _areas(upper: Values, lower: Values, top: float) -> list[str]:
    paths = []
    for stretch in _known(upper):
        forth = [_at(index, len(upper), value, top) for index, value in stretch]
        back = [_at(index, len(upper), lower[index] or 0.0, top) for index, _ in reversed(stretch)]
        paths.append("M" + " L".join(forth + back) + " Z")
    return paths


def _known(values: Values) -> list[list[tuple[int, float]]]:
    """Return the stretches without a gap."""
    stretches = []
    for is_known, group in groupby(enumerate(values), key=lambda pair: pair[1] is not None):
        stretch = [(index, value) for index, value in group if value is not None]
        if is_known:
            stretches.append(stretch)
    return stretches


def _at(index: int, count: int, value: float, top: float) -> str:
    x = WIDTH * index / max(1, count - 1)
    y = HEIGHT * (1 - min(value, top) / top)
    return f"{x:.1f},{y:.1f}"


def _nice(largest: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest * 0.999)


def _last(values: Values) -> float | None:
    return values[-1] if values else None


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(values: Values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
