"""Checks of the stores' URLs, and their redaction."""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from router.runtime.addresses import Address, parse_address

ENCODING_HINT = "; : / ? # @ and % in the user or password are percent-encoded"
"""Ends the message about an unusable URL."""

_SENTINEL_PORT = 26379
_QUERY_VALUE = re.compile(r"([^?&#=]*)=([^&#]*)")


def is_valid_url(url: str) -> bool:
    """Return whether a URL has a host, a valid port if any, and no password that extends into its path."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not _password_extends(url)
    except ValueError:
        return False


def are_valid_sentinels(url: str) -> bool:
    """Return whether a Sentinel URL has hosts, valid ports if any, and no password that extends into its path."""
    if _password_extends(url):
        return False
    try:
        return bool(sentinel_addresses(urlsplit(url).netloc.rpartition("@")[2]))
    except ValueError:
        return False


def sentinel_addresses(hosts: str) -> list[Address]:
    """Read the sentinels of a URL, each with a port or without.

    Raises:
        ValueError: a host is missing, or a port is none.
    """
    return [parse_address(each, default_port=_SENTINEL_PORT) for each in hosts.split(",")]


def are_valid_nodes(url: str) -> bool:
    """Return whether a CouchDB URL has one node or several, each with a host, and a valid port if any."""
    try:
        parts = urlsplit(url)
        credentials, at, netloc = parts.netloc.rpartition("@")
        hosts = [urlunsplit(parts._replace(netloc=f"{credentials}{at}{host}")) for host in netloc.split(",")]
    except ValueError:
        return False
    return all(map(is_valid_url, hosts))


def _password_extends(url: str) -> bool:
    """Return whether a `/`, `?` or `#` of the password ends the host part, so that it would be shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return "@" in f"{parts.path}{parts.query}{parts.fragment}"


def without_password(url: str) -> str:
    """Return a URL that may be shown, with its password replaced by ***."""
    address, mark, query = url.partition("?")
    url = address + mark + _QUERY_VALUE.sub(_without_secret, query)
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    if not at:
        return url
    user, colon, _ = credentials.partition(":")
    shown = f"{user}:***" if colon else user
    return urlunsplit(parts._replace(netloc=f"{shown}@{host}"))


def _without_secret(option: re.Match[str]) -> str:
    """Return an option of a query that may be shown, such as `ssl_password=***`."""
    return f"{option[1]}=***" if "pass" in unquote(option[1]).lower() else option[0]
