"""What a feature provider is: the interface that plug-ins implement (docs/features.md has a worked example)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from router.numbers.documents import NumberDocument
from router.numbers.states import State


class InvalidFieldsError(Exception):
    """Public fields that can't be used; the message names the field, its limit, and what was given."""


class FeatureError(Exception):
    """The provider's service refused or could not be asked; the message says what it said."""


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """What a provider is told.

    Attributes:
        key: the same for every repetition of one piece of work.
        number: the document as it shall be; as it stands where it goes altogether.
        before: as it stands; None for a new number.
        settings: of the feature.
        dry_run: say what would be, do nothing.
    """

    key: str
    number: NumberDocument
    before: NumberDocument | None
    feature: str
    settings: Any
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ProviderSetup:
    """What a provider is made from: its entry point names something that takes this and returns the provider.

    Attributes:
        name: of its entry point, by which the settings choose it.
        settings: its table in the setting `features`; empty where there is none. May hold secrets.
    """

    name: str
    settings: Mapping[str, Any]


class FeatureProvider(Protocol):
    """Reads public fields into features, and switches them on and off upstream.

    Attributes:
        name: what it provides, as the permissions name it: `cnam`, `e911`, `prepend` …; of several providers of
            one name the settings choose (`cnam_provider`, `e911_provider`).
        features: the names it puts into `pvt_features`.
        keys: the public fields that it reads, by their newer names (`e911`, never `dash_e911`).
        states: in which its features are active.
        leaves: outside of those states its features stay as they are, instead of being removed.
        external: it needs a service outside of the cluster: not for numbers without an account, nor for local
            and mobile ones (unless `local_feature_override`).
        provisioned: settings that it adds by itself; that they differ from what is asked for is no change.
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
        """Feature → settings that these public fields ask for; pure, and the same for the same fields.

        Raises:
            FieldsInvalid: a value outside of its limits.
        """

    def activate(self, work: FeatureRequest) -> Any:
        """Switch on, or change; returns the settings to keep.

        Raises:
            FeatureFault: it is not on.
        """

    def remove(self, work: FeatureRequest) -> None:
        """Switch off; called before the fields go. That it is off already is no fault.

        Raises:
            FeatureFault: it may still be on.
        """
