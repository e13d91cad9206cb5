"""Token files as an operator keeps them."""

from pathlib import Path

from router.server.auth.tokens import line_for, new_token


class Tokens:
    """A token file, and the tokens whose hashes it holds.

    Args:
        scopes: name to scopes with commas between them, and behind `@` the account that the token is bound to.
    """

    def __init__(self, path: Path, **scopes: str) -> None:
        self.path = path
        self.plain: dict[str, str] = {}
        self.replace(**scopes)

    def replace(self, **scopes: str) -> None:
        """Write it anew: new tokens for names not known yet, the lines of the others gone."""
        self.plain = {name: self.plain.get(name) or new_token() for name in scopes}
        lines = [_line(name, self.plain[name], each) for name, each in scopes.items()]
        fresh = self.path.with_suffix(".new")
        fresh.write_text("# who may ask\n\n" + "\n".join(lines) + "  # the last\n")
        fresh.replace(self.path)

    def shown(self, name: str) -> tuple[tuple[str, str], ...]:
        """The metadata with a token."""
        return (("authorization", f"Bearer {self.plain[name]}"),)


def _line(name: str, token: str, opens: str) -> str:
    scopes, _, account = opens.partition("@")
    return line_for(name, token, tuple(scopes.split(",")), account or None)
