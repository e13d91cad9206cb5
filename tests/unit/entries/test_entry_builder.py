"""Entries built from documents of any content."""

from router.entries import entry_builder
from router.numbers.fields import Skipped
from router.numbers.routes import Policy


def test_revision_that_is_none_is_reported_in_a_line_for_the_log() -> None:
    document = {"_id": "+14158867900", "_rev": "x\n2026 ERROR all is lost"}
    skipped = entry_builder.entry_from_json(document, "numbers/+1415", Policy(), 0)
    assert isinstance(skipped, Skipped)
    assert skipped.reason.isprintable()
