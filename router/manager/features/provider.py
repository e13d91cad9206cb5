"""The interface of a feature provider plug-in; docs/features.md has a worked example."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from router.numbers.documents import NumberDocument
from router.numbers.states import State


class InvalidFieldsError(Exception):
    """Public fields that can't be used; the message names the field, its limit, and the value."""


class FeatureError(Exception):
    """The provider's service refused or could not be asked; the message carries its reason."""


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """A request to a provider about one feature of one number.

    Attributes:
        key: identical for every repetition of one request.
        number: the document as it will be written, or as it is now if it is deleted.
        before: the current document; None: a new number.
        settings: of the feature.
        dry_run: report what would happen, change nothing.
    """

    key: str
    number: NumberDocument
    before: NumberDocument | None
    feature: str
    settings: Any
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ProviderSetup:
    """The argument of a provider's factory. The entry point names a callable that takes it and returns the provider.

    Attributes:
        name: of the entry point, by which the settings choose it.
        settings: its table in the setting `features`, empty if there is none. May hold secrets.
    """

    name: str
    settings: Mapping[str, Any]


class FeatureProvider(Protocol):
    """Reads features from public fields, and switches them on and off upstream. One instance serves many threads.

    Attributes:
        name: as permissions name it: `cnam`, `e911`, `prepend` …. If several providers share a name, the settings
            choose one (`cnam_provider`, `e911_provider`).
        features: the names it puts into `pvt_features`.
        keys: the public fields that it reads, by their newer names (`e911`, never `dash_e911`).
        states: states in which its features are active.
        kept_outside_states: in other states its features stay as they are, instead of being removed.
        external: it needs a service outside the cluster. Numbers without an account can't have it, nor local and mobile
            ones (unless `local_feature_override`).
        provisioned: settings that it adds itself; a difference in them from the request is no change.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def features(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def keys(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def states(self) -> frozenset[State]: ...  # noqa: D102
    @property
    def kept_outside_states(self) -> bool: ...  # noqa: D102
    @property
    def external(self) -> bool: ...  # noqa: D102
    @property
    def provisioned(self) -> frozenset[str]: ...  # noqa: D102

    def requested(self, public: Mapping[str, Any], number: NumberDocument) -> dict[str, Any]:
        """Return feature → settings that these public fields request. Pure: equal fields give equal results.

        Raises:
            InvalidFieldsError: a value is outside its limits.
        """

    def activate(self, work: FeatureRequest) -> Any:
        """Switch the feature on, or change it; return the settings to keep.

        Raises:
            FeatureError: the feature is not on.
        """

    def remove(self, work: FeatureRequest) -> None:
        """Switch the feature off; called before its fields are removed. A feature that is already off is no error.

        Raises:
            FeatureError: the feature may still be on.
        """
