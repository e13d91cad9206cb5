"""The cost of metrics and traces in Python, a call: the work on a hit, without the library around it.

python -m benchmarks.observation_in_process

The fastest of many repetitions counts, so other load on the machine hardly matters. The native library's own metrics
are not included: benchmarks.observation_cost measures a whole service, and needs a quiet machine.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from router.lookup.queued_call import CALL, CLIENT, QueuedCall
from router.lookup.sources.near import NearCacheSource
from router.near_cache.cache import NearEntry
from router.server.auth.authorizer import Authorizer
from router.server.auth.tokens import LOOKUP, TokenFile, line_for
from router.server.calls.batcher import Batcher
from router.server.calls.native import NativeCallSource
from router.server.observation.lookups import Recorder
from router.server.observation.observation import Observation
from router.server.observation.tracing import Tracer
from router.trust.trust import FRESH

_BATCH, _BATCHES = 40, 8
"""Calls in a batch, as the load of observation_cost makes them; and batches in a repetition."""
_REPETITIONS = 5000
_UNSAMPLED = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
_AGENT, _PARENT, _TOKEN = ("user-agent", "grpc"), ("traceparent", _UNSAMPLED.decode()), ("authorization", "Bearer x")


class _Stand:
    """Stands for a call source, a lookup, the near cache and an exporter, as far as a hit needs them."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__ |= fields

    def attach(self, *_: object) -> None:
        """Take nothing from the batcher."""

    def respond(self, *_: object) -> bool:
        """Send nothing."""
        return True


def main() -> None:
    """Run it."""
    plain, traced = _calls("ipv4:127.0.0.1:5", (_AGENT,)), _calls(_UNSAMPLED, (_AGENT, _PARENT))
    token, both = (_calls(b"Bearer x", (_AGENT, *more, _TOKEN)) for more in ((), (_PARENT,)))
    tracer = Tracer(_Stand(), sample_every=0)  # type: ignore[arg-type]
    _show("metrics", _hit(plain, counts=False), _hit(plain))
    _show("traces, no traceparent", _hit(plain), _hit(plain, tracer=tracer))
    _show("traces, unsampled", _hit(traced), _hit(traced, tracer=tracer))
    _show("traces, no traceparent, tokens", _hit(token), _hit(token, tracer=tracer, watches=False))
    _show("traces, unsampled, tokens", _hit(both), _hit(both, tracer=tracer, watches=False))
    with tempfile.TemporaryDirectory() as folder:
        for tokens in (1, 4):
            file = Path(folder, str(tokens))
            _show(
                f"calls by token, {tokens} in a batch",
                _authorized(file, tokens, counts=False),
                _authorized(file, tokens),
            )


def _show(name: str, without: Callable[[], float], observed: Callable[[], float]) -> None:
    pairs = [(without(), observed()) for _ in range(3)]
    before, after = (min(times) * 1e9 / (_BATCH * _BATCHES) for times in zip(*pairs, strict=True))
    print(f"{name:32}{after - before:5.0f} ns a call, of {after:.0f}")


def _calls(client: str | bytes, metadata: tuple[tuple[str, str], ...]) -> list[Sequence[QueuedCall]]:
    def call(number: int) -> QueuedCall:
        return CALL, number, 0, b"number %d" % number, client, (tuple(map(_copy, metadata)), "ipv4:127.0.0.1:5", 0.9)

    return [[call(batch * _BATCH + place) for place in range(_BATCH)] for batch in range(_BATCHES)]


def _copy(header: tuple[str, str]) -> tuple[str, str]:
    """Each call has its own strings, as the library makes them."""
    return header[0].encode().decode(), header[1].encode().decode()


def _hit(
    batches: list[Sequence[QueuedCall]],
    *,
    counts: bool = True,
    tracer: Tracer | None = None,
    watches: bool = True,
) -> Callable[[], float]:
    account = sys.intern("1" * 32)
    entries = {call[3]: NearEntry(account, bytes(120), None) for batch in batches for call in batch}
    near = _Stand(by_request=entries, generation=0)
    accounts = _Stand(enabled_accounts={account}, held_enabled=None)
    source: Any = NearCacheSource(near, accounts, None)  # type: ignore[arg-type]
    observation = Observation(Recorder(slow_call=1), tracer)
    batcher = Batcher(
        _Stand(watches_traceparent=watches),  # type: ignore[arg-type]
        _Stand(near_cache=source, trust=_Stand(near=FRESH)),  # type: ignore[arg-type]
        batch_size=64,
        max_waiting=64,
        default_timeout=1.0,
        observation=observation,
        protocol="grpc",
    )
    # The parts of a private loop are measured.
    if not counts:
        batcher._observer.near_routes = lambda _: None  # noqa: SLF001
    answer, batches_seen = batcher._answer_from_memory, batcher._batches  # noqa: SLF001

    def act(calls: Sequence[QueuedCall]) -> None:
        began = time.perf_counter()
        answer(calls)
        if counts:
            batches_seen.add(len(calls), time.perf_counter() - began)

    return lambda: _fastest(batches, act)


def _authorized(file: Path, tokens: int, *, counts: bool = True) -> Callable[[], float]:
    """Return the check of verified tokens alone."""
    secrets = [f"didr_{number:043}" for number in range(tokens)]
    file.write_text("\n".join(line_for(f"switch-{each[-1]}", each, (LOOKUP,)) for each in secrets))
    authorizer = Authorizer(TokenFile(file))
    if not counts:
        authorizer.count_calls = lambda *_: None  # type: ignore[method-assign]
    source = NativeCallSource.__new__(NativeCallSource)  # it opens nothing
    batches = [
        [(*call[:4], f"Bearer {secrets[place % tokens]}".encode(), call[5]) for place, call in enumerate(batch)]
        for batch in _calls("", (_AGENT, _TOKEN))
    ]
    for call in batches[0]:
        authorizer.refuse(LOOKUP, call[CLIENT], "grpc")
    return lambda: _fastest(batches, lambda calls: source._drop_unauthorized(authorizer, calls))  # noqa: SLF001


def _fastest(batches: Sequence[Sequence[QueuedCall]], act: Callable[[Sequence[QueuedCall]], object]) -> float:
    """Return the seconds of the fastest of many repetitions."""
    least = 1.0
    for _ in range(_REPETITIONS):
        start = time.perf_counter()
        for calls in batches:
            act(calls)
        least = min(least, time.perf_counter() - start)
    return least


if __name__ == "__main__":
    main()
