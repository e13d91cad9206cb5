"""Every input that fuzzing found worth keeping, read again: what was mended stays mended."""

import logging

import pytest

from tests.fuzz import catalogue
from tests.fuzz.target import CORPUS

MOST = 300_000
"""Bytes of all inputs together."""


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_every_kept_input_keeps_the_promises(name: str) -> None:
    target = catalogue.target(name)
    inputs = target.inputs()
    assert inputs, "a target has a corpus"
    logging.disable(logging.CRITICAL)
    try:
        for each in inputs:
            try:
                target.check(each.read_bytes())
            except Exception as broken:
                broken.add_note(f"python -m tests.fuzz.replay {name} {each}")
                raise
    finally:
        logging.disable(logging.NOTSET)


def test_corpus_stays_small_and_belongs_to_targets() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= set(catalogue.NAMES)
    assert sum(each.stat().st_size for folder in CORPUS.iterdir() for each in folder.iterdir()) < MOST
