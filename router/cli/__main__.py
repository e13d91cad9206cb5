"""Lets `python -m router.cli` run the did-router command."""

from router.cli.main import main

main()
