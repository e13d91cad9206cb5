"""Dial plans as the settings write them."""

from pydantic import BaseModel, ConfigDict, Field

from router.numbers.dial_plans import Converter
from router.numbers.rules import PlanSpec


class ConverterSettings(BaseModel):
    """One step of a dial plan: what it matches and what it puts around the last capture."""

    model_config = ConfigDict(extra="forbid")

    regex: str = Field(description="matched against the cleaned number; the last capture is kept")
    prefix: str = Field("", description="put before what was kept")
    suffix: str = Field("", description="put after what was kept")
    name: str = Field("", description="named as the rule in answers")


class DialPlanSettings(BaseModel):
    """How numbers of one origin are written; chosen by a request's dial_plan."""

    model_config = ConfigDict(extra="forbid")

    rules: list[ConverterSettings] = Field([], description="tried first, in order; the first match wins")
    converters: list[ConverterSettings] | None = Field(
        None, description="tried next, in order (default: the system's, or none where a region is named)"
    )
    region: str | None = Field(None, description="ISO 3166 country for what no converter settles, such as GB")
    cleans: bool = Field(default=True, description="take off URI parts and visual separators first")

    def spec(self, name: str) -> PlanSpec:
        """The plan as the domain knows it.

        Args:
            name: of the plan, for whoever has to mend it.

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
