"""Bearer tokens: what each opens, and for which account; the file holds hashes, so that reading it lets nobody in.

A token has 256 random bits, so that one SHA-256 without salt is as good as a slow hash would be for a password.
"""

import hmac
import logging
import re
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from router.lifecycle.permissions import is_account_id
from router.server.auth.file_watcher import FileWatcher
from router.settings import SettingsError

log = logging.getLogger(__name__)

LOOKUP, MANAGE, ADMIN, SYSTEM = "lookup", "manage", "admin", "system"
SCOPES = (LOOKUP, MANAGE, ADMIN, SYSTEM)

_MARK = "didr_"
"""Every token begins with it, so that scanners for leaked secrets can know one."""
_MOST_ADMITTED = 4096
_SCHEME = "bearer "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_ACCOUNT = "account="

Header = str | bytes
"""The value of `authorization` as a transport gives it."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token is known by, and what it opens.

    Attributes:
        digest: SHA-256 of the token.
        account: the account id that it is bound to; None for an unbound token.
    """

    name: str
    digest: bytes
    scopes: frozenset[str]
    account: str | None = None


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The tokens of one reading of the file.

    Attributes:
        admitted: for each scope the headers that were found good, so that the next call with one costs a look
            into a set. Only good ones are kept: strangers can't fill it.
    """

    tokens: tuple[Token, ...]
    admitted: dict[str, set[Header]] = field(default_factory=lambda: {scope: set() for scope in SCOPES})

    def find(self, header: Header | None) -> Token | None:
        """The token that a header shows; every digest is compared, in constant time."""
        digest = sha256(_shown(header)).digest()
        found = None
        for token in self.tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def admit(self, scope: str, header: Header) -> None:
        """Remember that this header opens the scope."""
        remembered = self.admitted[scope]
        if len(remembered) < _MOST_ADMITTED:
            remembered.add(header)


class TokenFile:
    """The tokens in a file, read again when it changes. A file that can't be used leaves them as they were.

    Raises:
        SettingsError: it can't be used at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = FileWatcher([path])
        self._lock = threading.Lock()
        try:
            self._known = TokenSet(read(path))
        except ValueError as problem:
            raise SettingsError(f"setting 'token_file': {problem}") from None

    def known(self) -> TokenSet:
        """The tokens that count now."""
        if self._files.changed():
            self._read_again()
        return self._known

    def _read_again(self) -> None:
        with self._lock:
            try:
                self._known = TokenSet(read(self._path))
            except ValueError as problem:
                log.error("the tokens stay as they were: %s", problem)
            else:
                log.info("%d tokens read from %s", len(self._known.tokens), self._path)


def read(path: Path) -> tuple[Token, ...]:
    """Read a token file.

    Raises:
        ValueError: it can't be used; the message names the line and shows nothing of it.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as problem:
        raise ValueError(f"{path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    tokens = tuple(_tokens(text, path))
    if not tokens:
        raise ValueError(f"{path} names no token: make one with did-router token new")
    if len({token.digest for token in tokens}) < len(tokens):
        raise ValueError(f"{path} has the same hash in two lines: keep one, with the scopes of both")
    return tokens


def new_token() -> str:
    """A token that nobody can guess."""
    return _MARK + secrets.token_urlsafe(32)


def line_for(name: str, token: str, scopes: tuple[str, ...], account: str | None = None) -> str:
    """The token's line in a token file.

    Args:
        account: the account id that the token is bound to; None for an unbound token.

    Raises:
        ValueError: a name or an account that a line can't hold, or an account with scopes that it can't go with.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError("a token's name is up to 64 letters, digits, '.', '_', '@' and '-', such as switch-1")
    line = f"{name} {sha256(token.encode()).hexdigest()} {','.join(dict.fromkeys(scopes))}"
    if account is None:
        return line
    _require_bindable(account, frozenset(scopes))
    return f"{line} {_ACCOUNT}{account}"


def _tokens(text: str, path: Path) -> Iterator[Token]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield _token(words, f"{path}, line {number}")


def _token(words: list[str], where: str) -> Token:
    if not _has_form(words):
        raise ValueError(
            f"{where}: write it as NAME SHA256 SCOPE[,SCOPE] [account=ID], as did-router token new prints it"
        )
    digest = bytes.fromhex(words[1])
    if digest == sha256(b"").digest():
        raise ValueError(f"{where}: that is the hash of nothing, and would let everybody in")
    scopes = frozenset(words[2].split(","))
    if not scopes <= set(SCOPES):
        raise ValueError(f"{where}: the scopes are {', '.join(SCOPES)}, with commas and no spaces between them")
    if len(words) == 3:  # noqa: PLR2004
        return Token(words[0], digest, scopes)
    account = words[3].removeprefix(_ACCOUNT)
    try:
        _require_bindable(account, scopes)
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from None
    return Token(words[0], digest, scopes, account)


def _has_form(words: list[str]) -> bool:
    """Whether a line has a name, a hash and scopes, and nothing else but an account."""
    if not 3 <= len(words) <= 4 or _NAME.fullmatch(words[0]) is None or _DIGEST.fullmatch(words[1]) is None:  # noqa: PLR2004
        return False
    return all(word.startswith(_ACCOUNT) for word in words[3:])


def _require_bindable(account: str, scopes: frozenset[str]) -> None:
    """Raise ValueError, with a message that shows nothing of the line, for a binding that can't hold."""
    if not is_account_id(account) or "#" in account:
        raise ValueError("a token is bound to an account by account=ID, an id of 32 characters")
    if SYSTEM in scopes:
        raise ValueError(
            "a token bound to an account can't have the scope system, which may do everything: leave out one"
        )
    if MANAGE not in scopes:
        raise ValueError("an account bounds what a token manages: add the scope manage, or leave out the account")


def _shown(header: Header | None) -> bytes:
    """The token inside a header; empty, which is no token, where it holds none."""
    if isinstance(header, bytes):
        header = header.decode("latin-1")
    if not header or not header.isascii() or header[: len(_SCHEME)].lower() != _SCHEME:
        return b""
    return header[len(_SCHEME) :].strip(" ").encode()
