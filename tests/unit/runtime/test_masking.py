"""Telephone numbers in logs are masked; other digits stay."""

import pytest

from router.runtime.masking import mask_numbers

NUMBERS = {
    "+14158867900": "+1415886xxxx",
    "4158867900": "415886xxxx",
    "8867900": "886xxxx",
    "(415) 886-7900": "(415) 886-xxxx",
    "415.886.7900": "415.886.xxxx",
    "sip:+14158867900@10.0.0.1": "sip:+1415886xxxx@10.0.0.1",
    "did-router:{+1415}8867900": "did-router:{+1415}886xxxx",
    "/numbers%2F%2B1415/%2B14158867900": "/numbers%2F%2B1415/%2B1415886xxxx",
    "two: +14158867900, +442071838750": "two: +1415886xxxx, +44207183xxxx",
}
OTHERS = (
    "numbers/+1415",
    "127.0.0.1:50051",
    "192.168.100.200",
    "2026-11-30 20:15:01",
    "4e1243bd22c66e76c2ba9eddc1f91394",
    "3-4e1243bd22c66e76c2ba9eddc1f91394",
    "101415886790012345678901234567890a",
    "token 17, 1003 documents",
)


@pytest.mark.parametrize("text", NUMBERS)
def test_last_digits_of_a_number_are_masked(text: str) -> None:
    assert mask_numbers(text) == NUMBERS[text]


@pytest.mark.parametrize("text", OTHERS)
def test_digits_that_are_no_number_stay(text: str) -> None:
    assert mask_numbers(text) == text
