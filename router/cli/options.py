"""What the commands share: settings from flags, exit codes, and errors in one line."""

import functools
import logging
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

import click
import redis

from router.couch.errors import CouchError
from router.settings import Settings, SettingsError


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3


def settings_options(command: Callable[..., Any], *, usual_log_level: str = "warning") -> Callable[..., Any]:
    """Give a command --config, the stores' flags and --set; it receives `settings`."""

    @click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
    @click.option("--couchdb-url", metavar="URL", help="CouchDB, such as http://user:password@host:5984.")
    @click.option("--redis-url", metavar="URL", help="Redis, such as redis://host:6379/0.")
    @click.option("--redis-prefix", metavar="TEXT", help="Put before every Redis key.")
    @click.option("--set", "more", metavar="NAME=VALUE", multiple=True, help="Any other setting; repeatable.")
    @click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="What goes to stderr.",
    )
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        config: Path | None,
        couchdb_url: str | None,
        redis_url: str | None,
        redis_prefix: str | None,
        more: tuple[str, ...],
        log_level: str | None,
        **rest: Any,
    ) -> Any:
        set_up_logging(log_level or usual_log_level)
        flags: dict[str, Any] = dict(_pair(each) for each in more)
        flags |= {"couchdb_url": couchdb_url, "redis_url": redis_url, "redis_prefix": redis_prefix}
        flags |= {name: rest.pop(name) for name in ("listen", "admin_listen") if name in rest}
        return command(*args, settings=Settings.load(config, **flags), **rest)

    return wrapped


server_options = functools.partial(settings_options, usual_log_level="info")
"""The same for what runs until it is stopped."""


def set_up_logging(level: str) -> None:
    """Log to stderr, a line each."""
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def fail(message: str, code: Exit) -> None:
    """Say what to do, and exit.

    Raises:
        SystemExit: always.
    """
    click.echo(f"did-router: {message}", err=True)
    raise SystemExit(code)


class Group(click.Group):
    """Turns what can go wrong into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SettingsError as problem:
            fail(str(problem), Exit.USAGE)
        except redis.RedisError as problem:
            fail(
                f"Redis can't be reached: {_first_line(problem)} (see --redis-url, or did-router check)",
                Exit.UNREACHABLE,
            )
        except CouchError as problem:
            fail(f"{_first_line(problem)} (see --couchdb-url, or did-router check)", Exit.UNREACHABLE)
        except OSError as problem:
            fail(_first_line(problem), Exit.UNREACHABLE)
        return None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set wants NAME=VALUE, not '{text}'")
    return name.strip().replace("-", "_").lower(), value


def _first_line(problem: Exception) -> str:
    lines = str(problem).splitlines()
    return lines[0] if lines else type(problem).__name__
