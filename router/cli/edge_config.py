"""The command `did-router edge-config`."""

import json

import click

from router.cli.options import settings_options
from router.server.edge.configuration import bootstrap
from router.server.edge.plan import EdgePlan
from router.settings import Settings, SettingsError


@click.command("edge-config")
@click.option("--listen", metavar="ADDR", help="Address that callers connect to (default: 127.0.0.1:50051).")
@settings_options
def edge_config(settings: Settings) -> None:
    """Print the Envoy configuration for these settings, as JSON (which is valid YAML).

    For running Envoy yourself, in the directory named by edge_directory: did-router serve keeps the workers' sockets
    and certificates there, and has to have started before Envoy, which refuses the configuration while those files are
    missing. Run Envoy as the same user, with --disable-hot-restart.
    """
    if settings.edge.directory is None:
        raise SettingsError(
            "setting 'edge_directory': say where the workers' sockets are, such as "
            "--set edge_directory=/run/did-router; give did-router serve the same, and edge_external=true"
        )
    click.echo(json.dumps(bootstrap(EdgePlan.from_settings(settings, settings.edge.directory.absolute())), indent=2))
