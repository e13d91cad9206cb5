"""Formats of the log: one line a record, as text or JSON, with times in UTC (RFC 3339)."""

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from router.runtime.masking import mask_numbers

_PLACEHOLDER = re.compile(r"(?:\b(?P<key>[a-z_]+)=)?%[-+ 0#]*\d*(?:\.\d+)?(?P<kind>[a-zA-Z%])")
_EVENT_END = re.compile(r"[%:;,()]")
_NO_WORD = re.compile(r"[^a-z0-9]+")
_MAX_EVENT_WORDS = 8


class TextFormatter(logging.Formatter):
    """Formats a record as a line for people.

    Args:
        masked: mask telephone numbers.
    """

    def __init__(self, *, masked: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._masked = masked

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Return a record's time."""
        del datefmt
        return _time(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line, and a traceback below it."""
        text = super().format(record)
        return mask_numbers(text) if self._masked else text


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object.

    `event` names what happened: `extra={"event": …}`, else the first words of the message's template, which are the
    same in each record. `keys` holds the values that the template names, such as store in "… opened: store=%s".

    Args:
        masked: mask telephone numbers.
    """

    def __init__(self, *, masked: bool = False) -> None:
        super().__init__()
        self._masked = masked

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "worker": record.processName,
            "pid": record.process,
            "event": getattr(record, "event", None) or event_of(str(record.msg)),
            "message": record.getMessage(),
        }
        if keys := getattr(record, "keys", None) or keys_of(record):
            line["keys"] = keys
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if self._masked:
            line = {name: _masked(value) for name, value in line.items()}
        return orjson.dumps(line, default=str).decode()


def configure_logging(level: str | int, form: str = "text", *, masked: bool = False) -> None:
    """Log to stderr in a format, in place of what was configured before.

    Args:
        form: `text` or `json`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(masked=masked) if form == "json" else TextFormatter(masked=masked))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def event_of(template: str) -> str:
    """Return the first words of a message's template, joined by underscores."""
    start = _EVENT_END.split(template.strip(), maxsplit=1)[0]
    parts = [part for part in _NO_WORD.split(start.lower().replace("'", "")) if part]
    return "_".join(parts[:_MAX_EVENT_WORDS]) or "message"


def keys_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the arguments of a record that its template names."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    names = [match["key"] for match in _PLACEHOLDER.finditer(str(record.msg)) if match["kind"] != "%"]
    if len(names) != len(arguments):
        return {}
    return {name: _plain(value) for name, value in zip(names, arguments, strict=True) if name is not None}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(each) for name, each in value.items()}
    return mask_numbers(value) if isinstance(value, str) else value
