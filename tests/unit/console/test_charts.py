"""Values become paths, and the table behind has the same values."""

from router.console.charts import HEIGHT, WIDTH, Series, area_chart, line_chart, text_of


def test_line_chart_spans_the_plane() -> None:
    chart = line_chart("Lookups", "/s", [Series("all", [0.0, 5.0, 10.0])], minutes=3)

    assert chart.lines[0].paths == (f"M0.0,{HEIGHT} L{WIDTH / 2},{HEIGHT / 2} L{WIDTH},0.0",)
    assert (chart.top, chart.lines[0].current) == ("10", "10")
    assert chart.rows == (("last minute", "10"), ("1 min ago", "5"), ("2 min ago", "0"))


def test_line_chart_leaves_a_gap_where_nothing_is_known() -> None:
    chart = line_chart("Lookups", "/s", [Series("all", [1.0, None, 1.0, 1.0])], minutes=4)

    assert len(chart.lines[0].paths) == 2
    assert chart.rows[2] == ("2 min ago", "–")  # noqa: RUF001


def test_area_chart_stands_the_series_on_each_other() -> None:
    chart = area_chart("Routes", "%", [Series("a", [25.0, 25.0]), Series("b", [75.0, 75.0])], minutes=2, top=100.0)

    assert chart.lines[0].paths[0].startswith(f"M0.0,{HEIGHT * 0.75}")
    assert chart.lines[1].paths[0].startswith("M0.0,0.0")


def test_chart_without_values_is_empty() -> None:
    assert line_chart("Time", "ms", [Series("p50", [None, None])], minutes=2).is_empty
    assert area_chart("Refusals", "/s", [], minutes=2).is_empty


def test_text_has_three_digits_that_matter() -> None:
    values = [1234.5, 12.34, 1.0, 0.1234, 0.00001, 0.0, None]
    assert [text_of(value) for value in values] == ["1,234", "12.3", "1", "0.123", "0", "0", "–"]  # noqa: RUF001
