"""URLs of stores: whether they can be used, and how they may be shown."""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

ENCODING_HINT = "; : / ? # @ and % in the user or password are percent-encoded"
"""What to tell whoever wrote one that can't be used."""

_QUERY_VALUE = re.compile(r"([^?&#=]*)=([^&#]*)")


def is_valid_url(url: str) -> bool:
    """Whether a URL has a host, and a port that is one, and no password that ran over into its path."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not _runs_over(url)
    except ValueError:
        return False


def are_valid_sentinels(url: str) -> bool:
    """Whether a Sentinel URL names hosts, and ports that are some, and no password that ran over into its path."""
    if _runs_over(url):
        return False
    hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    return all(
        host and (not colon or port.isdecimal()) for host, colon, port in (each.partition(":") for each in hosts)
    )


def are_valid_nodes(url: str) -> bool:
    """Whether a CouchDB URL names one node or several, each with a host, and a port that is one if any."""
    try:
        parts = urlsplit(url)
        credentials, at, netloc = parts.netloc.rpartition("@")
        hosts = [urlunsplit(parts._replace(netloc=f"{credentials}{at}{host}")) for host in netloc.split(",")]
    except ValueError:
        return False
    return all(map(is_valid_url, hosts))


def _runs_over(url: str) -> bool:
    """Whether a password's own `/`, `?` or `#` ended what belongs in front of the host, so that it would be shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return "@" in f"{parts.path}{parts.query}{parts.fragment}"


def without_password(url: str) -> str:
    """The URL as it may be shown: its password replaced by ***."""
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
    """An option of a query, such as `ssl_password=secret`, as it may be shown."""
    return f"{option[1]}=***" if "pass" in unquote(option[1]).lower() else option[0]
