"""Shared by the commands: settings from flags, exit codes, and errors as one line."""

import functools
import json
import math
import os
import re
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from router.couch.errors import CouchError
from router.settings.errors import SettingsError

# redis, and the settings with pydantic, take longer to import than all else that `lookup` needs: functions here import
# them when they are needed.

_NO_NAME = re.compile(r"[^\w.-]")


class OutputFile(click.Path):
    """A file to write: its folder must exist, and it must be writable."""

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True, allow_dash=allow_dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; wrong usage if no file can be written there."""
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
            self.fail(f"no file can be made in {str(folder)!r}: it is not writable", param, ctx)
        return path


STANDARD_OUTPUT = Path("-")
OUTPUT = OutputFile(allow_dash=True)
"""A command's main output; `-` is standard output."""
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


_OWN_FLAGS = (
    "listen",
    "admin_listen",
    "http_listen",
    "workers",
    "transport",
    "insecure",
    "follower_account_copies",
    "console_listen",
    "console_services",
    "console_instances",
    "follower_admin_listen",
)
"""Settings with a flag of their own in some commands."""


def settings_options(command: Callable[..., Any], *, usual_log_level: str = "warning") -> Callable[..., Any]:
    """Give a command --config, the stores' flags and --set; it receives `settings`."""

    @click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="TOML file with settings (docs/configuration.md).",
    )
    @click.option("--couchdb-url", metavar="URL", help="URL of CouchDB, such as http://user:password@host:5984.")
    @click.option("--redis-url", metavar="URL", help="URL of Redis, such as redis://host:6379/0.")
    @click.option("--redis-prefix", metavar="TEXT", help="Prefix of every Redis key.")
    @click.option("--set", "more", metavar="NAME=VALUE", multiple=True, help="Any other setting; repeatable.")
    @click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="Least severe log level that goes to stderr.",
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
        # A missing flag must not override --set; one that may be repeated is empty then.
        flags |= {
            name: value for name, value in own.items() if value or (value is not None and not isinstance(value, tuple))
        }
        settings = Settings.load(config, **flags)
        log = settings.log
        set_up_logging(log_level or usual_log_level, log.format, masked=log.numbers == "masked")
        return command(*args, settings=settings, **rest)

    return wrapped


server_options = functools.partial(settings_options, usual_log_level="info")
"""Like `settings_options`, with the log level info, for commands that run until they are stopped."""


def set_up_logging(level: str, form: str = "text", *, masked: bool = False) -> None:
    """Log to stderr, one line per record."""
    from router.runtime.log_format import configure_logging  # noqa: PLC0415 - see above

    configure_logging(level.upper(), form, masked=masked)


def fail(message: str, code: Exit) -> NoReturn:
    """Print a message with its remedy, and exit.

    Raises:
        SystemExit: always.
    """
    click.echo(f"did-router: {message}", err=True)
    raise SystemExit(code)


class Group(click.Group):
    """Turns expected exceptions into one line and an exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments before the command's name."""
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
    """Return redis-py's message as one line, without its objects."""
    from redis.exceptions import AuthenticationError  # noqa: PLC0415 - see above
    from redis.sentinel import MasterNotFoundError  # noqa: PLC0415 - see above

    message = _first_line(problem)
    if not isinstance(problem, MasterNotFoundError):
        return message
    message, _, sentinels = message.partition(" : ")
    if AuthenticationError.__name__ in sentinels:
        return f"{message}: a sentinel wants another password (settings sentinel_user, sentinel_password)"
    return message


def as_text(argument: str) -> str:
    """Return a command-line argument as text; bytes that aren't UTF-8 become U+FFFD, which no number contains."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _wrong_usage(problem: click.UsageError) -> None:
    if isinstance(problem, NoArgsIsHelpError):
        return  # click prints the help
    command = problem.ctx.command_path if problem.ctx is not None else "did-router"
    message = " ".join(problem.format_message().split())
    fail(f"{message} (see {command} --help)", Exit.USAGE)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        # The text after the name may be a password.
        shown = _NO_NAME.split(text, maxsplit=1)[0]
        raise click.UsageError(f"--set needs NAME=VALUE, not '{shown}'", click.get_current_context(silent=True))
    return name.strip().replace("-", "_").lower(), _value(value)


def _value(text: str) -> Any:
    """Parse lists and tables as JSON, as in the environment; everything else is text."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _first_line(problem: Exception) -> str:
    lines = str(problem).splitlines()
    return lines[0] if lines else type(problem).__name__
