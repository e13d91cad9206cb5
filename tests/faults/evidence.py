"""Evidence of a bad run, kept in a folder.

Without it the cause of a defect that shows once in a hundred runs is only guessed at.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import orjson

from router.entries.codec import unpack
from router.numbers.shards import shard_for
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import Keys
from tests.faults.deployment import ABSENT, NUMBERS, Deployment
from tests.faults.ledger import Answer, Claim, Ledger

_NUMBER = re.compile(r"\+\d{8,}")
_MOST_NAMED = 50
"""Numbers of messages that are read, each at every node; beside a node that hangs a read takes seconds."""
_TREE = {"open_revs": "all", "revs": True}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Keeps the evidence of a run in a folder.

    Attributes:
        folder: None: nothing is kept.
        answers: of the callers, who go on adding to them.
    """

    folder: Path | None
    deployment: Deployment
    ledger: Ledger
    answers: Sequence[Answer]

    def keep(self, report: Mapping[str, Any], began: float) -> None:
        """Write `numbers.json`, and copy the logs of all processes; a failure is printed.

        The file has the report, and the claims, answers, cache entry and leaves of the numbers that callers ask for,
        and of those that the report names.
        The cache and the nodes are read after the run, when the service had time to repair itself.
        Times are this process' wall clock, `HH:MM:SS.mmm` in UTC.

        Args:
            began: monotonic time at which the faults began; 0 where they did not.
        """
        if self.folder is None:
            return
        try:
            self._write(self.folder, report, began)
        except Exception as problem:  # noqa: BLE001 - the report matters more
            click.echo(f"no evidence was kept: {problem!r}", err=True)

    def _write(self, folder: Path, report: Mapping[str, Any], began: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for program in self.deployment.programs:
            if program.log.exists():
                shutil.copy(program.log, folder)
        known: dict[str, Any] = {"report": report, "faults_began": _at(began) if began else None}
        numbers, answers = _numbers(report), sorted(self.answers, key=lambda each: each.began)
        entries = _attempted(lambda: _entries(self.deployment, numbers))
        for number in numbers:
            known[number] = {
                "claims": [_claim(each) for each in self.ledger.claims(number)],
                "answers": [_answer(each) for each in answers if each.number == number],
                "redis": entries[number] if isinstance(entries, dict) else entries,
                "nodes": [_attempted(partial(_leaves, couch, number)) for couch in _nodes(self.deployment)],
            }
        (folder / "numbers.json").write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2))


def _numbers(report: Mapping[str, Any]) -> list[str]:
    messages = [str(report.get(part, "")) for part in ("wrong", "different", "problem")]
    named = [number for message in messages for number in _NUMBER.findall(message)]
    return list(dict.fromkeys((*NUMBERS, *ABSENT, *named[:_MOST_NAMED])))


def _attempted(read: Callable[[], Any]) -> Any:
    """Return what is read, or the error: evidence of the rest is worth having."""
    try:
        return read()
    except Exception as problem:  # noqa: BLE001 - see above
        return repr(problem)


def _nodes(deployment: Deployment) -> list[Any]:
    return [deployment.databases.client] if deployment.cluster is None else deployment.cluster.each


def _leaves(couch: Any, number: str) -> Any:
    """Read the leaves as one node reports them, which asks other copies, too."""
    return couch.request("GET", [str(shard_for(number)), number], **_TREE)


def _entries(deployment: Deployment, numbers: Sequence[str]) -> dict[str, Any]:
    reader = EntryReader(deployment.client(), Keys(deployment.settings().redis.prefix))
    return dict(zip(numbers, map(_decoded, reader.entries(numbers)), strict=True))


def _decoded(value: bytes | None) -> Any:
    entry = unpack(value) if value else None
    if entry is None:
        return value.hex() if value else None
    written = time.strftime("%H:%M:%S", time.gmtime(entry.written))
    return {"revision": entry.revision, "account": entry.account_id, "kind": entry.kind.decode(), "written": written}


def _claim(claim: Claim) -> dict[str, Any]:
    flags = {name: getattr(claim, name) for name in ("quiet", "void", "contested", "settles")}
    acknowledged = None if claim.acknowledged is None else _at(claim.acknowledged)
    return {"account": claim.account, "sent": _at(claim.sent), "acknowledged": acknowledged, **flags}


def _answer(answer: Answer) -> list[object]:
    flags = [name for name in ("flagged", "authoritative", "direct") if getattr(answer, name)]
    return [_at(answer.began), _at(answer.ended), answer.account, answer.why, *flags]


def _at(monotonic: float) -> str:
    wall = time.time() - time.monotonic() + monotonic
    return time.strftime("%H:%M:%S", time.gmtime(wall)) + f".{int(wall % 1 * 1000):03}"
