"""python -m router.cli is did-router."""

from router.cli.main import main

main()
