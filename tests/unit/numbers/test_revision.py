"""Revisions of CouchDB, taken apart."""

import pytest

from router.numbers.revision import generation_of, parse_revision


@pytest.mark.parametrize(
    ("revision", "generation", "digest"),
    [("1-ab", 1, "ab"), ("12-a-b", 12, "a-b"), ("7", 7, "")],
)
def test_revision_has_a_generation_and_a_hash(revision: str, generation: int, digest: str) -> None:
    assert parse_revision(revision) == (generation, digest)
    assert generation_of(revision) == generation


@pytest.mark.parametrize("revision", ["", "-ab", "x-ab"])
def test_malformed_revision_has_no_generation(revision: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_revision(revision)
    assert generation_of(revision) == 0
