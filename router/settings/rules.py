"""The domain's rules, built from the settings over the cluster's configuration."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from router.numbers import rules
from router.numbers.rules import Rules
from router.settings.dial_plans import DialPlanSettings
from router.settings.errors import SettingsError
from router.settings.groups.routing import RoutingSettings

log = logging.getLogger(__name__)

_SECTION = "number_manager.default."
"""Opens the names of values in the cluster's document; the setting has them without the section."""


class RuleSettings(Protocol):
    """The settings that become rules."""

    @property
    def dial_plans(self) -> Mapping[str, DialPlanSettings]: ...  # noqa: D102 - as in Settings
    @property
    def number_manager(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def routing(self) -> RoutingSettings: ...  # noqa: D102


def build_rules(settings: RuleSettings, section: Mapping[str, object] | None) -> Rules:
    """Build dial plans and routing policy.

    Args:
        settings: override the cluster's configuration.
        section: the `default` section of system_config's number_manager; None where there is none.

    Raises:
        ValueError: a dial plan or a regex that can't be used; the message names it.
    """
    return rules.build(
        section,
        overrides=settings.number_manager,
        plans={name: plan.spec(name) for name, plan in settings.dial_plans.items()},
        routable_states=tuple(settings.routing.routable_states),
    )


def build_rules_or_defaults(settings: RuleSettings, section: Mapping[str, object] | None) -> Rules:
    """Build the rules, without the cluster's configuration where it can't be used; that is logged.

    Args:
        settings: override the cluster's configuration.
        section: the `default` section of system_config's number_manager; None where there is none.
    """
    try:
        built = build_rules(settings, section)
    except ValueError as problem:
        log.error("system_config's number_manager can't be used and is ignored: error=%s", problem)
        return build_rules(settings, None)
    for warning in built.warnings:
        log.warning("system_config: %s (until then its default is used)", warning)
    return built


def check_rules(settings: RuleSettings) -> None:
    """Check the settings that become rules.

    Raises:
        SettingsError: an unknown name in `number_manager`, or a value, a dial plan or a regex that can't be used.
    """
    unknown = sorted(set(settings.number_manager) - rules.CONFIG_NAMES)
    if unknown:
        raise SettingsError(f"setting 'number_manager.{unknown[0]}' is not one of KAZOO's number_manager names")
    try:
        warnings = build_rules(settings, None).warnings
    except ValueError as problem:
        raise SettingsError(str(problem)) from None
    if warnings:
        raise SettingsError(f"setting {warnings[0].replace(_SECTION, 'number_manager.', 1)}")
