"""The external step: asks a number's carrier, then its features' providers, before the document is written."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from router.lifecycle import errors
from router.lifecycle.decide import carrier_name
from router.lifecycle.document_writer import module_data, with_module_data
from router.lifecycle.errors import NumberError
from router.lifecycle.operations import CarrierStep
from router.lifecycle.policy import ManagerPolicy
from router.manager.carriers.carrier import CarrierError, CarrierOrder
from router.manager.carriers.registry import CarrierRegistry
from router.manager.features.registry import FeatureRegistry
from router.manager.job import CarrierDone, Job
from router.numbers.documents import NumberDocument

log = logging.getLogger(__name__)


class ExternalSteps:
    """Runs the external part of a plan. Thread-safe."""

    def __init__(self, carriers: CarrierRegistry, features: FeatureRegistry) -> None:
        self._carriers = carriers
        self._features = features

    def run(self, job: Job, policy: ManagerPolicy) -> NumberDocument | None:
        """Ask the carrier, unless it was already asked for this job, then the providers.

        Returns:
            The document to write, or None to delete it.

        Raises:
            NumberError: a carrier or provider refused, or could not be asked.
        """
        if job.plan is None or job.features is None:
            raise errors.internal()  # unreachable: only decided jobs come here
        data = self._carrier(job, policy)
        after = job.features.after
        if job.features.work:
            after = self._features.carry_out(job.features, key=job.key, dry_run=False)
        if after is None or data is None or data == module_data(after):
            return after
        return with_module_data(after, data)

    def _carrier(self, job: Job, policy: ManagerPolicy) -> Mapping[str, Any] | None:
        """Return the module data after the carrier's step, or None if the plan has no step."""
        if job.plan is None or job.features is None or job.plan.carrier is CarrierStep.NONE:
            return None
        step = job.plan.carrier
        carrier = self._carriers.find(carrier_name(job.ask, job.plan.before, policy))
        done = job.carrier
        if done is not None and (done.step, done.module) == (step, carrier.name):
            return done.data
        number = job.features.after or job.plan.before
        if number is None:
            return None
        key = f"{step.value}:{job.key}"
        order = CarrierOrder(key, number, module_data(number), job.ask.auth_by)
        act = carrier.acquire if step is CarrierStep.ACQUIRE else carrier.disconnect
        data = _call_carrier(carrier.name, order, lambda: act(order))
        job.carrier = CarrierDone(step, carrier.name, key, data)
        return data


def _call_carrier(module: str, order: CarrierOrder, act: Callable[[], Any]) -> Mapping[str, Any]:
    """Run plug-in code; any exception becomes an error of this one number."""
    try:
        data = act()
    except NumberError:
        raise
    except CarrierError as problem:
        raise errors.carrier_fault(module, str(problem)) from None
    except Exception as problem:
        log.exception("carrier failed: carrier=%s number=%s", module, order.number.number)
        raise errors.carrier_fault(module, f"{type(problem).__name__}: {problem}") from problem
    if not isinstance(data, Mapping):
        log.error("carrier returned no module data: carrier=%s order=%s returned=%r", module, order.key, data)
        return order.module_data
    return data
