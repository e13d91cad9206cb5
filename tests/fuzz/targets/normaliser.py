"""The normaliser under several dial plans: whatever a switch sends."""

from collections import Counter

from router.numbers import shards
from router.numbers.dial_plans import KAZOO, SYSTEM, Converter, DialPlan
from router.numbers.normaliser import MAX_NUMBER_BYTES, Normaliser
from tests.fuzz.target import Target

PLANS = {
    "uk": DialPlan("uk", converters=(), region="GB"),
    "italy": DialPlan("italy", converters=(), region="IT"),
    "argentina": DialPlan("argentina", region="AR"),
    "germany": DialPlan("germany", (Converter(r"^0([1-9]\d+)$", "+49"),), converters=()),
    "pbx": DialPlan("pbx", (Converter(r"^9(\d{4,})$"), Converter(r"^(\d{4})$", "+1415886")), cleans=False),
    "suffixed": DialPlan("suffixed", (Converter(r"(\d+)#?$", "", "00", "grown"),)),
}
NORMALISER = Normaliser(PLANS)
KNOWN = {"system": SYSTEM, "kazoo": KAZOO, **PLANS}
NAMES = ("system", "kazoo", *PLANS)


def check(data: bytes) -> None:
    """The first byte names the plan, the rest is the number as a switch has it, be it UTF-8 or not."""
    plan = NAMES[data[0] % len(NAMES)] if data else ""
    text = data[1:].decode("utf-8", "surrogateescape")

    reported = NORMALISER.explain(text, plan)
    fast = NORMALISER.e164(text, plan)

    assert fast == (reported.number, reported.reconcilable), "the fast way and the full way agree"
    assert NORMALISER.e164(text, plan) == fast, "remembered, it is the same"
    assert len(reported.number) <= max(len(text), MAX_NUMBER_BYTES) + 16, "bounded"
    if reported.reconcilable:
        assert reported.number.isascii()
        assert reported.number.isprintable()
        assert 0 < len(reported.number) <= MAX_NUMBER_BYTES
    if reported.database is not None:
        assert reported.database == shards.shard_for(reported.number)
        assert shards.is_legal(reported.database)
    if reported.number.startswith("+"):
        assert NORMALISER.e164(reported.number, plan) == fast, "what has its + is left alone"
    if plan == "system":
        assert NORMALISER.e164(reported.number, plan) == fast, "twice comes to the same"
        invented = _digits(reported.number) - _digits(text)
        is_north_american = reported.number.startswith("+1") and invented == Counter("1")
        assert not invented or is_north_american, "no digit is invented"


def _digits(text: str) -> Counter[str]:
    return Counter(filter("0123456789".__contains__, text))


TARGET = Target(
    "normaliser",
    check,
    dictionary=(
        "sip:",
        "sips:",
        "tel:",
        "%2B",
        "@",
        ";phone-context=+44",
        ";npdi",
        ":pw@",
        "(0)",
        "+14158867900",
        "0044",
        "011",
        "0039",
        "+549",
        ";ext=",
        "192.168.0.1",
        "\u0663",
        "\uff0b",
    ),
    longest=600,
)
