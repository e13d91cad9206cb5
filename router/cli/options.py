"""What the commands share: settings from flags, exit codes, and errors in one line."""

import functools
import json
import logging
import math
import os
import re
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from router.couch.errors import CouchError
from router.settings.errors import SettingsError

# redis, and the settings with pydantic, take longer to import than all else that `lookup` needs: functions here import
# them when they are needed.

_NO_NAME = re.compile(r"[^\w.-]")


class OutputFile(click.Path):
    """A file that a command will write: its folder is there, and it may be written."""

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True, allow_dash=allow_dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; wrong usage where no file can be made there."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = path.parent
        if path == STANDARD_OUTPUT and self.allow_dash:
            return path
        if path == STANDARD_OUTPUT:
            self.fail("it can't go to standard output: name a file", param, ctx)
        if not folder.is_dir():
            self.fail(
                f"there is no folder {str(folder)!r} to write {path.name!r} in: make it, or name another", param, ctx
            )
        if not path.exists() and not os.access(folder, os.W_OK):
            self.fail(f"no file can be made in {str(folder)!r}: it is not writable for us", param, ctx)
        return path


STANDARD_OUTPUT = Path("-")
OUTPUT = OutputFile(allow_dash=True)
"""Where a command writes what it was asked for; `-` is standard output."""
RESULTS = OutputFile()


class Seconds(click.FloatRange):
    """A deadline: a number of seconds, up to a day."""

    def __init__(self) -> None:
        super().__init__(min=0, max=24 * 60 * 60)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the seconds; wrong usage for `nan`, which no range refuses."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


SECONDS = Seconds()


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3


_OWN_FLAGS = ("listen", "admin_listen", "http_listen", "workers", "transport", "insecure", "follower_account_copies")
"""Settings for which single commands have a flag."""


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
        from router.settings import Settings  # noqa: PLC0415 - see above

        set_up_logging(log_level or usual_log_level)
        flags = dict(_pair(each) for each in more)
        own = {"couchdb_url": couchdb_url, "redis_url": redis_url, "redis_prefix": redis_prefix}
        own |= {name: rest.pop(name) for name in _OWN_FLAGS if name in rest}
        # A flag that was not given must not take away what --set says.
        flags |= {name: value for name, value in own.items() if value is not None}
        return command(*args, settings=Settings.load(config, **flags), **rest)

    return wrapped


server_options = functools.partial(settings_options, usual_log_level="info")
"""The same for what runs until it is stopped."""


def set_up_logging(level: str) -> None:
    """Log to stderr, a line each."""
    from router.settings import LOG_FORMAT  # noqa: PLC0415 - see above

    logging.basicConfig(level=level.upper(), stream=sys.stderr, format=LOG_FORMAT)


def fail(message: str, code: Exit) -> None:
    """Say what to do, and exit.

    Raises:
        SystemExit: always.
    """
    click.echo(f"did-router: {message}", err=True)
    raise SystemExit(code)


class Group(click.Group):
    """Turns what can go wrong into one line and an exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what stands before the command's name."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as problem:
            _wrong_usage(problem)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as problem:
            _wrong_usage(problem)
            raise
        except SettingsError as problem:
            fail(str(problem), Exit.USAGE)
        except _redis_error() as problem:
            fail(
                f"Redis can't be reached: {redis_message(problem)} (see --redis-url, or did-router check)",
                Exit.UNREACHABLE,
            )
        except CouchError as problem:
            fail(f"{_first_line(problem)} (see --couchdb-url, or did-router check)", Exit.UNREACHABLE)
        except OSError as problem:
            fail(_first_line(problem), Exit.UNREACHABLE)
        return None


def _redis_error() -> type[Exception]:
    """Return the class of what redis-py raises; called while an exception that isn't known yet passes by."""
    from redis import RedisError  # noqa: PLC0415 - see above

    return RedisError


def redis_message(problem: Exception) -> str:
    """What redis-py said, in one line and without its objects."""
    from redis.exceptions import AuthenticationError  # noqa: PLC0415 - see above
    from redis.sentinel import MasterNotFoundError  # noqa: PLC0415 - see above

    said = _first_line(problem)
    if not isinstance(problem, MasterNotFoundError):
        return said
    said, _, sentinels = said.partition(" : ")
    if AuthenticationError.__name__ in sentinels:
        return f"{said}: a sentinel wants another password (settings sentinel_user, sentinel_password)"
    return said


def as_text(argument: str) -> str:
    """A command-line argument as text: bytes that aren't UTF-8 become U+FFFD, which no number holds."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _wrong_usage(problem: click.UsageError) -> None:
    if isinstance(problem, NoArgsIsHelpError):
        return  # click shows the help
    command = problem.ctx.command_path if problem.ctx is not None else "did-router"
    said = " ".join(problem.format_message().split())
    fail(f"{said} (see {command} --help)", Exit.USAGE)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        # What follows the name may be a password.
        shown = _NO_NAME.split(text, maxsplit=1)[0]
        raise click.UsageError(f"--set wants NAME=VALUE, not '{shown}'", click.get_current_context(silent=True))
    return name.strip().replace("-", "_").lower(), _value(value)


def _value(text: str) -> Any:
    """Lists and tables come as JSON, as in the environment; everything else is text."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _first_line(problem: Exception) -> str:
    lines = str(problem).splitlines()
    return lines[0] if lines else type(problem).__name__
