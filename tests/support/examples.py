"""How many inputs hypothesis makes up for a property: all in `make test`, a tenth in `make test-unit`."""

from hypothesis import settings

QUICK = "quick"
_FULL = 100
"""Examples of hypothesis's own default profile, which `make test` runs under."""


def register_profiles() -> None:
    """Make `--hypothesis-profile=quick` known: a look at each property while code is being written.

    No example has a deadline: a busy machine would miss it.
    """
    settings.register_profile("full", settings(), deadline=None)
    settings.register_profile(QUICK, settings(), deadline=None, max_examples=_FULL // 10, stateful_step_count=20)
    settings.load_profile("full")


def examples(count: int) -> int:
    """Return how many of `count` examples the profile of this run makes; call it when a test module is imported."""
    return max(1, count * settings().max_examples // _FULL)
