"""The external step: asks a number's carrier, then its features' providers, before the document is written."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from router.lifecycle import errors
from router.lifecycle.decide import carrier_name
from router.lifecycle.document_writer import module_data, with_module_data
from router.lifecycle.errors import NumberError
from router.lifecycle.operations import CarrierStep
from router.lifecycle.policy import ManagerPolicy
from router.manager.carriers.carrier import CarrierError, CarrierOrder
from router.manager.carriers.registry import CarrierRegistry
from router.manager.features.registry import FeatureRegistry
from router.manager.job import CarrierDone, Decided, Settled
from router.numbers.documents import NumberDocument

log = logging.getLogger(__name__)


class CalledServices(NamedTuple):
    """A plan whose external calls have succeeded.

    Attributes:
        after: the document to write; None: delete it.
    """

    decided: Decided
    after: NumberDocument | None


class ExternalSteps:
    """Runs the external part of a plan. Thread-safe."""

    def __init__(self, carriers: CarrierRegistry, features: FeatureRegistry) -> None:
        self._carriers = carriers
        self._features = features

    def run(self, decided: Decided, policy: ManagerPolicy) -> CalledServices | Settled:
        """Ask the carrier, unless it was already asked for this job, then the providers.

        A job whose carrier or provider refuses, or can't be asked, is settled with that error.
        """
        try:
            decided = self._ask_carrier(decided, policy)
            return CalledServices(decided, self._ask_providers(decided))
        except NumberError as refusal:
            return decided.fail(refusal)
        except Exception:
            log.exception("external step failed: operation=%s number=%s", decided.job.request.operation, decided.number)
            return decided.fail(errors.internal())

    def _ask_carrier(self, decided: Decided, policy: ManagerPolicy) -> Decided:
        """Return the job with its carrier step completed; unchanged if the plan has no step."""
        plan, step, request = decided.plan, decided.plan.carrier, decided.job.request
        if step is CarrierStep.NONE:
            return decided
        carrier = self._carriers.find(carrier_name(request, plan.before, policy))
        done = decided.carrier
        number = decided.features.after or plan.before
        if number is None or (done is not None and (done.step, done.module) == (step, carrier.name)):
            return decided
        key = f"{step.value}:{decided.key}"
        order = CarrierOrder(key, number, module_data(number), request.auth_by)
        act = carrier.acquire if step is CarrierStep.ACQUIRE else carrier.disconnect
        data = _call_carrier(carrier.name, order, lambda: act(order))
        return decided._replace(carrier=CarrierDone(step, carrier.name, key, data))

    def _ask_providers(self, decided: Decided) -> NumberDocument | None:
        """Return the document with the providers' settings and the carrier's module data."""
        after = decided.features.after
        if decided.features.work:
            after = self._features.carry_out(decided.features, key=decided.key, dry_run=False)
        data = decided.carrier_data
        if after is None or data is None or data == module_data(after):
            return after
        return with_module_data(after, data)


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
