"""Users and passwords of the stores, from the URL, from settings of their own, or from a file."""

from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from router.settings.errors import SettingsError
from router.settings.settings import Settings

_MAX_BYTES = 4096
"""Bytes of a password file; a larger file holds no password."""


def couchdb_url(settings: Settings) -> str:
    """Return CouchDB's URL with its credentials, which must not be shown.

    Raises:
        SettingsError: a password file that can't be read, or a password without a user.
    """
    url = settings.couchdb.url
    if _has_password(url):
        return url
    password = _password(settings.couchdb.password, settings.couchdb.password_file, "couchdb_password")
    user = urlsplit(url).username or quote(settings.couchdb.user, safe="")
    if password and not user:
        raise SettingsError("setting 'couchdb_user' is missing: CouchDB's password belongs to a user")
    return _with(url, user, password)


def redis_url(settings: Settings) -> str:
    """Return Redis' URL with its credentials, which must not be shown.

    Raises:
        SettingsError: a password file that can't be read.
    """
    url = settings.redis.url
    if _has_password(url):
        return url
    password = _password(settings.redis.password, settings.redis.password_file, "redis_password")
    return _with(url, _user_of(url) or quote(settings.redis.user, safe=""), password)


def sentinel_login(settings: Settings) -> tuple[str, str] | None:
    """Return user and password of the sentinels themselves; None where there are none.

    Raises:
        SettingsError: a password file that can't be read.
    """
    if not settings.redis.url.startswith("redis+sentinel://"):
        return None
    password = _password(settings.sentinel.password, settings.sentinel.password_file, "sentinel_password")
    return (settings.sentinel.user, password) if settings.sentinel.user or password else None


def _password(given: SecretStr, file: Path | None, name: str) -> str:
    if file is None:
        return given.get_secret_value()
    if given.get_secret_value():
        raise SettingsError(f"settings '{name}' and '{name}_file' both give a password: keep one of them")
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
        password = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as problem:
        raise SettingsError(f"setting '{name}_file': {file}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"setting '{name}_file': {file} is not UTF-8 text") from None
    if not password or "\n" in password or len(content) > _MAX_BYTES:
        raise SettingsError(f"setting '{name}_file': {file} must hold one line, the password and nothing else")
    return password


def _has_password(url: str) -> bool:
    return ":" in urlsplit(url).netloc.rpartition("@")[0] or "password=" in urlsplit(url).query


def _user_of(url: str) -> str:
    """Return the user in a URL, which may name several hosts, as for Sentinel."""
    return urlsplit(url).netloc.rpartition("@")[0]


def _with(url: str, user: str, password: str) -> str:
    if not user and not password:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    colon = f":{quote(password, safe='')}" if password else ""
    return urlunsplit(parts._replace(netloc=f"{user}{colon}@{host}"))
