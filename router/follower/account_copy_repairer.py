"""Mends account copies of numbers that changed, beside the follower's way: an account's slow database stops no one.

What the follower applies is noted in Redis before its checkpoint moves, so it is looked at even if everything stops
in between. Where too much waits, all copies are compared instead.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping

import redis

from router.account_copies import AccountCopies, CopiesMode
from router.account_copies.comparison import CopiesComparison
from router.couch.errors import CouchError, NotFoundError
from router.redis_store.pending_copies import ALL_NUMBERS, PendingCopies, split_field
from router.runtime.backoff import RECONNECT
from router.settings import Settings
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_BATCH_SIZE = 200
_POLL_INTERVAL, _IDLE_POLL_INTERVAL = 0.25, 2.0
"""Seconds between looks; less often while all that waits is at rest."""
_PAGE_SIZE = 1000
_MAX_BACKOFF, _COMPARISON_BACKOFF = 60.0, 600.0


def pending_copies(settings: Settings, stores: Stores) -> PendingCopies | None:
    """Where to note numbers that change; None when nobody is to mend their copies."""
    if not settings.follower.account_copies or settings.manager.account_copies is CopiesMode.NONE:
        return None
    return PendingCopies(stores.redis, stores.keys)


class AccountCopyRepairer:
    """Works off what was noted, in a thread of its own, until closed.

    A number whose copies can't be written rests for a while, longer each time, and stays noted.
    """

    def __init__(self, settings: Settings, stores: Stores, pending: PendingCopies) -> None:
        self._databases = stores.databases
        self._copies = AccountCopies(stores.databases, settings.manager.account_copies)
        self._pending = pending
        self._stop = threading.Event()
        self._failures: defaultdict[str, int] = defaultdict(int)
        self._resting: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="account-copies", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after what is being written."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        failures = 0
        wait = _POLL_INTERVAL
        while not self._stop.wait(wait):
            try:
                idle = self._pass()
                failures, wait = 0, _IDLE_POLL_INTERVAL if idle else _POLL_INTERVAL
            except (CouchError, redis.RedisError) as problem:
                failures, wait = failures + 1, RECONNECT.delay(failures + 1)
                log.warning("account copies wait: %s", problem)
            except Exception:
                failures, wait = failures + 1, RECONNECT.delay(failures + 1)
                log.exception("mending account copies failed")

    def _pass(self) -> bool:
        """Look at everything that waits, once; whether all of it rests."""
        waiting = worked = 0
        for batch in self._pending.batches(_BATCH_SIZE):
            if self._stop.is_set():
                break
            waiting += 1
            worked += self._work_off(batch)
        return waiting > worked == 0

    def _work_off(self, batch: dict[str, str]) -> bool:
        """Mend what does not rest; whether there was any."""
        everything = batch.pop(ALL_NUMBERS, None)
        now = time.monotonic()
        compares = everything is not None and self._resting.get(ALL_NUMBERS, 0.0) <= now
        if everything is not None and compares and self._compared_all():
            self._pending.remove({ALL_NUMBERS: everything})
        also: defaultdict[str, set[str]] = defaultdict(set)
        for number, account in map(split_field, batch):
            if self._resting.get(number, 0.0) <= now:
                also[number].update({account} - {""})
        if not also:
            return compares
        failed = self._copies.mend(also, also)
        self._rest(failed)
        done = {
            field: token
            for field, token in batch.items()
            if (number := split_field(field)[0]) in also and number not in failed
        }
        self._pending.remove(done)
        for number in also.keys() - failed.keys():
            self._failures.pop(number, None)
            self._resting.pop(number, None)
        return True

    def _rest(self, failed: Mapping[str, str]) -> None:
        for number, why in failed.items():
            self._failures[number] += 1
            wait = min(_MAX_BACKOFF, 2.0 ** min(self._failures[number], 10))
            self._resting[number] = time.monotonic() + wait
            log.warning("account copies of %s wait %.0f s: %s", number, wait, why)

    def _compared_all(self) -> bool:
        """Compare every account's copies with every number; False where it has to be done again, after a rest."""
        log.info("comparing all account copies: too many numbers changed to look at one by one")
        try:
            done = self._compare_all()
        except CouchError as problem:
            log.warning("account copies can't be compared: %s", problem)
            done = False
        if not done:
            self._resting[ALL_NUMBERS] = time.monotonic() + _COMPARISON_BACKOFF
        return done

    def _compare_all(self) -> bool:
        comparison = CopiesComparison(self._databases, self._copies)
        for name in self._databases.shards():
            try:
                for page in self._databases.database(name).all_documents(_PAGE_SIZE):
                    if self._stop.is_set():
                        return False
                    comparison.note(page)
            except NotFoundError:
                continue
        found = comparison.find()
        standing = comparison.mend(found)
        self._pending.add((each.number, each.account) for each, why in standing.items() if why and each.certain)
        for account, why in comparison.unread.items():
            log.warning("the copies of account %s can't be read: %s", account, why)
        log.info("%d account copies differed; %d still do", len(found), sum(map(bool, standing.values())))
        return not comparison.unread
