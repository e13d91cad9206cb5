"""The number manager: what callers hold; the pipeline is beside it."""

from collections.abc import Sequence

from router.manager.outcomes import Outcome
from router.numbers.lifecycle.asks import Ask
from router.settings import Settings
from router.stores import Stores


class NumberManager:
    """Carries out what is asked of numbers, a batch at a time; threads share it.

    Args:
        settings: the rules' overrules, account copies, carriers.
        stores: Redis and CouchDB; Redis may be away.
    """

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores

    def carry_out(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Do what is asked, any mix, and tell what became of each, in order.

        The same number twice is done in the order given. One number's refusal never stops the others.
        A store that is away is each concerned number's error (`errors.unavailable`).
        """
        raise NotImplementedError
