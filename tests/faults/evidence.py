"""Evidence of a bad run, kept in a folder: without it a defect that shows once in a hundred runs is only guessed at."""

import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from router.entries.codec import unpack
from router.numbers.shards import shard_for
from router.redis_store.keys import Keys
from tests.faults.deployment import NUMBERS, Deployment
from tests.faults.ledger import Answer, Claim, Ledger

_NUMBER = re.compile(r"\+\d+")
_TREE = {"open_revs": "all", "revs": True}


def keep(
    folder: Path, deployment: Deployment, ledger: Ledger, answers: Iterable[Answer], messages: Iterable[str]
) -> None:
    """Write `numbers.json` and the logs of the service and the follower.

    The file has the claims, answers, cache entry and leaves of the numbers that callers ask for, and of those that
    messages name.
    All times are of the wall clock, as in the logs: `HH:MM:SS.mmm` in UTC.
    """
    numbers = {*NUMBERS, *(number for message in messages for number in _NUMBER.findall(message))}
    folder.mkdir(parents=True, exist_ok=True)
    for program in (deployment.service, deployment.follower):
        shutil.copy(program.log, folder)
    asked = [answer for answer in answers if answer.number in numbers]
    known = {number: _known(deployment, ledger, number, asked) for number in sorted(numbers)}
    (folder / "numbers.json").write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2))


def _known(deployment: Deployment, ledger: Ledger, number: str, answers: Iterable[Answer]) -> dict[str, Any]:
    own = [answer for answer in answers if answer.number == number]
    return {
        "claims": [_claim(each) for each in ledger.claims(number)],
        "answers": [_answer(each) for each in sorted(own, key=lambda each: each.began)],
        "redis": _attempted(lambda: _entry(deployment, number)),
        "nodes": [_attempted(lambda couch=couch: _leaves(couch, number)) for couch in _nodes(deployment)],
    }


def _attempted(read: Any) -> Any:
    """Return what is read, or the error: evidence of the rest is worth having."""
    try:
        return read()
    except Exception as problem:  # noqa: BLE001 - see above
        return repr(problem)


def _nodes(deployment: Deployment) -> list[Any]:
    return [deployment.databases.client] if deployment.cluster is None else deployment.cluster.each


def _leaves(couch: Any, number: str) -> Any:
    return couch.request("GET", [str(shard_for(number)), number], **_TREE)


def _entry(deployment: Deployment, number: str) -> Any:
    value = deployment.client().get(Keys(deployment.settings().redis.prefix).number(number))
    entry = unpack(value) if value else None
    if entry is None:
        return value.hex() if value else None
    written = time.strftime("%H:%M:%S", time.gmtime(entry.written))
    return {"revision": entry.revision, "account": entry.account_id, "kind": entry.kind.hex(), "written": written}


def _claim(claim: Claim) -> dict[str, Any]:
    flags = {name: getattr(claim, name) for name in ("quiet", "void", "contested", "settles")}
    acknowledged = None if claim.acknowledged is None else _at(claim.acknowledged)
    return {"account": claim.account, "sent": _at(claim.sent), "acknowledged": acknowledged, **flags}


def _answer(answer: Answer) -> list[object]:
    flags = [name for name in ("flagged", "authoritative") if getattr(answer, name)]
    return [_at(answer.began), _at(answer.ended), answer.account, answer.why, *flags]


def _at(monotonic: float) -> str:
    wall = time.time() - time.monotonic() + monotonic
    return time.strftime("%H:%M:%S", time.gmtime(wall)) + f".{int(wall % 1 * 1000):03}"
