"""Edges that end with their test."""

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.component.edge.running_edge import RunningEdge, Start


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts edges, in folders whose paths are short enough."""
    running: list[RunningEdge] = []
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)

        def begin(**settings: Any) -> RunningEdge:
            running.append(RunningEdge(**settings))
            return running[-1]

        yield begin
        for each in running:
            each.end()
