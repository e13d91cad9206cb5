"""The environment of Envoy's process."""

import pytest

from router.server.edge.process import environment


def test_operators_tunables_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert environment()["GLIBC_TUNABLES"] == "glibc.pthread.rseq=0"
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=1")
    assert environment()["GLIBC_TUNABLES"] == "glibc.pthread.rseq=0:glibc.pthread.rseq=1"
