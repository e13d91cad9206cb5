"""Plans a number's features from public fields, state, carrier and permissions, without I/O.

A feature is on if its public field requests it, the number's state allows it, and it is permitted; otherwise its
provider's removal runs. A feature named by the request must be valid and permitted, or the request is refused. An
invalid or forbidden feature that the request does not name harms nothing else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.lifecycle import errors
from router.lifecycle.document_encoding import put_features
from router.lifecycle.document_writer import own_features, without_usage
from router.lifecycle.operations import Operation, OperationRequest, Plan
from router.lifecycle.public_fields import merged
from router.manager.features.feature_encoding import LOCAL, FeatureEncoding, encoding_of, requested_fields
from router.manager.features.permissions import Permissions
from router.manager.features.plan import FeaturePlan, FeatureTask
from router.manager.features.provider import FeatureProvider, InvalidFieldsError
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace

_CHECKED = frozenset({Operation.CREATE, Operation.UPDATE})
"""Operations that fail if an active feature isn't permitted, as in KAZOO."""


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """Permissions before and after the change."""

    before: Permissions | None
    after: Permissions


@dataclass(slots=True)
class FeaturePlanner:
    """Plans one number's features.

    Attributes:
        number: as it will be, apart from its features and public fields.
        before: as it is now.
        named: the public fields that the request names.
        checked: an active feature that isn't permitted is an error.
        public: the new public fields, in the providers' form.
        public_before: the current public fields, in the providers' form.
        features: the planned features; starts with the active ones.
    """

    number: NumberDocument
    before: NumberDocument | None
    encoding: FeatureEncoding
    permissions: PermissionChange
    named: Collection[str]
    checked: bool
    public: dict[str, Any]
    public_before: dict[str, Any]
    features: dict[str, Any]
    removals: list[FeatureTask] = field(default_factory=list)
    activations: list[FeatureTask] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def plan_provider(self, provider: FeatureProvider) -> None:
        """Plan one provider's features."""
        active = provider.features & self.features.keys()
        if not active and provider.keys.isdisjoint(self.public):
            return
        if self.number.state not in provider.states:
            for feature in () if provider.kept_outside_states else active:
                self._remove(provider, feature)
            self._check(provider)
            return
        requested = self._requested(provider)
        if requested is None:
            return
        for feature in sorted(provider.features):
            if feature in requested:
                self._enable(provider, feature, requested[feature])
            elif feature in self.features:
                self._remove(provider, feature)

    def result(self, before: NumberDocument | None) -> FeaturePlan:
        """Return the plan, based on the current document, even if that is marked deleted."""
        features = with_local(self.features, self.number.module_name)
        fields = self.encoding.with_public_fields(self.number.fields, self.public)
        put_features(fields, features, self.number.module_name)
        after = fast_replace(self.number, features=features, fields=fields)
        removals, activations = tuple(self.removals), tuple(self.activations)
        return FeaturePlan(before, after, self.encoding, removals, activations, tuple(self.warnings))

    def _check(self, provider: FeatureProvider) -> None:
        """Refuse an invalid or forbidden field that the request names, though the number's state turns it off."""
        if provider.keys.isdisjoint(self.named):
            return
        for feature in self._requested(provider) or ():
            reason = self.permissions.after.refusal(provider, feature)
            if reason is not None:
                raise errors.forbidden(feature, reason)

    def _requested(self, provider: FeatureProvider) -> dict[str, Any] | None:
        """Return what the fields request, or None if they are invalid and the request doesn't name them."""
        try:
            return provider.requested(self.public, self.number)
        except InvalidFieldsError as problem:
            if not provider.keys.isdisjoint(self.named):
                raise errors.invalid(str(problem)) from None
            self.warnings.append(f"{provider.name} stays as it is: {problem}")
            return None

    def _enable(self, provider: FeatureProvider, feature: str, settings: Any) -> None:
        reason = self.permissions.after.refusal(provider, feature)
        if reason is not None:
            self._handle_not_permitted(provider, feature, reason)
        elif feature in self.features and self._has_same_settings(provider, feature, settings):
            self._keep(provider, feature, settings)
        else:
            self.features[feature] = settings
            self.activations.append(FeatureTask(provider, feature, settings))
            self._put_field(provider, feature, settings)

    def _handle_not_permitted(self, provider: FeatureProvider, feature: str, reason: str) -> None:
        if not provider.keys.isdisjoint(self.named):
            raise errors.forbidden(feature, reason)
        if feature not in self.features:
            return  # the fields stay, without effect
        if self.permissions.before is not None and self.permissions.before.refusal(provider, feature) is None:
            self._remove(provider, feature)
            if provider.features.isdisjoint(self.features):
                for key in provider.keys:
                    self.public.pop(key, None)
            self.warnings.append(f"{feature} was switched off: {reason}")
        elif self.checked:
            raise errors.forbidden(feature, f"{reason}; it is on: permit it, or remove its field")
        else:
            self.warnings.append(f"{feature} stays on although {reason}")

    def _remove(self, provider: FeatureProvider, feature: str) -> None:
        self.removals.append(FeatureTask(provider, feature, self.features.pop(feature)))

    def _has_same_settings(self, provider: FeatureProvider, feature: str, settings: Any) -> bool:
        was = without_provisioned(self._enabled_settings(provider, feature), provider.provisioned)
        return bool(was == without_provisioned(settings, provider.provisioned))

    def _enabled_settings(self, provider: FeatureProvider, feature: str) -> Any:
        """Return the active settings; in the older encoding they come from the current public fields."""
        if not self.encoding.listed or self.before is None:
            return self.features[feature]
        try:
            return provider.requested(self.public_before, self.before).get(feature)
        except InvalidFieldsError:
            return None

    def _keep(self, provider: FeatureProvider, feature: str, settings: Any) -> None:
        """Keep an active feature with its provider's additions, even if the request sends the fields without them."""
        if self.encoding.listed:
            on = self.features[feature]
            if isinstance(settings, Mapping) and isinstance(on, Mapping):
                settings = {**settings, **{name: on[name] for name in on if name in provider.provisioned}}
            self.features[feature] = settings
        self._put_field(provider, feature, settings)

    def _put_field(self, provider: FeatureProvider, feature: str, settings: Any) -> None:
        """Write the settings into the field of the feature's name; the older encoding keeps them only there."""
        if feature in provider.keys and (self.encoding.listed or provider.provisioned):
            self.public[feature] = settings


def prepare(
    plan: Plan,
    request: OperationRequest,
    number: NumberDocument,
    providers: Sequence[FeatureProvider],
    permissions: PermissionChange,
) -> FeaturePlan:
    """Plan all features of a number that keeps its document.

    Args:
        plan: with a document in `after`, and without `clears_features`.
        number: plan.after, with its new carrier.

    Raises:
        NumberError: fields are invalid, or a feature isn't permitted.
    """
    before = plan.before if "_id" in number.fields else None  # a recreated number inherits nothing from the deleted one
    encoding = encoding_of((before or number).fields)
    public_before = {} if before is None else encoding.public(before.fields)
    given = None if request.public_fields is None else _asked(request.public_fields)
    public = encoding.public(number.fields)
    if given is not None:
        replaces = request.operation is Operation.UPDATE and not request.merge
        public = merged({} if replaces else public_before, given)
    named: set[str] = set() if given is None else {*given, *(public_before.keys() - public.keys())}
    features = {name: value for name, value in number.features.items() if name != LOCAL}
    checked = request.operation in _CHECKED
    work = FeaturePlanner(number, before, encoding, permissions, named, checked, public, public_before, features)
    there = public.keys() | features.keys()
    for provider in providers:
        if not (provider.keys.isdisjoint(there) and provider.features.isdisjoint(there)):
            work.plan_provider(provider)
    return work.result(plan.before)


def plan_removal(plan: Plan, providers: Sequence[FeatureProvider]) -> FeaturePlan:
    """Plan the removal of all features, with their public fields or with the whole document."""
    number = plan.before or plan.after
    encoding = encoding_of({} if number is None else number.fields)
    on = {} if plan.before is None else plan.before.features
    removals = tuple(
        FeatureTask(provider, feature, on[feature])
        for provider in providers
        for feature in sorted(provider.features & on.keys())
    )
    after = None if plan.after is None else without_usage(plan.after)
    return FeaturePlan(plan.before, after, encoding, removals)


def without_provisioned(settings: Any, provisioned: Collection[str]) -> Any:
    """Return settings without provider additions and nulls."""
    if not isinstance(settings, Mapping):
        return settings
    return {name: value for name, value in settings.items() if name not in provisioned and value is not None}


def with_local(features: Mapping[str, Any], module: str) -> dict[str, Any]:
    """Return features with `local` if the carrier's numbers have it, else without."""
    own = {name: settings for name, settings in features.items() if name != LOCAL}
    return own | own_features(module)


def _asked(given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return requested_fields(given)
    except InvalidFieldsError as problem:
        raise errors.invalid(str(problem)) from None
