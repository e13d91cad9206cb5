"""Pages followed to the letter: their commands are run, and print what is shown."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.embedded import EmbeddedCouchDB
from tests.cli.command import ACCOUNTS, COMMAND, DOCUMENTS, databases_at, environment
from tests.cli.pages import sessions, shows
from tests.unit.manager.packages import ACME_PLUGIN


@pytest.fixture
def configuration(redis_url: str, tmp_path: Path) -> Iterator[Path]:
    """The carrier page's file, and stores of its own."""
    spool = tmp_path / "spool"
    spool.mkdir()
    with EmbeddedCouchDB() as server:
        databases = databases_at(server.url)
        for name in ("accounts", "port_requests", "system_config"):
            databases.database(name).create()
            databases.database(name).put_many(DOCUMENTS[name])
        file = tmp_path / "did-router.toml"
        file.write_text(
            f'[couchdb]\nurl = "{server.url}"\n[redis]\nurl = "{redis_url}"\n[carriers.knm_acme]\nfolder = "{spool}"\n'
        )
        yield file


def test_carrier_page_commands_print_what_it_shows(configuration: Path) -> None:
    (session,) = sessions("docs/carriers.md", "## Writing one")
    folder = configuration.parent
    more = {"ACCOUNT": ACCOUNTS[0], "PYTHONPATH": str(ACME_PLUGIN), "PATH": f"{Path(COMMAND).parent}:/usr/bin:/bin"}
    assert len(session) == 6

    for command, shown in session:
        expected = subprocess.run(
            ["/bin/sh", "-c", command.replace("/var/spool/acme", str(folder / "spool"))],
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment(**more),
            check=False,
        )
        printed = expected.stdout + expected.stderr
        assert shown
        assert not shows(shown, printed), (command, printed)
