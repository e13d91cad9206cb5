"""Histograms: which bucket a value falls into, and merging of buckets."""

import pytest

from router.runtime.histograms import Histograms, HistogramSnapshot, rebin


def test_value_equal_to_a_bound_falls_below_it() -> None:
    made = Histograms((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        made.observe(("a",), value)

    assert made.all() == {("a",): HistogramSnapshot((2, 2, 1), 7.5)}
    assert made.all()[("a",)].count == 5


def test_labels_have_histograms_of_their_own() -> None:
    made = Histograms((1.0,))
    made.observe(("a",), 0.5)
    made.observe(("b",), 3.0)

    assert {labels: each.counts for labels, each in made.all().items()} == {("a",): (1, 0), ("b",): (0, 1)}


def test_fewer_bounds_keep_every_value() -> None:
    assert rebin((1, 2, 3, 4, 5), (0.0, 1.0, 2.0, 3.0), (1.0, 3.0)) == (3, 7, 5)


def test_bound_that_was_not_counted_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        rebin((1, 2), (1.0,), (2.0,))


def test_snapshots_add_up() -> None:
    assert HistogramSnapshot((1, 2), 3.0) + HistogramSnapshot((1, 0), 0.5) == HistogramSnapshot((2, 2), 3.5)


def test_values_of_a_writer_add_to_those_of_the_same_labels() -> None:
    histograms = Histograms((1.0, 2.0))
    writer, other = histograms.writer(("grpc",)), histograms.writer(("grpc",))
    histograms.writer(("sip",))
    histograms.observe(("grpc",), 0.5)
    writer.observe(1.0)
    other.observe(5.0)

    assert histograms.all() == {("grpc",): HistogramSnapshot((2, 0, 1), 6.5)}
