"""Processes that a test freezes, lets go on, or kills."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

_DEADLINE = 10.0  # seconds
_POLL_INTERVAL = 0.002


def freeze(process: int) -> None:
    """Stop a process (SIGSTOP) and wait until none of its threads runs.

    `kill` alone is not enough: only the first thread to be scheduled begins the stop, and on a loaded
    machine another thread may still answer a call in between.

    Raises:
        AssertionError: a thread still ran after 10 s.
    """
    os.kill(process, signal.SIGSTOP)
    end = time.monotonic() + _DEADLINE
    while not _is_frozen(process):
        assert time.monotonic() < end, f"process {process} did not stop"
        time.sleep(_POLL_INTERVAL)


def thaw(process: int) -> None:
    """Let a frozen process go on (SIGCONT), if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGCONT)


def kill(processes: Iterable[int]) -> None:
    """Kill processes (SIGKILL) and wait until they have ended, since their ports are theirs until then.

    Raises:
        AssertionError: one still ran after 10 s.
    """
    ending = list(processes)
    for process in ending:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    end = time.monotonic() + _DEADLINE
    while any(not _has_ended(process) for process in ending):
        assert time.monotonic() < end, f"of the processes {ending} one did not end"
        time.sleep(_POLL_INTERVAL)


def _has_ended(process: int) -> bool:
    """Return whether no thread of it is left; a zombie's first one is, and holds nothing any more."""
    try:
        return all(_state(task) in "ZX" for task in Path(f"/proc/{process}/task").iterdir())
    except FileNotFoundError:
        return True


def _is_frozen(process: int) -> bool:
    return all(_state(task) in "TZX" for task in Path(f"/proc/{process}/task").iterdir())


def _state(task: Path) -> str:
    """Return the state letter of one thread (proc(5)); a thread that ended while it was looked at is dead."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
