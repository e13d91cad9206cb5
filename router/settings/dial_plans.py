"""Dial plans in the settings."""

from pydantic import BaseModel, ConfigDict, Field

from router.numbers.dial_plans import Converter
from router.numbers.rules import PlanSpec


class ConverterSettings(BaseModel):
    """One step of a dial plan: a regex, and the text around its last capture."""

    model_config = ConfigDict(extra="forbid")

    regex: str = Field(description="searched in the cleaned number; its last capture is kept")
    prefix: str = Field("", description="put before the capture")
    suffix: str = Field("", description="put after the capture")
    name: str = Field("", description="reported as the rule in responses")


class DialPlanSettings(BaseModel):
    """A dial plan; a request selects it by its dial_plan."""

    model_config = ConfigDict(extra="forbid")

    rules: list[ConverterSettings] = Field([], description="tried first, in order; the first match wins")
    converters: list[ConverterSettings] | None = Field(
        None, description="tried next, in order (default: the system's, or none where a region is named)"
    )
    region: str | None = Field(None, description="ISO 3166 country of numbers that no converter matches, such as GB")
    cleans: bool = Field(default=True, description="remove URI parts and visual separators first")

    def spec(self, name: str) -> PlanSpec:
        """Return the plan for the domain.

        Args:
            name: of the plan, for the message.

        Raises:
            ValueError: a regex that can't be used.
        """
        try:
            converters = None if self.converters is None else _converters(self.converters)
            return PlanSpec(_converters(self.rules), converters, self.region, self.cleans)
        except ValueError as problem:
            raise ValueError(f"dial plan '{name}': {problem}") from None


def _converters(steps: list[ConverterSettings]) -> tuple[Converter, ...]:
    return tuple(Converter(step.regex, step.prefix, step.suffix, step.name) for step in steps)
