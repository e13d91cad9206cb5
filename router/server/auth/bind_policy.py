"""The bind policy: a loopback address is always allowed, any other one needs TLS or tokens."""

from router.runtime.addresses import is_loopback
from router.settings import Settings, SettingsError

_HOW = "see docs/security.md, or say --insecure where the network itself keeps strangers out"


def check_bind_policy(settings: Settings) -> None:
    """Refuse settings under which the service would answer any caller that can reach this machine.

    Raises:
        SettingsError: names the address, and what to do.
    """
    if settings.auth.insecure:
        return
    if not (settings.tls.enabled or settings.auth.token_file or is_loopback(settings.server.listen)):
        raise SettingsError(
            f"setting 'listen': {settings.server.listen} can be reached from other machines, and there is neither TLS "
            f"nor tokens: set tls_certificate and tls_key, or token_file; {_HOW}"
        )
    check_admin_address(settings, "admin_listen", settings.server.admin_listen)
    if not (settings.auth.token_file or not settings.http.listen or is_loopback(settings.http.listen)):
        raise SettingsError(
            f"setting 'http_listen': {settings.http.listen} can be reached from other machines, and its callers show "
            f"no token: set token_file, or listen on 127.0.0.1 (behind the edge, HTTP is on its address too); {_HOW}"
        )


def check_admin_address(settings: Settings, name: str, address: str) -> None:
    """Refuse an admin address whose pages any caller could read that can reach this machine.

    Args:
        name: the setting's name.

    Raises:
        SettingsError: names the address, and what to do.
    """
    if not (settings.auth.insecure or settings.auth.token_file or is_loopback(address)):
        raise SettingsError(
            f"setting '{name}': {address} can be reached from other machines, and its pages "
            f"ask for no token: set token_file, or listen on 127.0.0.1; {_HOW}"
        )
