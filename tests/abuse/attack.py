"""An attack and its parameters."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.abuse.harness import Harness


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        begin: does it for so many seconds; returns what the attacker saw.
        megabytes: that the service's memory may grow by, at the highest.
        quick: part of the bounded form.
        hurts: fronts that it hurts, as docs/security.md admits.
    """

    name: str
    begin: Callable[[Harness, float], str]
    megabytes: int = 64
    quick: bool = True
    hurts: tuple[str, ...] = ()


def together(count: int, attack: Callable[[], str]) -> str:
    """Several at a time; what they saw, its numbers added up."""
    with ThreadPoolExecutor(count) as pool:
        outcome = [each.result() for each in [pool.submit(attack) for _ in range(count)]]
    number, units = zip(*(each.split(" ", 1) for each in outcome), strict=True)
    return f"{sum(int(each.replace(',', '')) for each in number):,} {units[0]}"
