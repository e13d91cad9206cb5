"""Flags over environment over a TOML file over defaults."""

import os
from pathlib import Path

import pytest

from router.settings import Settings, SettingsError
from router.settings.rules import build_rules


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DID_ROUTER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "did-router.toml"


def test_defaults_stand_alone() -> None:
    settings = Settings.load()
    assert settings.couchdb.url == "http://127.0.0.1:5984"
    assert settings.redis.url == "redis://127.0.0.1:6379/0"
    assert settings.server.listen == "127.0.0.1:50051"
    assert settings.server.admin_listen == "127.0.0.1:9050"
    assert settings.routing.routable_states == ["in_service", "reserved", "port_in", "port_out"]


def test_file_stands_over_the_defaults(file: Path) -> None:
    file.write_text('[redis]\nprefix = "file:"\n[follower]\nbatch_size = 7\n')
    settings = Settings.load(file)
    assert (settings.redis.prefix, settings.follower.batch_size) == ("file:", 7)
    assert settings.server.listen == "127.0.0.1:50051"


def test_environment_stands_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[redis]\nprefix = "file:"\n[follower]\nbatch_size = 7\n')
    monkeypatch.setenv("DID_ROUTER_REDIS_PREFIX", "environment:")
    settings = Settings.load(file)
    assert (settings.redis.prefix, settings.follower.batch_size) == ("environment:", 7)


def test_flags_stand_over_everything(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[redis]\nprefix = "file:"\n[follower]\nbatch_size = 7\nworkers = 3\n')
    monkeypatch.setenv("DID_ROUTER_REDIS_PREFIX", "environment:")
    monkeypatch.setenv("DID_ROUTER_FOLLOWER_BATCH_SIZE", "8")
    settings = Settings.load(file, redis_prefix="flag:")
    assert (settings.redis.prefix, settings.follower.batch_size, settings.follower.workers) == ("flag:", 8, 3)


def test_flag_that_was_not_given_stands_over_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DID_ROUTER_REDIS_PREFIX", "environment:")
    assert Settings.load(None, redis_prefix=None).redis.prefix == "environment:"


def test_flags_come_as_text() -> None:
    settings = Settings.load(None, follower_batch_size="12", circuit_breaker_reset_timeout="0.5")
    assert (settings.follower.batch_size, settings.circuit_breaker.reset_timeout) == (12, 0.5)


def test_dial_plans_are_read_from_a_file(file: Path) -> None:
    file.write_text('[dial_plans.london]\nregion = "GB"\n\n[[dial_plans.london.rules]]\nregex = "^9(\\\\d+)$"\n')
    settings = Settings.load(file)
    assert build_rules(settings, None).normaliser.e164("020 7946 0018", "london").number == "+442079460018"


def test_number_managers_settings_overrule_the_clusters() -> None:
    settings = Settings.load(None, number_manager={"force_local_outbound": False})
    assert build_rules(settings, {"force_local_outbound": True}).policy.force_local_outbound is False
    assert build_rules(settings, None).policy.force_port_in_outbound is True


def test_settings_do_not_change_once_they_are_read() -> None:
    settings = Settings.load()
    with pytest.raises(ValueError):
        settings.server.listen = "elsewhere:1"


def test_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"did-router\.toml: No such file"):
        Settings.load(file)


@pytest.mark.parametrize("text", [b"listen = ", b"\xff\xfe\x00", b"[[["])
def test_file_that_is_no_toml_is_named(file: Path, text: bytes) -> None:
    file.write_bytes(text)
    with pytest.raises(SettingsError, match=r"did-router\.toml is not TOML"):
        Settings.load(file)
