"""Rules of normalisation and routing, built from the cluster's configuration and our own settings."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from router.numbers import system_config
from router.numbers.dial_plans import SYSTEM, Converter, DialPlan
from router.numbers.normaliser import Normaliser
from router.numbers.routes import Policy
from router.numbers.states import ROUTABLE

CONFIG_NAMES = frozenset(field.name for field in fields(system_config.NumberManagerConfig))
"""The names of KAZOO's number_manager settings that have a meaning here."""


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """A dial plan's configuration.

    Attributes:
        converters: None for the system's; with a region, None means no converters.
    """

    rules: tuple[Converter, ...] = ()
    converters: tuple[Converter, ...] | None = None
    region: str | None = None
    cleans: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of lookups and the follower; replaced as a whole when the configuration changes.

    Attributes:
        fetch_account_from_ports: whether a number without a document may route by its port request.
        warnings: a line for each unusable value.
        config: the cluster's settings, overridden by ours, for the number manager.
    """

    normaliser: Normaliser
    policy: Policy
    fetch_account_from_ports: bool
    warnings: tuple[str, ...]
    config: system_config.NumberManagerConfig


def build(
    section: Mapping[str, object] | None,
    *,
    overrides: Mapping[str, object] | None = None,
    plans: Mapping[str, PlanSpec] | None = None,
    routable_states: tuple[str, ...] = ROUTABLE,
) -> Rules:
    """Build the rules.

    Args:
        section: the `default` section of system_config's number_manager; None where there is none.
        overrides: our own values of the same names.
        plans: dial plans by name; "system" replaces the default one.
        routable_states: the states that take calls.

    Raises:
        ValueError: an unusable dial plan or regex; the message names it.
    """
    config, warnings = system_config.read({"default": {**(section or {}), **(overrides or {})}})
    system = DialPlan(SYSTEM.name, converters=config.e164_converters)
    built = {SYSTEM.name: system}
    for name, spec in (plans or {}).items():
        built[name] = _plan(name, spec, system)
    normaliser = Normaliser(built, reconcile_regex=config.reconcile_regex, classifiers=config.classifiers)
    policy = Policy.of(config, routable_states)
    return Rules(normaliser, policy, config.fetch_account_from_ports, warnings, config)


def _plan(name: str, spec: PlanSpec, system: DialPlan) -> DialPlan:
    converters = spec.converters
    if converters is None:
        converters = () if spec.region else system.converters
    return DialPlan(name, rules=spec.rules, converters=converters, cleans=spec.cleans, region=spec.region)
