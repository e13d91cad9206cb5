"""Opens what observes a worker's calls, as the settings ask for it."""

from router.server.observation.call_records import CallLog
from router.server.observation.lookups import Recorder
from router.settings import Settings


def open_call_log(settings: Settings) -> CallLog | None:
    """Return the call log; None where the settings ask for none."""
    log = settings.log
    if not (log.call_kinds or log.sample_rate):
        return None
    return CallLog(masked=log.numbers == "masked")


def open_recorder(settings: Settings, call_log: CallLog | None) -> Recorder:
    """Return what decides which lookups are recorded."""
    log = settings.log
    return Recorder(
        slow_call=log.slow_call,
        call_log=call_log,
        logs_refused="refused" in log.call_kinds,
        logs_slow="slow" in log.call_kinds,
        sample_every=round(1 / log.sample_rate) if log.sample_rate else 0,
    )
