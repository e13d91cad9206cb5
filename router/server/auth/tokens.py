"""Bearer tokens, their scopes and accounts; the token file holds hashes, which can't be used as tokens.

A token has 256 random bits, so that one SHA-256 without salt is as good as a slow hash is for a password.
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
from router.runtime.file_watcher import FileWatcher
from router.settings import SettingsError

log = logging.getLogger(__name__)

LOOKUP, MANAGE, ADMIN, SYSTEM = "lookup", "manage", "admin", "system"
SCOPES = (LOOKUP, MANAGE, ADMIN, SYSTEM)

_PREFIX = "didr_"
"""Prefix of every token, for scanners for leaked secrets."""
_MAX_VERIFIED = 4096
_SCHEME = "bearer "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_ACCOUNT = "account="

Header = str | bytes
"""The value of `authorization`, as the transport returns it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token's name, hash, scopes and account.

    Attributes:
        digest: SHA-256 of the token.
        account: id of the account that it is bound to; None for an unbound token.
    """

    name: str
    digest: bytes
    scopes: frozenset[str]
    account: str | None = None


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The tokens of a token file at one time.

    Attributes:
        verified_headers: by scope, the headers that passed the check, with their tokens' names, so that the next call
            with one costs a look-up. Only valid headers are kept, so that strangers can't fill it.
    """

    tokens: tuple[Token, ...]
    verified_headers: dict[str, dict[Header, str]] = field(default_factory=lambda: {scope: {} for scope in SCOPES})

    def find(self, header: Header | None) -> Token | None:
        """Return the token in a header; compares every digest, in constant time."""
        digest = sha256(_token_bytes(header)).digest()
        found = None
        for token in self.tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def add_verified(self, scope: str, header: Header, name: str) -> None:
        """Store that this header, of the token with this name, has the scope."""
        headers = self.verified_headers[scope]
        if len(headers) < _MAX_VERIFIED:
            headers[header] = name


class TokenFile:
    """The tokens in a file, reread when it changes; an unusable file leaves the previous tokens in use.

    Raises:
        SettingsError: the file can't be used at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = FileWatcher([path])
        self._lock = threading.Lock()
        try:
            self._tokens = TokenSet(read(path))
        except ValueError as problem:
            raise SettingsError(f"setting 'token_file': {problem}") from None

    def current(self) -> TokenSet:
        """Return the current tokens."""
        if self._files.changed():
            self._reload()
        return self._tokens

    def _reload(self) -> None:
        with self._lock:
            try:
                self._tokens = TokenSet(read(self._path))
            except ValueError as problem:
                log.error("tokens not reloaded, the previous ones stay in use: error=%s", problem)
            else:
                log.info("tokens reloaded: count=%d file=%s", len(self._tokens.tokens), self._path)


def read(path: Path) -> tuple[Token, ...]:
    """Read a token file.

    Raises:
        ValueError: the file can't be used; the message names the line and quotes nothing of it.
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
    """Return a new random token."""
    return _PREFIX + secrets.token_urlsafe(32)


def line_for(name: str, token: str, scopes: tuple[str, ...], account: str | None = None) -> str:
    """Return the token's line for a token file.

    Args:
        account: id of the account that the token is bound to; None for an unbound token.

    Raises:
        ValueError: a line can't hold the name or the account, or the scopes can't be bound to an account.
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
        fields = line.partition("#")[0].split()
        if fields:
            yield _token(fields, f"{path}, line {number}")


def _token(fields: list[str], location: str) -> Token:
    if not _has_form(fields):
        raise ValueError(
            f"{location}: write it as NAME SHA256 SCOPE[,SCOPE] [account=ID], as did-router token new prints it"
        )
    digest = bytes.fromhex(fields[1])
    if digest == sha256(b"").digest():
        raise ValueError(f"{location}: that is the hash of nothing, and would let every caller in")
    scopes = frozenset(fields[2].split(","))
    if not scopes <= set(SCOPES):
        raise ValueError(f"{location}: the scopes are {', '.join(SCOPES)}, with commas and no spaces between them")
    if len(fields) == 3:  # noqa: PLR2004
        return Token(fields[0], digest, scopes)
    account = fields[3].removeprefix(_ACCOUNT)
    try:
        _require_bindable(account, scopes)
    except ValueError as problem:
        raise ValueError(f"{location}: {problem}") from None
    return Token(fields[0], digest, scopes, account)


def _has_form(fields: list[str]) -> bool:
    """Return whether a line has a name, a hash and scopes, and at most an account besides."""
    if not 3 <= len(fields) <= 4 or _NAME.fullmatch(fields[0]) is None or _DIGEST.fullmatch(fields[1]) is None:  # noqa: PLR2004
        return False
    return all(each.startswith(_ACCOUNT) for each in fields[3:])


def _require_bindable(account: str, scopes: frozenset[str]) -> None:
    """Raise ValueError for an invalid binding; the message quotes nothing of the line."""
    if not is_account_id(account) or "#" in account:
        raise ValueError("a token is bound to an account by account=ID, an id of 32 characters")
    if SYSTEM in scopes:
        raise ValueError(
            "a token bound to an account can't have the scope system, which may do everything: leave out one"
        )
    if MANAGE not in scopes:
        raise ValueError("an account bounds what a token manages: add the scope manage, or leave out the account")


def _token_bytes(header: Header | None) -> bytes:
    """Return the token in a header; empty where there is none."""
    if isinstance(header, bytes):
        header = header.decode("latin-1")
    if not header or not header.isascii() or header[: len(_SCHEME)].lower() != _SCHEME:
        return b""
    return header[len(_SCHEME) :].strip(" ").encode()
