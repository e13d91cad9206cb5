"""A mistake in the settings is told in one line that says what to do, and never tells a password."""

import os
from pathlib import Path
from typing import Any

import pytest

from router.settings import Settings, SettingsError
from router.settings.rules import build_rules_or_defaults
from router.settings.urls import without_password
from router.stores.clients import Stores

SECRET = "hunter2-s3cret"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DID_ROUTER_")]:
        monkeypatch.delenv(name)


def _mistake(**flags: Any) -> str:
    with pytest.raises(SettingsError) as problem:
        Settings.load(None, **flags)
    result = str(problem.value)
    assert "\n" not in result
    return result


def test_mistyped_name_in_a_file_gives_the_nearest_one(tmp_path: Path) -> None:
    file = tmp_path / "did-router.toml"
    file.write_text('redis_ulr = "redis://127.0.0.1:6379/0"\n')
    with pytest.raises(SettingsError, match=r"^unknown setting 'redis_ulr' \(did you mean 'redis_url'\?\)") as problem:
        Settings.load(file)
    assert "\n" not in str(problem.value)
    assert str(file) in str(problem.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[redis]\nulr = "redis://127.0.0.1:6379/0"\n',
            r"^unknown setting '\[redis\] ulr' \(did you mean 'url'\?\)",
        ),
        ('[reddis]\nurl = "redis://127.0.0.1:6379/0"\n', r"^unknown setting 'reddis' \(did you mean 'redis'\?\)"),
        ('redis_url = "redis://127.0.0.1:6379/0"\n', r"write 'redis_url' as 'url' under \[redis\]"),
        ("redis = 1\n", r"^setting '\[redis\]': "),
    ],
    ids=["mistyped name in a group", "mistyped group", "flat name", "group that is no table"],
)
def test_mistaken_file_names_the_setting(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "did-router.toml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=problem):
        Settings.load(file)


def test_group_is_no_flag() -> None:
    assert "unknown setting 'redis'" in _mistake(redis={"url": "redis://127.0.0.1:6379/0"})


def test_group_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DID_ROUTER_REDIS", '{"url": "redis://127.0.0.1:6379/0"}')

    with pytest.raises(SettingsError, match="unknown setting in the environment: DID_ROUTER_REDIS"):
        Settings.load()


def test_bad_value_in_a_group_names_its_setting(tmp_path: Path) -> None:
    file = tmp_path / "did-router.toml"
    file.write_text("[follower]\nbatch_size = 0\n")

    with pytest.raises(SettingsError, match=r"^setting 'follower_batch_size': "):
        Settings.load(file)


def test_mistyped_flag_gives_the_nearest_one() -> None:
    assert "did you mean 'follower_lease_ttl'" in _mistake(folower_lease="3")


def test_name_like_no_other_gives_none() -> None:
    assert "did you mean" not in _mistake(qqqqqq="3")


def test_mistyped_name_of_the_number_managers_is_reported() -> None:
    assert "number_manager.force_local_outbond" in _mistake(number_manager={"force_local_outbond": False})


def test_unusable_manager_value_is_an_error_that_names_the_setting() -> None:
    result = _mistake(number_manager={"aging_expiry_d": -1})
    assert result == "setting number_manager.aging_expiry_d is -1: it must be a whole number from 0 to 36500"


def test_unusable_value_of_the_cluster_gives_way_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    build_rules_or_defaults(Settings.load(None), {"aging_expiry_d": -1})
    (line,) = caplog.messages
    assert line.startswith("system_config: number_manager.default.aging_expiry_d is -1: ")
    assert line.endswith("(until then its default is used)")


def test_every_mistake_is_reported_at_once() -> None:
    result = _mistake(follower_batch_size="many", listen="here")
    assert "'follower_batch_size'" in result
    assert "'listen'" in result


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("follower_batch_size", "0"),
        ("follower_batch_size", "10001"),
        ("follower_lease_ttl", "0.5"),
        ("circuit_breaker_failures", "0"),
        ("lookup_timeout", "-1"),
        ("couchdb_read_timeout", "soon"),
        ("stale_after", "0"),
        ("stale_after", "nan"),
        ("lookup_timeout", "inf"),
        ("fill_ttl", "1e18"),
        ("unknown_account", "maybe"),
        ("listen", "50051"),
        ("listen", "127.0.0.1:port"),
        ("listen", "127.0.0.1:70000"),
        ("listen", ":50051"),
        ("admin_listen", ""),
    ],
)
def test_unusable_value_names_its_setting(name: str, value: str) -> None:
    assert f"'{name}'" in _mistake(**{name: value})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:5984",
        "couchdb://127.0.0.1:5984",
        "http://",
        "http:///numbers",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        f"htp://admin:{SECRET}@127.0.0.1:5984",
        f"http://admin:{SECRET}@",
        f"http://admin:{SECRET}/x@127.0.0.1:5984",
        f"http://admin:{SECRET}#x@127.0.0.1:5984",
        f"http://admin:{SECRET}?x@127.0.0.1:5984",
        f"http://admin:{SECRET}@127.0.0.1:port",
        f"http://admin:{SECRET}@[::1:5984",
        f"http://admin:{SECRET}@one:5984,",
        f"http://admin:{SECRET}@one:5984,two:port",
        f"http://admin:{SECRET}@one:5984,http://admin:{SECRET}@two:5984",
    ],
)
def test_wrong_couchdb_url_is_reported_without_its_password(url: str) -> None:
    result = _mistake(couchdb_url=url)
    assert "'couchdb_url'" in result
    assert SECRET not in result


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6379",
        "http://127.0.0.1:6379",
        f"redis:/:{SECRET}@127.0.0.1:6379",
        f"redis://:{SECRET}@127.0.0.1:port/0",
        f"redis://:{SECRET}/x@127.0.0.1:6379/0",
        f"redis://:{SECRET}#x@127.0.0.1:6379/0",
        f"redis+sentinel://:{SECRET}@127.0.0.1:26379",
        "redis+sentinel:///mymaster",
        f"redis+sentinel://:{SECRET}@127.0.0.1:port/mymaster",
        f"redis+sentinel://:{SECRET}/x@127.0.0.1:26379/mymaster",
        f"redis+sentinel://user:{SECRET}/mymaster",
        f"redis+sentinel://:{SECRET}@127.0.0.1:26379/mymaster/zero",
        f"rediss://:{SECRET}@[::1:6379",
        f"redis://127.0.0.1:6379/0?PASSWORD={SECRET}",
        f"redis+sentinel://127.0.0.1:26379/mymaster?sentinel_password={SECRET}",
    ],
)
def test_wrong_redis_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as problem:
        Stores(Settings.load(None, redis_url=url))
    assert "'redis_url'" in str(problem.value)
    assert "\n" not in str(problem.value)
    assert SECRET not in str(problem.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        f"redis://user:{SECRET}@127.0.0.1:6379",
        f"rediss://:{SECRET}@redis.example:6380/1",
        "unix:///run/redis/redis.sock?db=1",
        f"redis+sentinel://:{SECRET}@127.0.0.1:26379,127.0.0.1:26380/mymaster/1",
    ],
)
def test_good_redis_urls_are_taken(url: str) -> None:
    assert Stores(Settings.load(None, redis_url=url)).keys.prefix == "did-router:"


@pytest.mark.parametrize(
    "url",
    [
        "http://a:b%40c@h:5984/",
        "https://couch.example",
        "http://[::1]:5984",
        "http://a:b@one:5984,two:5984,[::1]:5985",
        "https://one,two",
    ],
)
def test_good_couchdb_urls_are_taken(url: str) -> None:
    assert Settings.load(None, couchdb_url=url).couchdb.url == url.rstrip("/")


def test_settings_shown_show_no_password() -> None:
    settings = Settings.load(
        None, couchdb_url=f"http://admin:{SECRET}@127.0.0.1:5984", redis_url=f"redis://:{SECRET}@127.0.0.1:6379/0"
    )
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in f"{settings}"
    assert "127.0.0.1:5984" in repr(settings)
    assert SECRET in settings.couchdb.url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://admin:secret@host:5984", "http://admin:***@host:5984"),
        ("http://host:5984", "http://host:5984"),
        ("redis://:secret@host/0", "redis://:***@host/0"),
        ("redis://user@host/0", "redis://user@host/0"),
        ("redis+sentinel://u:s@a:1,b:2/m/0", "redis+sentinel://u:***@a:1,b:2/m/0"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("unix://user:secret@/run/redis.sock", "unix://user:***@/run/redis.sock"),
        ("unix:///run/redis.sock?password=secret&db=1", "unix:///run/redis.sock?password=***&db=1"),
        ("redis://host/0?username=u&password=secret", "redis://host/0?username=u&password=***"),
        ("rediss://host/0?ssl_password=secret&db=1", "rediss://host/0?ssl_password=***&db=1"),
        ("redis://host/0?pass%77ord=secret", "redis://host/0?pass%77ord=***"),
    ],
)
def test_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("plans", "reported"),
    [
        ({"uk": {"region": "XX"}}, "uk"),
        ({"uk": {"rules": [{"regex": "("}]}}, "uk"),
        ({"uk": {"rgion": "GB"}}, "dial_plans.uk.rgion"),
    ],
)
def test_dial_plan_that_cannot_be_used_is_named(plans: dict[str, Any], reported: str) -> None:
    assert reported in _mistake(dial_plans=plans)


@pytest.mark.parametrize("deep", ["[" * 5000, "{a=" * 5000])
def test_file_that_nests_too_deep_is_a_mistake(tmp_path: Path, deep: str) -> None:
    file = tmp_path / "did-router.toml"
    file.write_text(f"[routing]\nroutable_states = {deep}")
    with pytest.raises(SettingsError, match="too deep inside each other"):
        Settings.load(file)


def test_variable_that_nests_too_deep_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DID_ROUTER_DIAL_PLANS", "[" * 100_000)
    with pytest.raises(SettingsError, match="too deep inside each other"):
        Settings.load(None)
