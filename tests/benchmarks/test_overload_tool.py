"""The overload benchmark runs and writes its results; nothing is measured."""

import sys
from pathlib import Path

import orjson
import pytest

from benchmarks import generator, overload
from router.server.calls import native

CASE = "near, callers queue"


def test_flood_ends_with_a_table_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if (reason := generator.missing()) is not None or not native.is_installed():
        pytest.skip(reason or "pip install 'did-router[native]'")
    monkeypatch.setattr(overload, "_NUMBERS", 200)
    monkeypatch.setattr(overload, "_ASKED", 1000)
    monkeypatch.setattr(sys, "argv", ["overload", CASE, "--quick", "--out", str(tmp_path)])

    overload.main()

    seen = orjson.loads((tmp_path / f"overload {CASE}.json").read_bytes())
    assert [each["multiple"] for each in seen["steps"]] == [0.5, 0.8, 1, 1.5, 2, 3, 5, 10, 0.5, 10, 0.5]
    fates = [each["fate"] for each in seen["steps"]]
    assert sum(each["right"] for each in fates) > 0
    assert sum(each["wrong"] for each in fates) == 0, fates
    assert "; 0 wrong, " in capsys.readouterr().out
