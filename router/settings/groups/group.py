"""The base of every group of settings."""

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, field_validator

from router.settings.redaction import redacted

MAX_SECONDS = 1e9
"""Seconds, some 31 years: more than a timer of the operating system or an expiry in Redis takes."""


class Group(BaseModel):
    """Settings that belong together.

    Attributes:
        TITLE: heads the group's section in docs/configuration.md.
        FLAT_PREFIX: put before a field's name in the environment and for `--set`; empty for none.
        UNPREFIXED: fields whose flat name is their own name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    TITLE: ClassVar[str] = ""
    FLAT_PREFIX: ClassVar[str] = ""
    UNPREFIXED: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def flat_name(cls, field: str) -> str:
        """Return how the environment and `--set` name a field, in small letters."""
        return field if field in cls.UNPREFIXED else cls.FLAT_PREFIX + field

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, redacted(name, value)

    @field_validator("*")
    @classmethod
    def _bounded_seconds(cls, value: Any) -> Any:
        # `not <=` instead of `>`: every comparison with "not a number" is false.
        if isinstance(value, float) and not value <= MAX_SECONDS:
            raise ValueError(f"write a number of seconds, at most {MAX_SECONDS:,.0f}")
        return value
