"""Contestants by turns: each is started, checked, measured under its loads, and stopped, before the next one."""

import subprocess
from collections.abc import Callable, Sequence

import grpc

from benchmarks import probe
from benchmarks.arena import Arena
from benchmarks.contestants import Contestant
from benchmarks.drive import fill, turn
from benchmarks.figures import Load, Results, Turn
from benchmarks.generator import LoadError
from benchmarks.peers.build import BuildError
from benchmarks.probe_udp import WrongAnswer
from benchmarks.processes import Server, StartError, free_port

_FILLING_TURNS = 6
"""A quick look fills quickly: some of what is called is not near then."""

Rate = Callable[[Load], float]
_FAILURES = (BuildError, StartError, LoadError, WrongAnswer, grpc.RpcError, subprocess.TimeoutExpired)
"""Errors that must not end the run of the other contestants."""


class Match:
    """Plays turns and keeps what they showed; who can't take part is skipped with the reason, once."""

    def __init__(self, results: Results, say: Callable[[str], None] = print) -> None:
        self._results = results
        self._say = say

    def play(
        self,
        arena: Arena,
        who: Contestant,
        loads: Sequence[Load],
        *,
        seconds: float,
        rate: Rate = lambda _load: 0.0,
    ) -> None:
        """One contestant's turn: every load of these, one after the other, on one start."""
        if who.name in self._results.skipped:
            return
        reason = who.missing()
        if reason is not None:
            self._skip(who, reason)
            return
        try:
            self._play(arena, who, loads, seconds, rate)
        except _FAILURES as problem:
            self._skip(who, str(problem))

    def _play(self, arena: Arena, who: Contestant, loads: Sequence[Load], seconds: float, rate: Rate) -> None:
        if who.tool == "redis":
            for load in loads:
                self._keep(turn(arena, who, arena.redis_pid, 0, load, seconds=seconds, rate=0.0))
            return
        port = free_port()
        with Server(who.start(arena, port), port, udp=who.udp) as server:
            if who.tool == "grpc":
                probe.wait_for_workers(port, who.workers)
            probe.check(arena, who, port)
            if who.filling:
                fill(arena, who, port, min(who.filling, _FILLING_TURNS * seconds))
            for load in loads:
                wanted = rate(load)
                if load.share and not wanted:
                    continue  # the capacity that it is a share of is not known
                self._keep(turn(arena, who, server.pid, port, load, seconds=seconds, rate=wanted))

    def _skip(self, who: Contestant, reason: str) -> None:
        self._results.skipped[who.name] = reason
        self._say(f"  {who.name}: skipped: {reason}")

    def _keep(self, made: Turn) -> None:
        self._results.add(made)
        tail = "".join(f", p{share} {made.percentiles[share]:.2f} ms" for share in ("50", "99") if made.percentiles)
        bad = f", {made.wrong:,} wrong, {made.lost:,} lost" if made.wrong or made.lost else ""
        self._say(
            f"  {made.contestant}, {made.load}: {made.rate:,.0f}/s, {made.per_cpu:,.0f} per CPU-second"
            f" (Redis {made.redis:.2f} cores, generator {made.generator:.2f}){tail}{bad}"
        )
