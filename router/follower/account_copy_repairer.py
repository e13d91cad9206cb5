"""Repairs the account copies of changed numbers, apart from the follower: an account's slow database delays no entry.

The follower records each changed number in Redis before its checkpoint moves, so the repairer finds it even after a
crash. Where too many numbers are recorded, all copies are compared instead.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Mapping

import redis

from router.account_copies import AccountCopies, CopiesMode
from router.account_copies.comparison import CopiesComparison
from router.couch.errors import CouchError, NotFoundError
from router.redis_store.pending_copies import ALL_NUMBERS, PendingCopies, split_field
from router.runtime.background_thread import BackgroundThread
from router.runtime.backoff import Backoff
from router.settings import Settings
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_BATCH_SIZE = 200
_POLL_INTERVAL, _IDLE_POLL_INTERVAL = 0.25, 2.0
"""Seconds between two passes; the longer one while every recorded number backs off."""
_PAGE_SIZE = 1000
_BACKOFF = Backoff(initial=1.0, maximum=60.0, jitter=False)
"""Of a number whose copies could not be repaired."""
_COMPARISON_BACKOFF = 600.0
"""Seconds until the next comparison of all copies."""


def pending_copies(settings: Settings, stores: Stores) -> PendingCopies | None:
    """Return the record of changed numbers; None where no copies are kept or repaired."""
    if not settings.follower.account_copies or settings.manager.account_copies is CopiesMode.NONE:
        return None
    return PendingCopies(stores.redis, stores.keys)


class AccountCopyRepairer:
    """Repairs the copies of recorded numbers, in a thread of its own, until closed.

    A number whose copies can't be written backs off, longer each time, and stays recorded.
    """

    def __init__(self, settings: Settings, stores: Stores, pending: PendingCopies) -> None:
        self._couch = stores.databases
        self._copies = AccountCopies(stores.databases, settings.manager.account_copies)
        self._pending = pending
        self._failures: defaultdict[str, int] = defaultdict(int)
        self._retry_at: dict[str, float] = {}
        self._thread = BackgroundThread(
            "account-copies",
            self._turn,
            failing="repairing account copies failed",
            interval=_POLL_INTERVAL,
            log=log,
            starts_at_once=False,
            expected=(CouchError, redis.RedisError),
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the current write."""
        self._thread.stop()
        self._thread.join(5)

    def _turn(self) -> float:
        return _IDLE_POLL_INTERVAL if self._work_through() else _POLL_INTERVAL

    def _work_through(self) -> bool:
        """Work through the recorded numbers once; return whether all of them back off."""
        waiting = worked = 0
        for batch in self._pending.batches(_BATCH_SIZE):
            if self._thread.stopping:
                break
            waiting += 1
            worked += self._repair_batch(batch)
        return waiting > worked == 0

    def _repair_batch(self, batch: dict[str, str]) -> bool:
        """Repair the copies of numbers that don't back off; return whether there were any."""
        everything = batch.pop(ALL_NUMBERS, None)
        now = time.monotonic()
        compares = everything is not None and self._retry_at.get(ALL_NUMBERS, 0.0) <= now
        if everything is not None and compares and self._try_compare_all():
            self._pending.remove({ALL_NUMBERS: everything})
        accounts: defaultdict[str, set[str]] = defaultdict(set)
        for number, account in map(split_field, batch):
            if self._retry_at.get(number, 0.0) <= now:
                accounts[number].update({account} - {""})
        if not accounts:
            return compares
        failed = self._copies.repair(accounts, accounts)
        self._back_off(failed)
        done = {
            field: token
            for field, token in batch.items()
            if (number := split_field(field)[0]) in accounts and number not in failed
        }
        self._pending.remove(done)
        for number in accounts.keys() - failed.keys():
            self._failures.pop(number, None)
            self._retry_at.pop(number, None)
        return True

    def _back_off(self, failed: Mapping[str, str]) -> None:
        for number, reason in failed.items():
            self._failures[number] += 1
            wait = _BACKOFF.delay(self._failures[number])
            self._retry_at[number] = time.monotonic() + wait
            log.warning("account copies wait: number=%s again_in=%.0f reason=%s", number, wait, reason)

    def _try_compare_all(self) -> bool:
        """Compare every account's copies with every number; False where it has to be repeated after a back-off."""
        log.info("comparing all account copies: too many numbers changed to check one by one")
        try:
            done = self._compare_all()
        except CouchError as problem:
            log.warning("account copies can't be compared: error=%s", problem)
            done = False
        if not done:
            self._retry_at[ALL_NUMBERS] = time.monotonic() + _COMPARISON_BACKOFF
        return done

    def _compare_all(self) -> bool:
        comparison = CopiesComparison(self._couch, self._copies)
        for name in self._couch.shards():
            try:
                for page in self._couch.database(name).all_documents(_PAGE_SIZE):
                    if self._thread.stopping:
                        return False
                    comparison.note(page)
            except NotFoundError:
                continue
        found = comparison.find()
        unrepaired = comparison.repair(found)
        self._pending.add((each.number, each.account) for each, reason in unrepaired.items() if reason and each.certain)
        for account, reason in comparison.unread.items():
            log.warning("account copies can't be read: account=%s reason=%s", account, reason)
        log.info("account copies repaired: accounts=%d unrepaired=%d", len(found), sum(map(bool, unrepaired.values())))
        return not comparison.unread
