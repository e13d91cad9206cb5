"""Near caches and their entries, for the tests of one."""

from router.near_cache.cache import NearEntry
from router.trust.monitor import TrustMonitor
from router.trust.trust import UNAVAILABLE

NUMBER, OTHER = "+14158867900", "+14420000001"


def receiving_monitor() -> TrustMonitor:
    """Return a trust monitor whose connection of the invalidations stands."""
    made = TrustMonitor()
    made.set_receives_invalidations(receives=True)
    return made


def is_trusted(trust: TrustMonitor) -> bool:
    """Return whether the near cache may be used."""
    return trust.current.near is not UNAVAILABLE


def near_entry(answer: bytes = b"answer") -> NearEntry:
    """Return an entry of an account that is not disabled."""
    return NearEntry("1" * 32, answer, None)
