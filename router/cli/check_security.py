"""Findings of `did-router check` about addresses, TLS and tokens: what `serve` or the console would not start with."""

import ipaddress
import ssl
from collections.abc import Callable, Iterator

from router.cli.finding import Finding
from router.console.bind_policy import check_console_listen
from router.console.certificate import present_to_services, trust_services
from router.console.setting_files import read_file
from router.runtime.addresses import parse_address
from router.server.auth.authorizer import open_authorizer
from router.server.auth.bind_policy import check_bind_policy
from router.server.auth.tls_files import open_certificates
from router.settings import Settings, SettingsError


def security_findings(settings: Settings, *, resolve: bool) -> Iterator[Finding]:
    """Yield a finding per fault, and one per thing that is on.

    Args:
        resolve: host names may be resolved, to learn whether other machines reach them.
    """
    names = [] if resolve else host_names(settings)
    if names:
        yield Finding("addresses", f"not judged offline, and the transport neither: {', '.join(names)} is a host name")
    else:
        yield from _judge("addresses", lambda: check_bind_policy(settings))
    if settings.tls.enabled:
        yield from _judge("TLS", lambda: open_certificates(settings), good=f"certificate {settings.tls.certificate}")
    if settings.auth.token_file is not None:
        yield from _judge("tokens", lambda: open_authorizer(settings), good=f"file {settings.auth.token_file}")
    yield from _console_findings(settings, resolve=resolve)


def _console_findings(settings: Settings, *, resolve: bool) -> Iterator[Finding]:
    """Yield a finding per fault; there are none where no setting of the console is used."""
    group = settings.console
    if resolve or _is_number(group.listen):
        yield from _judge("console", lambda: check_console_listen(settings))
    if (ca := group.ca) is not None:
        yield from _judge("console", lambda: trust_services(ca))
    if (certificate := group.client_certificate) is not None and (key := group.client_key) is not None:
        yield from _judge("console", lambda: present_to_services(ssl.create_default_context(), certificate, key))
    if (token_file := group.token_file) is not None:
        yield from _judge("console", lambda: read_file(token_file, "console_token_file"))


def _judge(subject: str, act: Callable[[], object], *, good: str = "") -> Iterator[Finding]:
    try:
        act()
    except SettingsError as problem:
        yield Finding(subject, str(problem), ok=False)
        return
    if good:
        yield Finding(subject, good)


def host_names(settings: Settings) -> list[str]:
    """Return the addresses that only a resolver could judge."""
    listening = (settings.server.listen, settings.server.admin_listen, settings.http.listen)
    return [address for address in listening if address and not _is_number(address)]


def _is_number(address: str) -> bool:
    try:
        ipaddress.ip_address(parse_address(address).host)
    except ValueError:
        return False
    return True
