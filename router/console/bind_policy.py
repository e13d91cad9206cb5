"""Settings with which the console does not start: where it may listen, and a service that it could not reach."""

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


def check_own_service(settings: Settings) -> None:
    """Refuse a console beside a service with TLS that it could not call: it lacks an authority, or a certificate.

    Raises:
        SettingsError: names the settings.
    """
    group = settings.console
    if not settings.tls.enabled or group.services:
        return
    if not group.uses_tls:
        raise SettingsError(
            "settings 'console_ca' and 'console_tls': the service uses TLS, and the console does not know whose "
            "certificates to trust: set console_ca to the PEM file of the certificate's authority (or console_tls=true "
            "for a public one), and console_services to a name in the certificate, with the port"
        )
    if settings.tls.client_ca is not None and group.client_certificate is None:
        raise SettingsError(
            "settings 'console_client_certificate' and 'console_client_key': the service requires client certificates "
            "(tls_client_ca): set them to the PEM files of a certificate that tls_client_ca trusts, and of its key"
        )
