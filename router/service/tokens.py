"""Bearer tokens: who may ask for what. The file holds their hashes, so that reading it lets nobody in.

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

from router.service.changed_files import ChangedFiles
from router.settings import SettingsError

log = logging.getLogger(__name__)

LOOKUP, MANAGE, ADMIN = "lookup", "manage", "admin"
SCOPES = (LOOKUP, MANAGE, ADMIN)

_MARK = "didr_"
"""Every token begins with it, so that scanners for leaked secrets can know one."""
_MOST_ADMITTED = 4096
_SCHEME = "bearer "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")

Header = str | bytes
"""The value of `authorization` as a transport gives it."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token is known by, and what it opens."""

    name: str
    digest: bytes
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Known:
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
        self._files = ChangedFiles([path])
        self._lock = threading.Lock()
        try:
            self._known = Known(read(path))
        except ValueError as problem:
            raise SettingsError(f"setting 'token_file': {problem}") from None

    def known(self) -> Known:
        """The tokens that count now."""
        if self._files.changed():
            self._read_again()
        return self._known

    def _read_again(self) -> None:
        with self._lock:
            try:
                self._known = Known(read(self._path))
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


def line_for(name: str, token: str, scopes: tuple[str, ...]) -> str:
    """The token's line in a token file.

    Raises:
        ValueError: a name that a line can't hold.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError("a token's name is up to 64 letters, digits, '.', '_', '@' and '-', such as switch-1")
    return f"{name} {sha256(token.encode()).hexdigest()} {','.join(dict.fromkeys(scopes))}"


def _tokens(text: str, path: Path) -> Iterator[Token]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield _token(words, f"{path}, line {number}")


def _token(words: list[str], where: str) -> Token:
    if len(words) != 3 or _NAME.fullmatch(words[0]) is None or _DIGEST.fullmatch(words[1]) is None:  # noqa: PLR2004
        raise ValueError(f"{where}: write it as NAME SHA256 SCOPE[,SCOPE], as did-router token new prints it")
    digest = bytes.fromhex(words[1])
    if digest == sha256(b"").digest():
        raise ValueError(f"{where}: that is the hash of nothing, and would let everybody in")
    scopes = frozenset(words[2].split(","))
    if not scopes <= set(SCOPES):
        raise ValueError(f"{where}: the scopes are {', '.join(SCOPES)}, with commas and no spaces between them")
    return Token(words[0], digest, scopes)


def _shown(header: Header | None) -> bytes:
    """The token inside a header; empty, which is no token, where it holds none."""
    if isinstance(header, bytes):
        header = header.decode("latin-1")
    if not header or not header.isascii() or header[: len(_SCHEME)].lower() != _SCHEME:
        return b""
    return header[len(_SCHEME) :].strip(" ").encode()
