"""The results of a run, a JSON object a line, which are its journal too: a run that was killed goes on from them.

The first line names the input and the options; `begun` lines say up to which line rows were being done, before
they are, and under `early` which results are known of rows whose turn to be written has not come; `copies` lines say
that the account copies of all rows above them are written; every other line is one row's result, in the order of the
input.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeGuard

import orjson

from router.bulk.results import LATER
from router.bulk.rows import InvalidFileError

_VERSION = 2
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """What a run does, and to what: another one never goes on from its results.

    Attributes:
        what: the command and its options, by name.
        fingerprint: of the input's bytes; empty where they can't be read twice.
    """

    what: Mapping[str, Any]
    fingerprint: str

    def as_json(self, started: int) -> dict[str, Any]:
        """The first line."""
        return {"did_router": _VERSION, "started": started, "input": self.fingerprint, **self.what}


@dataclass(slots=True)
class PreviousRun:
    """What an earlier run left.

    Attributes:
        done_to: the line of the last row that has a result; 0 for none.
        started: Gregorian seconds when the first run began.
        begun: for windows without all results, up to which line, and row → `_rev` of its number before it was done
            (empty: no document).
        statuses: how many results of each status.
        copies_wait: numbers whose account copies were left for later, and not written since, with the accounts that
            their documents may not name any more.
        early: row → its result, for rows that were done and have no result line yet.
    """

    done_to: int = 0
    started: int = 0
    begun: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    copies_deferred: dict[str, list[str]] = field(default_factory=dict)
    early: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def begun_to(self) -> int:
        """The line of the last row that was begun; 0 for none."""
        return max((line for line, _ in self.begun), default=0)

    @property
    def revisions(self) -> dict[str, str]:
        """Row → `_rev` of its number before it was begun, of rows that may have no result."""
        return {row: revision for _, known in self.begun for row, revision in known.items()}

    @property
    def rows(self) -> int:
        """How many results it has."""
        return sum(self.statuses.values())

    def waiting(self) -> dict[str, list[str]]:
        """`copies_deferred`, and the same of the rows whose result is early."""
        found = {number: list(accounts) for number, accounts in self.copies_deferred.items()}
        for result in self.early.values():
            _let_wait(found, result)
        return found


def fingerprint(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


class Journal:
    """The results file, open for more.

    Args:
        file: at its end.
        earlier: what it holds already.
    """

    def __init__(self, file: BinaryIO | None, previous: PreviousRun) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.previous = previous

    @classmethod
    def open(cls, path: Path | None, header: Header, now: int, *, afresh: bool = False) -> Self:
        """Begin a results file, or go on with one.

        Args:
            path: None: results are kept nowhere.
            now: Gregorian seconds.
            afresh: what an earlier dry run left there counts for nothing.

        Raises:
            FileRefused: it holds something else.
        """
        if path is None:
            return cls(None, PreviousRun(started=now))
        file = _alone_with(path)
        try:
            return cls._at_its_end(file, path, header, now, afresh=afresh)
        except BaseException:
            with suppress(OSError):  # what could not be written can't be when it is closed
                file.close()
            raise

    @classmethod
    def _at_its_end(cls, file: BinaryIO, path: Path, header: Header, now: int, *, afresh: bool) -> Self:
        there = path.stat().st_size > 0
        if there and afresh:
            _check_replaceable(path)
            file.truncate(0)
        if there and not afresh:
            previous, end = _read(path, header)
            file.truncate(end)  # a line that was cut in the middle
            return cls(file, previous)
        journal = cls(file, PreviousRun(started=now))
        journal._write([header.as_json(now)], sync=True)
        return journal

    def begin(
        self,
        line: int,
        revisions: Mapping[str, str] | None = None,
        early: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Note, before they are done, that rows up to this line are.

        Args:
            revisions: row → `_rev` of its number before; empty: no document.
            early: results of rows of the same window that are done.
        """
        said: dict[str, Any] = {"begun": line}
        if revisions is not None:
            said["revisions"] = revisions
        if early:
            said["early"] = early
        self._write([said], sync=True)

    def results(self, results: Iterable[Mapping[str, Any]]) -> None:
        """Note what became of rows."""
        self._write(results, sync=False)

    def copies(self, failed_copies: Mapping[str, str]) -> None:
        """Note that the account copies of all rows that have a result are written, but for these numbers' (why not)."""
        self._write([{"copies": "written", "behind": failed_copies}], sync=False)

    def close(self) -> None:
        """Make it lasting."""
        if self._file is not None:
            self._write((), sync=True)
            self._file.close()

    def _write(self, lines: Iterable[Mapping[str, Any]], *, sync: bool) -> None:
        if self._file is None:
            return
        try:
            with self._lock:  # windows that are under way at a time begin their waves when they come to them
                self._file.write(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
                self._file.flush()
            if sync and self._file.seekable():
                os.fdatasync(self._file.fileno())
        except OSError as problem:
            words = f"{problem.strerror}: no more results can be written; make room and run it again, it goes on there"
            raise OSError(problem.errno, words, self._file.name) from None


def _alone_with(path: Path) -> BinaryIO:
    """The file, whatever it holds; nobody else writes it meanwhile: two runs would tear each other's lines.

    Raises:
        FileRefused: somebody else does.
    """
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise InvalidFileError(
            f"another run is writing {path}: wait until it is done, or name another --output"
        ) from None
    except OSError:
        return file  # some network file systems know no locks
    return file


def _read(path: Path, header: Header) -> tuple[PreviousRun, int]:
    """What it holds, and where its last whole line ends."""
    with path.open("rb") as file:
        first = file.readline(_CHUNK)
        previous = PreviousRun(started=_checked(first, path, header))
        end = len(first)
        for line in file:
            if not line.endswith(b"\n"):
                break
            _take(line, previous, path)
            end += len(line)
    return previous, end


def _take(line: bytes, previous: PreviousRun, path: Path) -> None:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or not _is_taken(said, previous):
        raise InvalidFileError(f"{path} has a line that no run wrote: name another --output, or remove it")


def _is_taken(said: Mapping[str, Any], previous: PreviousRun) -> bool:
    """Take a line in; false where no run wrote it."""
    if "begun" in said:
        line, revisions, early = said["begun"], said.get("revisions", {}), said.get("early", [])
        if not _is_line(line) or not isinstance(revisions, dict) or not _are_texts(revisions.values()):
            return False
        if not isinstance(early, list) or not all(_is_result(each, previous) for each in early):
            return False
        previous.early |= {each["row"]: each for each in early}
        previous.begun = [each for each in previous.begun if each[0] > previous.done_to]
        previous.begun.append((line, revisions))
        return True
    if "row" not in said and "copies" in said:
        previous.copies_deferred.clear()
        return True
    if not _is_result(said, previous):
        return False
    row, status = said["row"], said["status"]
    previous.done_to = row
    previous.early.pop(row, None)
    _let_wait(previous.copies_deferred, said)
    previous.statuses[status] = previous.statuses.get(status, 0) + 1
    return True


def _is_result(said: object, previous: PreviousRun) -> bool:
    """Whether a run wrote this, of a row that has no result yet.

    In the order of the input: a row that stood out of it would have rows before it done twice, or never.
    """
    if not isinstance(said, Mapping):
        return False
    row, accounts = said.get("row"), said.get("copies_of")
    return (
        _is_line(row)
        and row > previous.done_to
        and isinstance(said.get("number", ""), str)
        and isinstance(said.get("status"), str)
        and (accounts is None or (isinstance(accounts, list) and _are_texts(accounts)))
    )


def _let_wait(waiting: dict[str, list[str]], result: Mapping[str, Any]) -> None:
    """Take in a result whose account copies were left for later."""
    if result.get("copies") == LATER:
        accounts = waiting.setdefault(result.get("number", ""), [])
        accounts += [each for each in result.get("copies_of") or () if each not in accounts]


def _is_line(value: object) -> TypeGuard[int]:
    return type(value) is int and value > 0


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(each, str) for each in values)


def _check_replaceable(path: Path) -> None:
    """A dry run writes over a dry run's results, and over nothing else.

    Raises:
        FileRefused: it holds something that was not a dry run.
    """
    with path.open("rb") as file:
        first = file.readline(_CHUNK)
    try:
        said = orjson.loads(first)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or said.get("dry_run") is not True:
        raise InvalidFileError(f"{path} holds something other than a dry run's results: name another --output")


def _checked(first: bytes, path: Path, header: Header) -> int:
    """When it was begun.

    Raises:
        FileRefused: it is another run's, or no results at all.
    """
    wanted = orjson.loads(orjson.dumps(header.as_json(0)))
    try:
        said = orjson.loads(first)
        started = int(said["started"])
        version = said["did_router"]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise InvalidFileError(
            f"{path} holds something other than results: name another --output, or remove it"
        ) from None
    if version != _VERSION:
        raise InvalidFileError(f"{path} was written by another version: name another --output")
    if said.get("input") != wanted["input"]:
        raise InvalidFileError(
            f"{path} has the results of another input (or of this one before it was changed): "
            "name another --output, or remove it"
        )
    other = [name for name in wanted if name != "started" and said.get(name) != wanted[name]]
    if other:
        raise InvalidFileError(
            f"{path} has results of a run with another {', '.join(other)} ({said.get(other[0])}): "
            "give the same options to go on, or name another --output"
        )
    return started
