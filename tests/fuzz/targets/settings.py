"""Settings from a TOML file, the environment and flags, and the stores' URLs with their passwords."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from router.numbers.normaliser import UnknownDialPlanError
from router.settings import NAMES, Settings, SettingsError, credentials
from router.settings.rules import build_rules_or_defaults
from router.settings.urls import without_password
from tests.fuzz.scratch import file
from tests.fuzz.source import parts, text
from tests.fuzz.target import Target

SECRET = "hunter2-s3cret"
_PREFIX = "DID_ROUTER_"
_URLS = ("http://", "https://", "redis://", "rediss://", "redis+sentinel://", "redis+cluster://", "htp://", "")


def check(data: bytes) -> None:
    """A settings file; lines of NAME=VALUE for the environment, and for flags; what follows a password in a URL."""
    toml, environment, flags, url = parts(data, 4)
    given = dict(_pairs(flags))
    reported = {**dict(_pairs(environment, upper=True))}
    if url:
        _with_a_password(url)
    with _environment({_PREFIX + name: value for name, value in reported.items()}):
        if toml or reported or given:
            _from_everywhere(toml, reported, given)


def _from_everywhere(toml: bytes, reported: dict[str, str], given: dict[str, Any]) -> None:
    try:
        settings = Settings.load(file("settings.toml", toml), **given)
    except SettingsError as problem:
        _is_one_line(problem)
        return
    if "redis_prefix" in given:
        assert settings.redis.prefix == given["redis_prefix"], "a flag goes over all"
    elif "REDIS_PREFIX" in reported:
        assert settings.redis.prefix == reported["REDIS_PREFIX"], "the environment goes over the file"
    _rules(settings)


def _rules(settings: Settings) -> None:
    if not (settings.dial_plans or settings.number_manager):
        return
    made = build_rules_or_defaults(settings, {"reconcile_regex": "("})
    for plan in ("", *settings.dial_plans):
        try:
            reported = made.normaliser.explain("02079460000", plan)
        except UnknownDialPlanError as problem:
            raise AssertionError(plan) from problem
        assert made.normaliser.e164("02079460000", plan) == (reported.number, reported.reconcilable)


def _with_a_password(rest: bytes) -> None:
    """Check that a password in any URL is in no message and in nothing shown."""
    kind, after = (rest[0] if rest else 0), text(rest[1:])
    if SECRET in after:  # the engine has seen it by now
        return
    url = f"{_URLS[kind % len(_URLS)]}user:{SECRET}{after}"
    name = "couchdb_url" if kind % len(_URLS) < 2 or kind & 64 else "redis_url"
    with _environment({}):
        try:
            settings = Settings.load(None, **{name: url})
        except SettingsError as problem:
            assert SECRET not in _is_one_line(problem)
            return
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in without_password(url)
    full = credentials.couchdb_url(settings) if name == "couchdb_url" else credentials.redis_url(settings)
    assert SECRET in full, "the store gets it"


def _is_one_line(problem: SettingsError) -> str:
    result = str(problem)
    assert result
    assert "\n" not in result, result
    return result


def _pairs(raw: bytes, *, upper: bool = False) -> Iterator[tuple[str, str]]:
    for line in text(raw).split("\n"):
        name, equals, value = line.partition("=")
        if equals and name and name.isascii() and name.isprintable():
            yield (name.upper() if upper else name.lower()), value


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_PREFIX)}
    try:
        for name, value in variables.items():
            os.environ[name] = value
        yield
    finally:
        for name in list(os.environ):
            if name.startswith(_PREFIX):
                del os.environ[name]
        os.environ.update(before)


TARGET = Target(
    "settings",
    check,
    dictionary=(
        *NAMES,
        *(f"[{group}]\n" for group in NAMES.groups),
        *(f"{name} = " for name in ("workers", "url", "listen", "stale_after", "routable_states")),
        b"\0",
        "\n",
        "[dial_plans.uk]\n",
        '[[dial_plans.uk.rules]]\nregex = "^0(\\\\d+)$"\nprefix = "+44"\n',
        'region = "GB"\n',
        "cleans = false\n",
        "[number_manager]\n",
        'reconcile_regex = "^\\\\+1"\n',
        "force_local_outbound = false\n",
        "[carriers.knm_other]\n",
        "[features.cnam]\n",
        "DIAL_PLANS__UK__REGION=GB",
        'NUMBER_MANAGER={"should_age":true}',
        "REDIS_PREFIX=x:",
        "@127.0.0.1:5984",
        "@/",
        "%2F",
        "?password=",
        "127.0.0.1:6379/0",
        "inf",
        "nan",
        "1979-05-27T07:32:00Z",
    ),
    longest=1200,
)
