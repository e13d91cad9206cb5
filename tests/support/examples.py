"""How many inputs hypothesis makes up for a property: half of all in `make test`, a tenth in `make test-unit`."""

from hypothesis import settings

_FULL = 100
"""Examples of hypothesis's own default profile."""


def register_profiles() -> None:
    """Make `--hypothesis-profile=quick` and `=full` known.

    `make test` has to end within five minutes; the fuzzers make millions of inputs. No example has a deadline: a busy
    machine would miss it.
    """
    settings.register_profile("full", settings(), deadline=None)
    settings.register_profile("half", settings(), deadline=None, max_examples=_FULL // 2)
    settings.register_profile("quick", settings(), deadline=None, max_examples=_FULL // 10, stateful_step_count=20)
    settings.load_profile("half")


def examples(count: int) -> int:
    """Return how many of `count` examples the profile of this run makes; call it when a test module is imported."""
    return max(1, count * settings().max_examples // _FULL)
