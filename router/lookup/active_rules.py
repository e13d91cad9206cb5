"""The rules in force."""

from router.numbers.rules import Rules


class ActiveRules:
    """Holds dial plans and routing policy for all parts of a lookup.

    Attributes:
        current: replaced as a whole when the configuration changes.
    """

    __slots__ = ("current",)

    def __init__(self, rules: Rules) -> None:
        self.current = rules
