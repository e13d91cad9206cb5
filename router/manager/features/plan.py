"""The feature plan of an operation, decided without I/O."""

from dataclasses import dataclass
from typing import Any

from router.manager.features.feature_encoding import FeatureEncoding
from router.manager.features.provider import FeatureProvider
from router.numbers.documents import NumberDocument


@dataclass(frozen=True, slots=True)
class FeatureTask:
    """One feature to switch on, change or switch off."""

    provider: FeatureProvider
    feature: str
    settings: Any


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The document to write, and the provider calls that come first.

    Attributes:
        before: the current document; None: a new number.
        after: the document to write, with features and public fields; None: it is deleted.
        encoding: how the document encodes its features.
        removals: run first.
        activations: run next; the settings that a provider returns are kept.
        warnings: invalid or forbidden features that were left as they were, a line each.
    """

    before: NumberDocument | None
    after: NumberDocument | None
    encoding: FeatureEncoding
    removals: tuple[FeatureTask, ...] = ()
    activations: tuple[FeatureTask, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def work(self) -> bool:
        """Return whether a provider must be called; otherwise `after` is final."""
        return bool(self.removals or self.activations)

    @property
    def changed(self) -> bool:
        """Return whether the document differs from the current one."""
        return self.before != self.after
