"""No call is lost while workers, certificates and services are replaced under load, with TLS."""

import os
import signal

import grpc
import pytest

from tests.cli.command import is_running
from tests.edge.callers import Callers
from tests.edge.deployment import PATIENT, Instance, Stores
from tests.edge.faults import Polled, freeze_worker, kill_worker, renew_certificate, replace_workers
from tests.support.waiting import eventually


@pytest.mark.parametrize("fault", [replace_workers, kill_worker, freeze_worker], ids=lambda each: each.__name__)
def test_no_call_is_lost(service: Instance, fault: object) -> None:
    assert callable(fault)
    with Callers([service.channel], 2) as callers:
        fault(service, callers)
    assert not callers.lost


def test_no_call_is_lost_while_the_certificate_is_renewed(service: Instance, shared: Stores) -> None:
    with Callers([service.channel], 2) as callers:
        renew_certificate(service, shared, callers)
    assert not callers.lost


def test_envoy_killed_is_started_again(service: Instance) -> None:
    with Callers([service.channel], 1) as callers:
        killed = service.envoy
        os.kill(killed, signal.SIGKILL)
        with service.channel() as channel:
            grpc.channel_ready_future(channel).result(10)
        callers.wait_for(50)
    assert service.envoy not in {killed, 0}


def test_no_call_is_lost_while_services_restart(shared: Stores) -> None:
    with Polled(shared, *PATIENT, drain_delay=0.6, poll=0.2).running() as polled:
        both = [each.channel for each in polled.instances]
        with Callers(both, 2, polled.ready) as callers:
            for index in range(2):
                polled.restart(index)
            callers.wait_for(50)
        assert not callers.lost
        _end_of_the_supervisor_is_the_end_of_all(polled.instances[0])


def _end_of_the_supervisor_is_the_end_of_all(service: Instance) -> None:
    """An Envoy left over would hold the port."""
    processes = [service.envoy, *service.workers]
    service.running.process.end(signal.SIGKILL)
    eventually(lambda: not any(map(is_running, processes)))
