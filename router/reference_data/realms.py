"""The SIP realms of accounts, for Contacts that name them."""


class Realms:
    """Realms by account id, in a worker's memory; reading takes no lock.

    Attributes:
        changes: counts the changes, so that values derived from a realm can be recomputed.
    """

    def __init__(self) -> None:
        self._realms: dict[str, str] = {}
        self.changes = 0

    def get(self, account: str) -> str:
        """Return an account's realm; empty where none is known."""
        return self._realms.get(account, "")

    def put(self, account: str, realm: str) -> None:
        """Set an account's realm; an empty one removes it."""
        if realm == self._realms.get(account, ""):
            return
        if realm:
            self._realms[account] = realm
        else:
            del self._realms[account]
        self.changes += 1
