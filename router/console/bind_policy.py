"""Where the console may listen."""

from router.runtime.addresses import is_loopback
from router.settings import Settings, SettingsError


def check_console_listen(settings: Settings) -> None:
    """Refuse an address on which tokens would cross the network unencrypted.

    Raises:
        SettingsError: names the address, and what to do.
    """
    address = settings.console.listen
    if is_loopback(address) or settings.tls.enabled or settings.auth.insecure:
        return
    raise SettingsError(
        f"setting 'console_listen': {address} can be reached from other machines, and tokens would cross the network "
        "unencrypted: set tls_certificate and tls_key, or listen on 127.0.0.1 behind a proxy with TLS"
    )
