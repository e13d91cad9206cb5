"""The first line of a results file: which input and options its results belong to."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from router.bulk.rows import InvalidFileError

MAX_HEADER_BYTES = 1 << 20
"""Bytes of a first line that are read; a header is far shorter."""
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Header:
    """A run's command and input; a different run never resumes its results.

    Attributes:
        options: the command and its options, by name.
        fingerprint: of the input's bytes; empty: the input can't be read twice.
    """

    options: Mapping[str, Any]
    fingerprint: str

    def as_json(self, started: int) -> dict[str, Any]:
        """Return the first line of a run that began at this time, in Gregorian seconds."""
        return {"did_router": _VERSION, "started": started, "input": self.fingerprint, **self.options}


def fingerprint(path: Path) -> str:
    """Return the fingerprint of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def check_header(line: bytes, path: Path, header: Header) -> int:
    """Check that a results file's first line belongs to this run.

    Returns:
        Gregorian seconds when the first run began.

    Raises:
        InvalidFileError: the file belongs to another run, or holds no results.
    """
    expected = orjson.loads(orjson.dumps(header.as_json(0)))
    try:
        actual = orjson.loads(line)
        started = int(actual["started"])
        version = actual["did_router"]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise InvalidFileError(
            f"{path} holds something other than results: name another --output, or remove it"
        ) from None
    if version != _VERSION:
        raise InvalidFileError(f"{path} was written by another version: name another --output")
    if actual.get("input") != expected["input"]:
        raise InvalidFileError(
            f"{path} has the results of another input (or of this one before it was changed): "
            "name another --output, or remove it"
        )
    other = [name for name in expected if name != "started" and actual.get(name) != expected[name]]
    if other:
        raise InvalidFileError(
            f"{path} has results of a run with another {', '.join(other)} ({actual.get(other[0])}): "
            "give the same options to go on, or name another --output"
        )
    return started


def check_is_dry_run(path: Path) -> None:
    """Check that a file holds a dry run's results, which the next dry run may replace.

    Raises:
        InvalidFileError: the file holds anything else.
    """
    with path.open("rb") as file:
        line = file.readline(MAX_HEADER_BYTES)
    try:
        actual = orjson.loads(line)
    except orjson.JSONDecodeError:
        actual = None
    if not isinstance(actual, dict) or actual.get("dry_run") is not True:
        raise InvalidFileError(f"{path} holds something other than a dry run's results: name another --output")
