"""The feature providers that are installed, and what they make of an ask."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from router.lifecycle import errors
from router.lifecycle.document_writer import own_features
from router.lifecycle.operations import Operation, OperationRequest, Plan
from router.manager import plugin_registry
from router.manager.carriers import registry as carriers
from router.manager.features import notified, planner
from router.manager.features.carrier_name import FIELD as CARRIER_NAME
from router.manager.features.carrier_name import renamed
from router.manager.features.feature_encoding import E911_SPELLINGS, spelling_of
from router.manager.features.permissions import Permissions, permissions_of
from router.manager.features.plan import FeaturePlan, Task
from router.manager.features.planner import Standing
from router.manager.features.provider import FeatureFault, FeatureProvider, FeatureWork, ProviderSetup
from router.manager.features.unavailable import in_place_of
from router.manager.plugin_registry import Broken, Unusable
from router.numbers.accounts import AccountDocument
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.states import State
from router.numbers.system_config import NumberManagerConfig
from router.settings import Settings

GROUP = "did_router.features"
"""Of entry points; each names something that takes a ProviderSetup and returns a FeatureProvider."""

_TOLD_APART = frozenset((*E911_SPELLINGS, CARRIER_NAME))
"""Fields that mean something although no provider reads them by these names."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_CHOSEN = {"cnam": notified.cnam(ProviderSetup("", {})), "e911": notified.e911(ProviderSetup("", {}))}
"""Roles whose provider the settings choose, and how the project's own reads their fields."""

_SETS = ("features", "keys", "states", "provisioned")
_FLAGS = ("leaves", "external")
_VERBS = ("wanted", "activate", "remove")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The providers that count, and all the public fields that mean something to any of them."""

    providers: tuple[FeatureProvider, ...]
    keys: frozenset[str]


class Features:
    """All providers, made once; threads may share it.

    Args:
        settings: the setting `features` holds a table for each provider.
        carrier_names: those that a number may be renamed to (`carrier_name`); None: all that are installed.

    Attributes:
        broken: plug-ins that can't be used, and settings for providers that nobody installed.
    """

    def __init__(self, settings: Settings, carrier_names: Collection[str] | None = None) -> None:
        self._settings = settings
        self._found = plugin_registry.find(GROUP, self._make)
        self._carriers = plugin_registry.names(carriers.GROUP) if carrier_names is None else frozenset(carrier_names)
        self._chosen: dict[tuple[str, str], _Chosen] = {}
        self.broken: tuple[Broken, ...] = self._found.broken + self._unasked()

    def names(self) -> list[str]:
        """Those that can be used, by their entry points, in alphabetical order."""
        return sorted(self._found.plugins)

    def packages(self) -> dict[str, str]:
        """Who brought each: name to package and version."""
        return dict(self._found.packages)

    def missing(self, config: NumberManagerConfig) -> list[str]:
        """What the cluster's settings name and nobody can provide, a line each."""
        return [reason for role in _CHOSEN if (reason := self._missing(role, config)) is not None]

    def prepare(
        self, plan: Plan, ask: OperationRequest, config: NumberManagerConfig, accounts: Mapping[str, AccountDocument]
    ) -> FeaturePlan:
        """Decide what becomes of a number's features; pure.

        Raises:
            NumberError: fields that can't be used, a feature that isn't permitted.
        """
        chosen = self._choice(config)
        providers = chosen.providers
        if plan.after is None or plan.clears_features:
            return planner.cleared(plan, providers)
        replaces = ask.operation is Operation.UPDATE and ask.public_fields is not None and not ask.merge
        if ask.operation is Operation.GET or not (plan.changed or ask.public_fields or replaces):
            return FeaturePlan(plan.before, plan.after, spelling_of(plan.after.fields))
        if ask.imported is not None and ask.imported.document is not None:
            return FeaturePlan(plan.before, plan.after, spelling_of(plan.after.fields))
        if self._asks_nothing(plan.after, ask, chosen.keys):
            return FeaturePlan(plan.before, plan.after, spelling_of(plan.after.fields))
        number, asked = renamed(plan.after, ask, accounts, self._carriers)
        before = None if plan.before is None else _permissions(plan.before, config)
        return planner.prepare(plan, asked, number, providers, Standing(before, _permissions(number, config)))

    def carry_out(self, plan: FeaturePlan, *, key: str, dry_run: bool) -> NumberDocument | None:
        """Have the providers remove, then activate.

        Args:
            key: the same for every repetition of the same change.
            dry_run: providers are told so.

        Returns:
            The document as it shall be, with the settings that the providers gave; None: it goes.

        Raises:
            NumberError: a provider refused; what came before it is done, and doing all again is safe.
        """
        number = plan.after or plan.before
        if number is None:
            return None
        for task in plan.removals:
            work = _work(plan, number, task, f"{key}:{task.feature}:off", dry_run=dry_run)
            _told(task, lambda task=task, work=work: task.provider.remove(work))  # type: ignore[misc]
        kept: dict[str, Any] = {}
        for task in plan.activations:
            work = _work(plan, number, task, f"{key}:{task.feature}:on", dry_run=dry_run)
            kept[task.feature] = _told(task, lambda task=task, work=work: task.provider.activate(work))  # type: ignore[misc]
        if plan.after is None or not kept:
            return plan.after
        return _with_settings(plan, plan.after, kept)

    @staticmethod
    def _asks_nothing(number: NumberDocument, ask: OperationRequest, keys: frozenset[str]) -> bool:
        """Whether no provider has anything to look at, as with most numbers; an import asks this 100,000 times."""
        if number.features != own_features(number.module_name):
            return False
        return keys.isdisjoint(number.fields) and keys.isdisjoint(ask.public_fields or ())

    def _choice(self, config: NumberManagerConfig) -> "_Chosen":
        """One provider for each name: that which the settings choose, where there are several."""
        choice = (config.cnam_provider, config.e911_provider)
        if choice not in self._chosen:
            by_name = dict(zip(_CHOSEN, choice, strict=True))
            installed = [
                provider
                for entry, provider in sorted(self._found.plugins.items())
                if by_name.get(provider.name, entry) == entry
            ]
            absent = ((role, self._missing(role, config)) for role in _CHOSEN)
            standing_in = [in_place_of(_CHOSEN[role], reason) for role, reason in absent if reason is not None]
            providers = (*installed, *standing_in)
            keys = _TOLD_APART.union(*(provider.keys for provider in providers))
            self._chosen[choice] = _Chosen(providers, keys)
        return self._chosen[choice]

    def _missing(self, role: str, config: NumberManagerConfig) -> str | None:
        """Why the provider that the settings choose for a role can't be used; None: it can."""
        name = config.cnam_provider if role == "cnam" else config.e911_provider
        chosen = self._found.plugins.get(name)
        if chosen is not None and chosen.name == role:
            return None
        reason = self._found.reason(name) or "no package that is installed provides it"
        if chosen is not None:
            reason = f"it provides {chosen.name}"
        return f"{role}_provider is {name}: {reason}; install it, or choose another in number_manager.{role}_provider"

    def _make(self, name: str, factory: object) -> FeatureProvider:
        if not _NAME.fullmatch(name):
            raise Unusable("a provider's entry point is named by small letters, digits and underscores: rename it")
        if not callable(factory):
            raise Unusable("the entry point must name something that takes a ProviderSetup and returns a provider")
        setup = ProviderSetup(name, self._settings.features.get(name, {}))
        return _checked(cast("Callable[[ProviderSetup], object]", factory)(setup))

    def _unasked(self) -> tuple[Broken, ...]:
        known = {*self._found.plugins, *(each.name for each in self._found.broken)}
        return tuple(
            Broken(name, "", f"setting 'features.{name}' is for a provider that nobody installed: install it")
            for name in sorted(set(self._settings.features) - known)
        )


def _checked(made: object) -> FeatureProvider:
    name = getattr(made, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Unusable(f"the provider calls itself {name!r}: it must say in a short word what it provides")
    for attribute in _SETS:
        if not isinstance(getattr(made, attribute, None), frozenset):
            raise Unusable(f"the provider's {attribute} must be a frozenset")
    for attribute in _FLAGS:
        if not isinstance(getattr(made, attribute, None), bool):
            raise Unusable(f"the provider's {attribute} must be True or False")
    for verb in _VERBS:
        if not callable(getattr(made, verb, None)):
            raise Unusable(f"the provider has no {verb}")
    provider = cast("FeatureProvider", made)
    if not all(isinstance(state, State) for state in provider.states):
        raise Unusable("the provider's states must be States")
    return provider


def _permissions(number: NumberDocument, config: NumberManagerConfig) -> Permissions:
    return permissions_of(
        number,
        allow=config.features.allow or (),
        deny=config.features.deny or (),
        local_feature_override=config.local_feature_override,
    )


def _work(plan: FeaturePlan, number: NumberDocument, task: Task, key: str, *, dry_run: bool) -> FeatureWork:
    return FeatureWork(key, number, plan.before, task.feature, task.settings, dry_run)


def _told(task: Task, act: Callable[[], Any]) -> Any:
    """Whatever a stranger's code raises is that number's error alone."""
    try:
        return act()
    except FeatureFault as problem:
        raise errors.provider_fault(task.provider.name, str(problem)) from None
    except Exception as problem:
        raise errors.provider_fault(task.provider.name, f"{type(problem).__name__}: {problem}") from problem


def _with_settings(plan: FeaturePlan, after: NumberDocument, kept: Mapping[str, Any]) -> NumberDocument:
    """What providers gave is kept; in a list-shaped document in the public field of the feature's name."""
    if all(kept[task.feature] == task.settings for task in plan.activations):
        return after  # as it was prepared
    fields = after.fields
    if plan.spelling.listed:
        public = plan.spelling.public(fields)
        public |= {task.feature: kept[task.feature] for task in plan.activations if task.feature in task.provider.keys}
        fields = plan.spelling.written(fields, public)
    return fast_replace(after, fields=fields, features={**after.features, **kept})
