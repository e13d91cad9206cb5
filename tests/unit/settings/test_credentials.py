"""Users and passwords of the stores: from URLs, settings and files."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import redis

from router.settings import Settings, SettingsError
from router.settings.credentials import couchdb_url, redis_url, sentinel_login
from router.stores.clients import Stores

SECRET = "p@ss:w/rd?#%ü é"


def _loaded(**given: Any) -> Settings:
    return Settings.load(None, **given)


def test_couchdbs_come_from_settings_of_their_own() -> None:
    parts = urlsplit(
        couchdb_url(_loaded(couchdb_url="https://db.example", couchdb_user="a@b", couchdb_password=SECRET))
    )
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("a@b", SECRET)
    assert parts.hostname == "db.example"


def test_user_in_the_url_counts() -> None:
    assert couchdb_url(_loaded(couchdb_url="http://eve@h:5984", couchdb_user="bob", couchdb_password="x")) == (
        "http://eve:x@h:5984"
    )


def test_password_in_the_url_counts_before_all(tmp_path: Path) -> None:
    given = {"couchdb_password_file": tmp_path / "none", "redis_password": "x"}
    settings = _loaded(couchdb_url="http://a:b@h:5984", redis_url="redis://:c@h/0", **given)
    assert (couchdb_url(settings), redis_url(settings)) == ("http://a:b@h:5984", "redis://:c@h/0")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_files_hold_passwords(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(f"{SECRET}{ending}".encode())
    settings = _loaded(couchdb_user="a", couchdb_password_file=file, redis_password_file=file)
    for url in (couchdb_url(settings), redis_url(settings)):
        assert unquote(urlsplit(url).password or "") == SECRET


@pytest.mark.parametrize(
    "url",
    ["redis://h:1/0", "rediss://h:1/0", "redis://u@h:1/0", "unix:///run/r.sock?db=1", "unix://u@/run/r.sock?db=1"],
)
def test_redis_itself_reads_the_password(url: str) -> None:
    client = redis.Redis.from_url(redis_url(_loaded(redis_url=url, redis_password=SECRET)))
    assert client.connection_pool.connection_kwargs["password"] == SECRET
    assert client.connection_pool.connection_kwargs.get("username") == ("u" if "u@" in url else None)


def test_sentinel_and_cluster_read_it_too() -> None:
    url = redis_url(_loaded(redis_url="redis+sentinel://a:1,b:2/m/0", redis_user="u", redis_password=SECRET))
    client: Any = Stores(_loaded(redis_url=url)).redis
    assert client.connection_pool.connection_kwargs["password"] == SECRET
    assert redis_url(_loaded(redis_url="redis+cluster://h:1", redis_password="x")) == "redis+cluster://:x@h:1"


def test_sentinels_have_logins_of_their_own(tmp_path: Path) -> None:
    url = "redis+sentinel://:masters@a:1,b:2/m/0"
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    assert sentinel_login(_loaded(redis_url=url, redis_password=SECRET)) is None
    assert sentinel_login(_loaded(redis_url=url, sentinel_password=SECRET)) == ("", SECRET)
    assert sentinel_login(_loaded(redis_url=url, sentinel_user="u", sentinel_password_file=file)) == ("u", SECRET)


def test_sentinel_login_without_sentinels_is_none() -> None:
    assert sentinel_login(_loaded(redis_url="redis://h:1/0", sentinel_password=SECRET)) is None


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"couchdb_password": SECRET}, "'couchdb_user' is missing"),
        ({"redis_password": SECRET, "redis_password_file": "one"}, "'redis_password' and 'redis_password_file' both"),
        (
            {"redis_url": "redis+sentinel://h/m", "sentinel_password": SECRET, "sentinel_password_file": "one"},
            "'sentinel_password' and 'sentinel_password_file' both",
        ),
        ({"redis_password_file": "none"}, "'redis_password_file': .*: No such file"),
        ({"redis_password_file": "empty"}, "must hold one line"),
        ({"redis_password_file": "two"}, "must hold one line"),
        ({"redis_password_file": "binary"}, "is not UTF-8"),
    ],
)
def test_unusable_credential_is_reported_without_its_value(
    tmp_path: Path, given: dict[str, Any], reported: str
) -> None:
    (tmp_path / "one").write_text(SECRET)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "two").write_text(f"{SECRET}\n{SECRET}\n")
    (tmp_path / "binary").write_bytes(SECRET.encode() + b"\xff")
    given = {name: tmp_path / value if name.endswith("_file") else value for name, value in given.items()}
    with pytest.raises(SettingsError, match=reported) as problem:
        Stores(_loaded(**given))
    assert SECRET not in str(problem.value)
    assert "ss:w" not in str(problem.value)


def test_settings_shown_show_none() -> None:
    settings = _loaded(couchdb_user="a", couchdb_password="s3cret", redis_password="s3cret", sentinel_password="s3cret")
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump_json()}"
