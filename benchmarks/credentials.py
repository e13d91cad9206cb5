"""Certificates and tokens of contestants, and of the calls to them."""

from dataclasses import dataclass
from pathlib import Path

import grpc
import trustme

from router.server.auth.tokens import line_for, new_token

_HOST = "127.0.0.1"
Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Access:
    """The address and credentials of a contestant.

    Attributes:
        authority: PEM file of the authority that its certificate must be from; None for no TLS.
        token: sent with each call; empty for none.
        traceparent: the same.
    """

    authority: Path | None = None
    token: str = ""
    traceparent: str = ""

    def channel(self, port: int) -> grpc.Channel:
        """Return a channel to a port of 127.0.0.1."""
        if self.authority is None:
            return grpc.insecure_channel(f"{_HOST}:{port}")
        return grpc.secure_channel(f"{_HOST}:{port}", grpc.ssl_channel_credentials(self.authority.read_bytes()))

    @property
    def metadata(self) -> Metadata:
        """The metadata of each call."""
        token = (("authorization", f"Bearer {self.token}"),) if self.token else ()
        return (*token, ("traceparent", self.traceparent)) if self.traceparent else token


PLAIN = Access()


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate for 127.0.0.1 with an ECDSA key, and a token that may look numbers up.

    Attributes:
        certificate, key, authority: PEM files; token_file: as the setting of that name wants it.
    """

    certificate: Path
    key: Path
    authority: Path
    token_file: Path
    token: str

    @classmethod
    def make(cls, folder: Path) -> "Credentials":
        """Write the files."""
        folder.mkdir()
        authority, token = trustme.CA(), new_token()
        issued = authority.issue_cert(_HOST)
        made = cls(folder / "certificate.pem", folder / "key.pem", folder / "authority.pem", folder / "tokens", token)
        made.certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        made.key.write_bytes(issued.private_key_pem.bytes())
        made.authority.write_bytes(authority.cert_pem.bytes())
        made.token_file.write_text(line_for("benchmark", token, ("lookup",)) + "\n")
        return made

    def access(self, *, tls: bool, tokens: bool) -> Access:
        """Return how a contestant with these is reached."""
        return Access(self.authority if tls else None, self.token if tokens else "")
