"""Passwords, tokens and keys are shown nowhere: every command, every page and every way to fail is looked through."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from tests.cli.command import (
    DOCUMENTS,
    NOWHERE,
    SERVE,
    Ran,
    Start,
    databases_at,
    run,
    run_all,
    run_here,
    serving,
)
from tests.integration.tokens import Tokens
from tests.support.waiting import eventually
from tests.topologies import servers

MARK = "S3cretMark"
COUCHDB, REDIS, SENTINEL = f"c@{MARK}:/?#ü", f"r@{MARK}:/?#ü", f"s@{MARK}:/?#ü"
WRONG = f"w@{MARK}/"
DEBUG = ("--log-level", "debug")


@dataclass(frozen=True)
class Stores:
    """A CouchDB and a Redis that want passwords, and files that hold them."""

    couchdb: EmbeddedCouchDB
    redis: EmbeddedRedis
    folder: Path

    @property
    def couchdb_address(self) -> str:
        """Without credentials."""
        return f"http://127.0.0.1:{self.couchdb.url.rpartition(':')[2]}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Passwords from files."""
        return self.with_files("couchdb", "redis")

    def with_files(self, couchdb: str, redis_: str) -> tuple[str, ...]:
        """Flags that name the stores and these password files."""
        sets = (
            "couchdb_user=admin",
            f"couchdb_password_file={self.folder / couchdb}",
            f"redis_password_file={self.folder / redis_}",
        )
        flags = ("--couchdb-url", self.couchdb_address, "--redis-url", self.redis.url)
        return (*flags, *(part for each in sets for part in ("--set", each)))

    @property
    def environment(self) -> dict[str, str]:
        """Passwords from the environment."""
        return {
            "DID_ROUTER_COUCHDB_URL": self.couchdb_address,
            "DID_ROUTER_COUCHDB_USER": "admin",
            "DID_ROUTER_COUCHDB_PASSWORD": COUCHDB,
            "DID_ROUTER_REDIS_URL": self.redis.url,
            "DID_ROUTER_REDIS_PASSWORD": REDIS,
        }

    @property
    def urls(self) -> tuple[str, ...]:
        """Passwords in URLs."""
        couchdb = self.couchdb_address.replace("//", f"//admin:{quote(COUCHDB, safe='')}@")
        return "--couchdb-url", couchdb, "--redis-url", self.redis.url.replace("//", f"//:{quote(REDIS, safe='')}@")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Stores]:
    for name, content in (("couchdb", COUCHDB), ("redis", REDIS), ("wrong", WRONG)):
        (tmp_path / name).write_text(f"{content}\n")
    with EmbeddedRedis() as cache, EmbeddedCouchDB(password=COUCHDB, lock_seconds=0.01) as couchdb:
        databases = databases_at(couchdb.url)
        for name, documents in DOCUMENTS.items():
            databases.database(name).create()
            databases.database(name).put_many(documents)
        redis.Redis.from_url(cache.url).config_set("requirepass", REDIS)
        yield Stores(couchdb, cache, tmp_path)


def _nothing_shown(result: dict[str, Ran]) -> None:
    shown = {name: each.out + each.err for name, each in result.items() if MARK in each.out + each.err}
    assert shown == {}
    traces = {name: each.err for name, each in result.items() if "Traceback" in each.err}
    assert traces == {}


def test_secrets_given_in_any_way_work_and_stay_hidden(guarded: Stores) -> None:
    result = run_all({"files": ["check", *guarded.flags, *DEBUG], "urls": ["check", *guarded.urls, *DEBUG]})
    result["environment"] = run("check", *DEBUG, seconds=60, stdin=b"", **guarded.environment)

    for each in result.values():
        assert "ok   CouchDB" in each.out
        assert "BAD  Redis" not in each.out
    assert "admin:***@" in result["urls"].out
    _nothing_shown(result)


def test_secrets_stay_hidden_in_every_command(guarded: Stores) -> None:
    flags = (*guarded.flags, *DEBUG)
    rows = guarded.folder / "rows.csv"
    rows.write_text("e164\n+14158867999\n")
    account = ("--auth-by", "system")
    result = run_all(
        {
            "warm": ["warm", "--verify", *flags],
            "audit": ["audit", *flags],
            "normalise": ["normalise", "--cluster", "4158867900", *flags],
            "export": ["export", *flags],
            "import": ["import", str(rows), *account, "--account", "1" * 32, *flags],
            "number": ["number", "show", "+14158867900", *flags],
        }
    )
    assert {name: each.err for name, each in result.items() if each.code == 2} == {}
    assert result["warm"].code == result["audit"].code == 0
    _nothing_shown(result)


def test_secrets_stay_hidden_in_every_error(guarded: Stores, tmp_path: Path) -> None:
    wrong = guarded.with_files("wrong", "wrong")
    quoted = quote(COUCHDB, safe="")
    nobody = ("--couchdb-url", NOWHERE.replace("//", f"//a:{quoted}@"), "--redis-url", f"redis://:{quoted}@127.0.0.1:1")
    couchdb_at_redis = guarded.redis.url.replace("redis://", f"http://a:{quoted}@").removesuffix("/0")
    redis_at_couchdb = guarded.couchdb_address.replace("http://", f"redis://:{quoted}@")
    confused = ("--couchdb-url", couchdb_at_redis, "--redis-url", redis_at_couchdb)
    commands = ("check", "audit")
    files = {
        "unquoted": f"[couchdb]\npassword = {MARK}",
        "unknown": f'[couchdb]\npasword = "{MARK}"',
        "typed": f'[redis]\npassword = ["{MARK}"]',
        "plug-in": f'[carriers.knm_other]\ntoken = ["{MARK}"]\n',
        "number": f'[lookup]\nbatch_size = "{MARK}"',
    }
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    (tmp_path / "tokens").write_text(f"switch {MARK} lookup\n")
    (tmp_path / "two").write_text(f"{MARK}\n{MARK}\n")
    (tmp_path / "token").write_text(MARK)
    (tmp_path / "key").write_text(f"-----BEGIN PRIVATE KEY-----\n{MARK}\n")
    tls = ("--set", f"tls_certificate={tmp_path / 'key'}", "--set", f"tls_key={tmp_path / 'key'}")
    result = run_all(
        {
            **{f"{name}: wrong passwords": [name, *wrong, *DEBUG] for name in commands},
            **{f"{name}: nobody there": [name, *nobody, *DEBUG] for name in commands},
            **{f"{name}: something else there": [name, *confused, *DEBUG] for name in commands},
        }
    )
    result |= {
        name: run_here(*arguments)
        for name, arguments in {
            **{f"file: {name}": ("check", "--config", str(tmp_path / f"{name}.toml")) for name in files},
            "a password that ran over": ("check", "--couchdb-url", f"http://a:{MARK}/x@h"),
            "a port that is none": ("check", "--redis-url", f"redis://:{MARK}@h:port/0"),
            "Sentinel without a service": ("check", "--redis-url", f"redis+sentinel://:{MARK}@h:1"),
            "a pair without =": ("check", "--set", f"couchdb_password:{MARK}"),
            "two lines": ("check", *guarded.with_files("couchdb", "two")),
            "tokens that are none": ("serve", *guarded.flags, "--set", f"token_file={tmp_path / 'tokens'}"),
            "a key that is none": ("serve", *guarded.flags, *tls),
            "several lines for a token": ("lookup", "--token-file", str(tmp_path / "key"), "1"),
            "nobody to show a token": (
                "lookup",
                "--token-file",
                str(tmp_path / "token"),
                "--target",
                "127.0.0.1:1",
                "1",
            ),
        }.items()
    }
    result["environment"] = run_here("check", DID_ROUTER_CARRIERS=f'{{"knm_other": "{MARK}')
    result["a number"] = run_here("check", DID_ROUTER_BATCH_SIZE=MARK)

    assert {name for name, each in result.items() if each.code == 0} == set()
    assert "DID_ROUTER_CARRIERS is not JSON" in result["environment"].complaint
    assert "--set needs NAME=VALUE, not 'couchdb_password'" in result["a pair without ="].complaint
    _nothing_shown(result)


def test_secrets_stay_hidden_in_servers_without_stores(guarded: Stores, start: Start) -> None:
    tokens = Tokens(guarded.folder / "tokens", boss="lookup,admin")
    token = tokens.plain["boss"]
    more = ("--with-follower", "--set", f"token_file={tokens.path}", "--set", "shutdown_grace_period=0")
    running = serving(start(*SERVE, *more, *guarded.flags, *DEBUG))
    running.process.wait_for("readiness: ready:")
    seen = [running.page(path, token) for path in ("/state", "/metrics", "/readyz", "/healthz")]
    asked = ("--target", running.target)
    result = {
        "lookup": run("lookup", *asked, "4158867900", DID_ROUTER_TOKEN=token),
        "explain": run("explain", *asked, "4158867900", DID_ROUTER_TOKEN=token),
        "a stranger": run("lookup", *asked, "4158867900", DID_ROUTER_TOKEN=f"{token}{MARK}"),
    }
    assert (result["lookup"].code, result["explain"].code, result["a stranger"].code) == (0, 0, 2)
    assert running.status("/nope", token) == 404

    tokens.path.write_text(f"boss {MARK} lookup\n")
    cache: Any = redis.Redis.from_url(guarded.redis.url, password=REDIS)
    cache.config_set("requirepass", f"another {MARK}")
    cache.execute_command("CLIENT KILL TYPE normal")
    running.process.wait_for("tokens not reloaded")
    eventually(lambda: "Redis: " in running.page("/state", token))
    guarded.couchdb.stop()
    eventually(lambda: "CouchDB: " in running.page("/state", token))
    seen += [running.page(path, token) for path in ("/state", "/metrics")]
    assert running.status("/readyz", token) == 503
    result["explain without stores"] = run("explain", *asked, "4158867900", DID_ROUTER_TOKEN=token)
    running.process.end(signal.SIGTERM)
    lines = "\n".join((*seen, *running.process.lines))
    assert len(running.process.lines) > 10, "the log was looked through"
    assert MARK not in lines
    assert token not in lines
    assert "Traceback" not in lines
    _nothing_shown(result)
    assert not any(token in each.out + each.err for each in result.values())


def test_sentinel_password_stays_hidden(guarded: Stores, tmp_path: Path, start: Start) -> None:
    (tmp_path / "sentinel").write_text(SENTINEL)
    with servers.sentinel(tmp_path, master_password=REDIS, own_password=SENTINEL) as url:
        stores = (*guarded.flags, "--redis-url", url, *DEBUG)
        right = (*stores, "--set", f"sentinel_password_file={tmp_path / 'sentinel'}")
        wrong = (*stores, "--set", f"sentinel_password_file={tmp_path / 'wrong'}")
        result = run_all(
            {
                "check: right": ["check", *right],
                "check: typed": ["check", *stores, "--set", f"sentinel_password={SENTINEL}"],
                "check: none": ["check", *stores],
                "check: wrong": ["check", *wrong],
                "audit: wrong": ["audit", *wrong],
                "check: both": ["check", *right, "--set", f"sentinel_password={SENTINEL}"],
            }
        )
        running = serving(start(*SERVE, "--with-follower", "--set", "shutdown_grace_period=0", *wrong))
        eventually(lambda: "No master found for 'calls'" in running.page("/state"))
        seen = [running.page(path) for path in ("/state", "/metrics", "/readyz")]
        running.process.end(signal.SIGTERM)

    assert {name for name, each in result.items() if "BAD  Redis" in each.out} == {"check: none", "check: wrong"}
    for name in ("check: none", "check: wrong"):
        assert "a sentinel wants another password (settings sentinel_user, sentinel_password)" in result[name].out
    assert "a sentinel wants another password" in result["audit: wrong"].err
    assert "'sentinel_password' and 'sentinel_password_file' both" in result["check: both"].err
    lines = "\n".join((*seen, *running.process.lines))
    assert "the sentinels can't name the Redis master" in lines, "the log was looked through"
    assert MARK not in lines
    _nothing_shown(result)
