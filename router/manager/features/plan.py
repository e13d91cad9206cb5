"""What an ask comes to for a number's features, decided without I/O."""

from dataclasses import dataclass
from typing import Any

from router.manager.features.feature_encoding import FeatureEncoding
from router.manager.features.provider import FeatureProvider
from router.numbers.documents import NumberDocument


@dataclass(frozen=True, slots=True)
class FeatureTask:
    """One feature to be switched on (or changed), or off."""

    provider: FeatureProvider
    feature: str
    settings: Any


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The document as it shall be, and what providers have to do first.

    Attributes:
        before: as it stands; None for a new number.
        after: as it shall be, features and public fields included; None: the document goes.
        spelling: how the document writes its features.
        removals: carried out first.
        activations: carried out next; what a provider returns is what is kept.
        warnings: what was left as it is although it can't be used or is not permitted, a line each.
    """

    before: NumberDocument | None
    after: NumberDocument | None
    encoding: FeatureEncoding
    removals: tuple[FeatureTask, ...] = ()
    activations: tuple[FeatureTask, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def work(self) -> bool:
        """Whether a provider has to be told anything; without it, `after` is all."""
        return bool(self.removals or self.activations)

    @property
    def changed(self) -> bool:
        """Whether the document differs from what stands."""
        return self.before != self.after
