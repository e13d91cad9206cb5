"""Placeholders for providers that the settings choose and that can't be used.

Skipping them would leave an emergency address or a name switched on upstream, unnoticed.
"""

from dataclasses import dataclass, fields
from typing import Any, NoReturn

from router.manager.features.notified import NotifiedFeature
from router.manager.features.provider import FeatureError, FeatureRequest


@dataclass(frozen=True, slots=True)
class UnavailableProvider(NotifiedFeature):
    """Reads the fields as the built-in provider does, and refuses every switch."""

    reason: str = ""

    def activate(self, work: FeatureRequest) -> Any:
        """Refuse."""
        self._refuse(work)

    def remove(self, work: FeatureRequest) -> None:
        """Refuse."""
        self._refuse(work)

    def _refuse(self, work: FeatureRequest) -> NoReturn:
        raise FeatureError(f"{work.feature} can't be switched: {self.reason}")


def unavailable_provider(own: NotifiedFeature, reason: str) -> UnavailableProvider:
    """Return a placeholder that reads fields as `own` does.

    Args:
        reason: the fault and the remedy.
    """
    return UnavailableProvider(
        **{each.name: getattr(own, each.name) for each in fields(own) if each.init}, reason=reason
    )
