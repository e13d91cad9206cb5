"""Settings of the log, the call log and traces."""

from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from router.settings.groups.group import Group

_SAMPLE = "sample:"
CALL_LOGS = ("none", "refused", "slow")


class LogSettings(Group):
    """The log on stderr, and the lines of calls in it."""

    TITLE: ClassVar = "Log"
    FLAT_PREFIX: ClassVar = "log_"
    UNPREFIXED: ClassVar = frozenset(("slow_call",))

    format: Literal["text", "json"] = Field(
        default="text", description="format of a log line: text, or a JSON object with time, level, event and keys"
    )
    numbers: Literal["full", "masked"] = Field(
        default="full",
        description="telephone numbers in the log, which are personal data; masked: without their last four digits",
    )
    calls: str = Field(
        default="none",
        description="lookups with a log line each: none, refused, slow, sample:RATE (sample:0.001 is one in a "
        "thousand), or several of them with commas between",
    )
    slow_call: float = Field(
        default=0.1, gt=0, description="seconds after which a lookup counts as slow, in the log and in `recent`"
    )

    @field_validator("calls")
    @classmethod
    def _are_call_logs(cls, text: str) -> str:
        for each in text.split(","):
            _check_call_log(each.strip())
        return text

    @property
    def call_kinds(self) -> frozenset[str]:
        """Return `refused` and `slow`, where such lookups are logged."""
        return frozenset(each.strip() for each in self.calls.split(",")) & {"refused", "slow"}

    @property
    def sample_rate(self) -> float:
        """Return the share of all lookups that are logged; 0 for none."""
        kinds = [each.strip() for each in self.calls.split(",")]
        return max((float(each.removeprefix(_SAMPLE)) for each in kinds if each.startswith(_SAMPLE)), default=0.0)


class TraceSettings(Group):
    """Spans of lookups, for OpenTelemetry."""

    TITLE: ClassVar = "Traces"
    FLAT_PREFIX: ClassVar = "trace_"

    endpoint: str = Field(
        default="",
        description="URL to which spans go by OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`; empty: no "
        "spans; needs did-router[otel]",
    )
    sample_every: int = Field(
        default=0,
        ge=0,
        description="one in so many lookups gets a span of its own accord; 0: only those whose `traceparent` says that "
        "it is sampled",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError("write it as http://HOST:4318/v1/traces")
        return url


def _check_call_log(text: str) -> None:
    if text in CALL_LOGS:
        return
    try:
        if text.startswith(_SAMPLE) and 0 < float(text.removeprefix(_SAMPLE)) <= 1:
            return
    except ValueError:
        pass
    raise ValueError(f"write {', '.join(CALL_LOGS)} or sample:RATE with a rate above 0 and at most 1, not '{text}'")
