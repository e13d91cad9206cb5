"""Flags over environment over a TOML file over defaults."""

from pathlib import Path

import click
import pytest

from router.cli.options import settings_options
from router.settings import Settings
from tests.cli.command import run

GB = '{"gb": {"region": "GB"}}'
FRANCE = '{"gb": {"region": "FR"}}'


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "router.toml"
    path.write_text('[dial_plans.gb]\nregion = "GB"\n')
    return str(path)


def test_settings_file_overrides_defaults(file: str) -> None:
    assert "+442079460018" in run("normalise", "--config", file, "--dial-plan", "gb", "020 7946 0018").out


def test_settings_environment_overrides_the_file(file: str) -> None:
    result = run(
        "normalise", "--config", file, "--dial-plan", "gb", "01 23 45 67 89", DID_ROUTER_DIAL_PLANS__GB__REGION="FR"
    )

    assert "+33123456789" in result.out


def test_settings_flag_overrides_the_file(file: str) -> None:
    result = run("normalise", "--config", file, "--set", f"dial_plans={FRANCE}", "--dial-plan", "gb", "01 23 45 67 89")

    assert "+33123456789" in result.out


def test_settings_flag_overrides_the_environment() -> None:
    result = run(
        "normalise", "--set", f"dial_plans={FRANCE}", "--dial-plan", "gb", "01 23 45 67 89", DID_ROUTER_DIAL_PLANS=GB
    )

    assert "+33123456789" in result.out


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["--set", "workers=3"], 3),
        (["--workers", "2", "--set", "workers=3"], 2),
        (["--set", "couchdb_url=http://127.0.0.1:1"], "http://127.0.0.1:1"),
        (["--couchdb-url", "http://127.0.0.1:2", "--set", "couchdb_url=http://127.0.0.1:1"], "http://127.0.0.1:2"),
        (["--set", "insecure=true"], True),
        (["--insecure", "--set", "insecure=false"], True),
    ],
)
def test_settings_missing_flag_keeps_set_value(given: list[str], wanted: object) -> None:
    expected: list[Settings] = []

    @click.command()
    @click.option("--workers", type=int)
    @click.option("--insecure", is_flag=True, default=None)
    @settings_options
    def command(settings: Settings) -> None:
        expected.append(settings)

    name = given[-1].partition("=")[0]
    command.main(given, standalone_mode=False)
    assert expected[0].value(name) == wanted
