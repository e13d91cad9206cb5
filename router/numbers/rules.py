"""All that decides how a number is read and routed, made from the cluster's configuration and ours."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from router.numbers import system_config
from router.numbers.dial_plans import SYSTEM, Converter, DialPlan
from router.numbers.normaliser import Normaliser
from router.numbers.routes import Policy
from router.numbers.states import ROUTABLE

CONFIG_NAMES = frozenset(field.name for field in fields(system_config.NumberManagerConfig))
"""The names of KAZOO's number_manager settings that mean something here."""


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """A dial plan as configured.

    Attributes:
        converters: None for the system's, or for none at all where a region is named.
    """

    rules: tuple[Converter, ...] = ()
    converters: tuple[Converter, ...] | None = None
    region: str | None = None
    cleans: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """What lookups and the follower work with; replaced as a whole when the configuration changes.

    Attributes:
        fetch_account_from_ports: a number without a document may route by its port request.
        warnings: a line for each configured value that could not be used.
        config: the cluster's settings with ours over them, as the number manager needs them.
    """

    normaliser: Normaliser
    policy: Policy
    fetch_account_from_ports: bool
    warnings: tuple[str, ...]
    config: system_config.NumberManagerConfig


def build(
    section: Mapping[str, object] | None,
    *,
    overrule: Mapping[str, object] | None = None,
    plans: Mapping[str, PlanSpec] | None = None,
    routable_states: tuple[str, ...] = ROUTABLE,
) -> Rules:
    """Make the rules.

    Args:
        section: the `default` section of system_config's number_manager; None where there is none.
        overrule: our own values for the same names.
        plans: dial plans by name; "system" replaces the default one.
        routable_states: the states that take calls.

    Raises:
        ValueError: a dial plan or a regex that can't be used; the message names it.
    """
    config, warnings = system_config.read({"default": {**(section or {}), **(overrule or {})}})
    system = DialPlan(SYSTEM.name, converters=config.e164_converters)
    made = {SYSTEM.name: system}
    for name, spec in (plans or {}).items():
        made[name] = _plan(name, spec, system)
    normaliser = Normaliser(made, reconcile_regex=config.reconcile_regex, classifiers=config.classifiers)
    policy = Policy.of(config, routable_states)
    return Rules(normaliser, policy, config.fetch_account_from_ports, warnings, config)


def _plan(name: str, spec: PlanSpec, system: DialPlan) -> DialPlan:
    converters = spec.converters
    if converters is None:
        converters = () if spec.region else system.converters
    return DialPlan(name, rules=spec.rules, converters=converters, cleans=spec.cleans, region=spec.region)
