"""The installed feature providers, and the feature plans that they produce."""

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
from router.manager.features.carrier_name import apply_carrier_name
from router.manager.features.feature_encoding import E911_FIELDS, encoding_of
from router.manager.features.permissions import Permissions, permissions_of
from router.manager.features.plan import FeaturePlan, FeatureTask
from router.manager.features.planner import PermissionChange
from router.manager.features.provider import FeatureError, FeatureProvider, FeatureRequest, ProviderSetup
from router.manager.features.unavailable import unavailable_provider
from router.manager.plugin_registry import BrokenPlugin, PluginError
from router.numbers.accounts import AccountDocument
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.states import State
from router.numbers.system_config import NumberManagerConfig
from router.settings import Settings

GROUP = "did_router.features"
"""Entry-point group; each entry point names a callable that takes a ProviderSetup and returns a FeatureProvider."""

_SPECIAL_FIELDS = frozenset((*E911_FIELDS, CARRIER_NAME))
"""Fields with a meaning although no provider reads them by these names."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_SELECTABLE_ROLES = {"cnam": notified.cnam(ProviderSetup("", {})), "e911": notified.e911(ProviderSetup("", {}))}
"""Roles whose provider the settings choose, and the built-in provider that reads their fields."""

_SETS = ("features", "keys", "states", "provisioned")
_FLAGS = ("kept_outside_states", "external")
_METHODS = ("requested", "activate", "remove")


@dataclass(frozen=True, slots=True)
class _Selection:
    """The providers in force, and every public field that one of them reads."""

    providers: tuple[FeatureProvider, ...]
    keys: frozenset[str]


class FeatureRegistry:
    """All providers, each built once. Thread-safe.

    Args:
        settings: the setting `features` holds a table for each provider.
        carrier_names: names that `carrier_name` accepts; None: all installed carriers.

    Attributes:
        broken: plug-ins that can't be used, and settings for providers that aren't installed.
    """

    def __init__(self, settings: Settings, carrier_names: Collection[str] | None = None) -> None:
        self._settings = settings
        self._installed = plugin_registry.load_plugins(GROUP, self._make)
        self._carriers = (
            plugin_registry.installed_names(carriers.GROUP) if carrier_names is None else frozenset(carrier_names)
        )
        self._selections: dict[tuple[str, str], _Selection] = {}
        self.broken: tuple[BrokenPlugin, ...] = self._installed.broken + self._unused_settings()

    def names(self) -> list[str]:
        """Return the usable providers' entry points in alphabetical order."""
        return sorted(self._installed.plugins)

    def packages(self) -> dict[str, str]:
        """Return provider name → package and version."""
        return dict(self._installed.packages)

    def missing(self, config: NumberManagerConfig) -> list[str]:
        """Return a line for each provider that the cluster's settings name and that can't be used."""
        return [reason for role in _SELECTABLE_ROLES if (reason := self._missing(role, config)) is not None]

    def prepare(
        self,
        plan: Plan,
        request: OperationRequest,
        config: NumberManagerConfig,
        accounts: Mapping[str, AccountDocument],
    ) -> FeaturePlan:
        """Plan a number's features; pure.

        Raises:
            NumberError: fields are invalid, or a feature isn't permitted.
        """
        selection = self._select(config)
        providers = selection.providers
        if plan.after is None or plan.clears_features:
            return planner.plan_removal(plan, providers)
        replaces = request.operation is Operation.UPDATE and request.public_fields is not None and not request.merge
        if request.operation is Operation.GET or not (plan.changed or request.public_fields or replaces):
            return FeaturePlan(plan.before, plan.after, encoding_of(plan.after.fields))
        if request.imported is not None and request.imported.document is not None:
            return FeaturePlan(plan.before, plan.after, encoding_of(plan.after.fields))
        if self._has_no_features(plan.after, request, selection.keys):
            return FeaturePlan(plan.before, plan.after, encoding_of(plan.after.fields))
        number, asked = apply_carrier_name(plan.after, request, accounts, self._carriers)
        before = None if plan.before is None else _permissions(plan.before, config)
        return planner.prepare(plan, asked, number, providers, PermissionChange(before, _permissions(number, config)))

    def carry_out(self, plan: FeaturePlan, *, key: str, dry_run: bool) -> NumberDocument | None:
        """Call the providers: all removals, then all activations.

        Args:
            key: identical for every repetition of the same change.
            dry_run: passed on to the providers.

        Returns:
            The document to write, with the settings that the providers returned; None: it is deleted.

        Raises:
            NumberError: a provider refused. Earlier calls have been made, and repeating them is safe.
        """
        number = plan.after or plan.before
        if number is None:
            return None
        for task in plan.removals:
            work = _request(plan, number, task, f"{key}:{task.feature}:off", dry_run=dry_run)
            _call_provider(task, lambda task=task, work=work: task.provider.remove(work))  # type: ignore[misc]
        settings: dict[str, Any] = {}
        for task in plan.activations:
            work = _request(plan, number, task, f"{key}:{task.feature}:on", dry_run=dry_run)
            settings[task.feature] = _call_provider(task, lambda task=task, work=work: task.provider.activate(work))  # type: ignore[misc]
        if plan.after is None or not settings:
            return plan.after
        return _with_settings(plan, plan.after, settings)

    @staticmethod
    def _has_no_features(number: NumberDocument, request: OperationRequest, keys: frozenset[str]) -> bool:
        """Return whether no provider has anything to do, as for most numbers; an import asks it 100,000 times."""
        if number.features != own_features(number.module_name):
            return False
        return keys.isdisjoint(number.fields) and keys.isdisjoint(request.public_fields or ())

    def _select(self, config: NumberManagerConfig) -> "_Selection":
        """Return one provider per name; if there are several, the settings choose."""
        choice = (config.cnam_provider, config.e911_provider)
        if choice not in self._selections:
            by_name = dict(zip(_SELECTABLE_ROLES, choice, strict=True))
            installed = [
                provider
                for entry, provider in sorted(self._installed.plugins.items())
                if by_name.get(provider.name, entry) == entry
            ]
            missing = ((role, self._missing(role, config)) for role in _SELECTABLE_ROLES)
            substitutes = [
                unavailable_provider(_SELECTABLE_ROLES[role], reason) for role, reason in missing if reason is not None
            ]
            providers = (*installed, *substitutes)
            keys = _SPECIAL_FIELDS.union(*(provider.keys for provider in providers))
            self._selections[choice] = _Selection(providers, keys)
        return self._selections[choice]

    def _missing(self, role: str, config: NumberManagerConfig) -> str | None:
        """Return why the provider that the settings choose for a role can't be used; None: it can."""
        name = config.cnam_provider if role == "cnam" else config.e911_provider
        selection = self._installed.plugins.get(name)
        if selection is not None and selection.name == role:
            return None
        reason = self._installed.reason(name) or "no package that is installed provides it"
        if selection is not None:
            reason = f"it provides {selection.name}"
        return f"{role}_provider is {name}: {reason}; install it, or choose another in number_manager.{role}_provider"

    def _make(self, name: str, factory: object) -> FeatureProvider:
        if not _NAME.fullmatch(name):
            raise PluginError("a provider's entry point is named by small letters, digits and underscores: rename it")
        if not callable(factory):
            raise PluginError("the entry point must name something that takes a ProviderSetup and returns a provider")
        setup = ProviderSetup(name, self._settings.features.get(name, {}))
        return _validated(cast("Callable[[ProviderSetup], object]", factory)(setup))

    def _unused_settings(self) -> tuple[BrokenPlugin, ...]:
        known = {*self._installed.plugins, *(each.name for each in self._installed.broken)}
        return tuple(
            BrokenPlugin(name, "", f"setting 'features.{name}' is for a provider that is not installed: install it")
            for name in sorted(set(self._settings.features) - known)
        )


def _validated(made: object) -> FeatureProvider:
    name = getattr(made, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"the provider calls itself {name!r}: its name must be a short word for what it provides")
    for attribute in _SETS:
        if not isinstance(getattr(made, attribute, None), frozenset):
            raise PluginError(f"the provider's {attribute} must be a frozenset")
    for attribute in _FLAGS:
        if not isinstance(getattr(made, attribute, None), bool):
            raise PluginError(f"the provider's {attribute} must be True or False")
    for method in _METHODS:
        if not callable(getattr(made, method, None)):
            raise PluginError(f"the provider has no {method}")
    provider = cast("FeatureProvider", made)
    if not all(isinstance(state, State) for state in provider.states):
        raise PluginError("the provider's states must be States")
    return provider


def _permissions(number: NumberDocument, config: NumberManagerConfig) -> Permissions:
    return permissions_of(
        number,
        allow=config.features.allow or (),
        deny=config.features.deny or (),
        local_feature_override=config.local_feature_override,
    )


def _request(
    plan: FeaturePlan, number: NumberDocument, task: FeatureTask, key: str, *, dry_run: bool
) -> FeatureRequest:
    return FeatureRequest(key, number, plan.before, task.feature, task.settings, dry_run)


def _call_provider(task: FeatureTask, act: Callable[[], Any]) -> Any:
    """Run plug-in code; any exception becomes an error of this one number."""
    try:
        return act()
    except FeatureError as problem:
        raise errors.provider_fault(task.provider.name, str(problem)) from None
    except Exception as problem:
        raise errors.provider_fault(task.provider.name, f"{type(problem).__name__}: {problem}") from problem


def _with_settings(plan: FeaturePlan, after: NumberDocument, settings: Mapping[str, Any]) -> NumberDocument:
    """Return the document with the providers' settings; the older encoding holds them in the public field."""
    if all(settings[task.feature] == task.settings for task in plan.activations):
        return after  # as planned
    fields = after.fields
    if plan.encoding.listed:
        public = plan.encoding.public(fields)
        public |= {
            task.feature: settings[task.feature] for task in plan.activations if task.feature in task.provider.keys
        }
        fields = plan.encoding.with_public_fields(fields, public)
    return fast_replace(after, fields=fields, features={**after.features, **settings})
