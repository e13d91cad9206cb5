"""`make edge-faults`: calls lost while workers, certificates and whole services are replaced, as a table."""

import sys
from collections.abc import Callable

import click

from tests.edge.callers import Callers
from tests.edge.deployment import Instance, Stores, instance, stores
from tests.edge.faults import Polled, freeze_worker, kill_worker, renew_certificate, replace_workers, wait_settled


@click.command()
@click.option("--times", type=int, default=10, help="Of each fault.")
@click.option("--restarts", type=int, default=20, help="Of two instances in turns.")
def main(times: int, restarts: int) -> None:
    """Do it under load, with TLS, and print what callers lost."""
    click.echo("| fault | times | calls answered | calls lost | slowest |\n| --- | --- | --- | --- | --- |")
    lost = 0
    with stores() as shared:
        with instance(shared) as service:
            service.wait_whole()
            faults: dict[str, Callable[[Callers], None]] = {
                "SIGHUP: both workers replaced": lambda callers: replace_workers(service, callers),
                "a worker killed (SIGKILL)": lambda callers: kill_worker(service, callers),
                "a worker hangs for a second (SIGSTOP)": lambda callers: freeze_worker(service, callers),
                "the certificate renewed": lambda callers: renew_certificate(service, shared, callers),
            }
            for name, fault in faults.items():
                lost += _row(name, times, fault, service)
        lost += _restarts(shared, restarts)
    sys.exit(bool(lost))


def _row(name: str, times: int, fault: Callable[[Callers], None], service: Instance) -> int:
    with Callers([service.channel]) as callers:
        for _ in range(times):
            fault(callers)
            wait_settled()
    return _reported(name, times, callers)


def _restarts(shared: Stores, restarts: int) -> int:
    with Polled(shared, drain_delay=2.0, poll=1.0).running() as polled:
        both = [each.channel for each in polled.instances]
        with Callers(both, ready=polled.ready) as callers:
            for turn in range(restarts):
                polled.restart(turn % 2)
                callers.wait_for(100)
    return _reported("an instance restarted, /readyz polled each second", restarts, callers)


def _reported(name: str, times: int, callers: Callers) -> int:
    lost = sum(callers.lost.values())
    click.echo(f"| {name} | {times} | {callers.answered:,} | {lost} | {callers.worst * 1000:.0f} ms |")
    for message, count in callers.lost.items():
        click.echo(f"{name}: {count} times {message}", err=True)
    return lost


if __name__ == "__main__":
    main()
