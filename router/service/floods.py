"""Keeps out, for a moment, who makes more new connections than a caller has any use for."""

import logging
import threading
import time

from router.service.arrivals import Arrivals, Network
from router.service.seldom import Seldom
from router.service.turnstile import MOST, Turnstile

log = logging.getLogger(__name__)
log.addFilter(Seldom())

_LOOK = 0.1
_PAUSE = 1.0
"""Seconds that somebody is kept out: after as many his kernel asks again."""
_AGAIN = 5.0
"""Seconds after which to look again where that failed: files and memory may run out for a moment only."""
_TOGETHER = 3
"""So many times what one may make, all may make together."""
_ONE = "more than %d new connections a second from %s (setting 'connection_rate'): kept out for a moment"
_ALL = "more than %d new connections a second (three times the setting 'connection_rate'): some wait for a second"
_BLIND = "new connections are not limited while this fails (setting 'connection_rate'), tried again soon: %s"


class FloodWatch:
    """Looks at one port, in a thread of its own.

    Args:
        rate: new connections a second that one origin may make.
    """

    def __init__(self, port: int, rate: int) -> None:
        self._rate = rate
        self._port = port
        self._turnstile = Turnstile(port)
        self._out: dict[Network, float] = {}
        """Who is kept out, and until when."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="floods", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let everybody in, and end."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        told = False
        while not self._stop.is_set():
            try:
                arrivals = Arrivals(self._port, self._rate)
                while not self._stop.wait(_LOOK):
                    self._look(arrivals)
                    told = False
            except (OSError, ValueError) as problem:
                if not told:
                    log.warning(_BLIND, problem)
                told = True
            finally:
                self._turnstile.open()
            self._stop.wait(_AGAIN)

    def _look(self, arrivals: Arrivals) -> None:
        made = arrivals.look()
        many = [who for who, count in made.items() if count > self._rate]
        now = time.monotonic()
        fresh = [who for who in many if who not in self._out]
        self._out = {who: until for who, until in self._out.items() if until > now}
        self._out |= dict.fromkeys(many[:MOST], now + _PAUSE)
        others = sum(count for who, count in made.items() if who not in self._out)
        share = min(1.0, _TOGETHER * self._rate / max(1.0, others))
        if self._out or share < 1:
            self._turnstile.keep_out(list(self._out), share)
        else:
            self._turnstile.open()
        if fresh:
            log.warning(_ONE, self._rate, fresh[0])
        if share < 1:
            log.warning(_ALL, _TOGETHER * self._rate)
