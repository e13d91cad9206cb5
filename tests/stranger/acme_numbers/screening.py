"""`screening`: Acme keeps unwanted calls from a number whose field `screening` says how strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from router.manager.features.provider import FeatureError, FeatureRequest, InvalidFieldsError, ProviderSetup
from router.numbers.documents import NumberDocument
from router.numbers.states import State

LEVELS = ("low", "high")


@dataclass(frozen=True)
class Screening:
    """Reads `{"screening": {"level": "high"}}`."""

    folder: Path
    name: str = "screening"
    features: frozenset[str] = frozenset({"screening"})
    keys: frozenset[str] = frozenset({"screening"})
    states: frozenset[State] = frozenset({State.IN_SERVICE})
    kept_outside_states: bool = False
    external: bool = True
    provisioned: frozenset[str] = frozenset({"ticket"})

    def requested(self, public: Mapping[str, Any], number: NumberDocument) -> dict[str, Any]:
        """What the field asks for, within its limits."""
        field = public.get("screening")
        if field is None:
            return {}
        level = field.get("level") if isinstance(field, Mapping) else None
        if level not in LEVELS:
            raise InvalidFieldsError(f"screening.level must be one of {', '.join(LEVELS)}")
        return {"screening": {"level": level}}

    def activate(self, work: FeatureRequest) -> Any:
        """Tell Acme, and keep its ticket with the settings."""
        if not work.dry_run:
            try:
                self._file(work).write_text(work.settings["level"], "utf-8")
            except OSError as problem:
                raise FeatureError(f"Acme can't be told: {problem.strerror}") from None
        return {**work.settings, "ticket": work.key}

    def remove(self, work: FeatureRequest) -> None:
        """Take it back; that it is off already is fine."""
        if not work.dry_run:
            self._file(work).unlink(missing_ok=True)

    def _file(self, work: FeatureRequest) -> Path:
        return self.folder / f"{work.number.number}.screening"


def make(setup: ProviderSetup) -> Screening:
    """What the entry point names."""
    return Screening(Path(setup.settings.get("folder", ".")))
