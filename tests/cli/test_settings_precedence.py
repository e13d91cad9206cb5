"""Flags over environment over a TOML file over defaults."""

from pathlib import Path

import pytest

from tests.cli.command import run

GB = '{"gb": {"region": "GB"}}'
FRANCE = '{"gb": {"region": "FR"}}'


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "router.toml"
    path.write_text('[dial_plans.gb]\nregion = "GB"\n')
    return str(path)


def test_the_file_stands_over_the_defaults(file: str) -> None:
    assert "+442079460018" in run("normalise", "--config", file, "--dial-plan", "gb", "020 7946 0018").out


def test_the_environment_stands_over_the_file(file: str) -> None:
    said = run(
        "normalise", "--config", file, "--dial-plan", "gb", "01 23 45 67 89", DID_ROUTER_DIAL_PLANS__GB__REGION="FR"
    )

    assert "+33123456789" in said.out


def test_a_flag_stands_over_the_file(file: str) -> None:
    said = run("normalise", "--config", file, "--set", f"dial_plans={FRANCE}", "--dial-plan", "gb", "01 23 45 67 89")

    assert "+33123456789" in said.out


def test_a_flag_stands_over_the_environment() -> None:
    said = run(
        "normalise", "--set", f"dial_plans={FRANCE}", "--dial-plan", "gb", "01 23 45 67 89", DID_ROUTER_DIAL_PLANS=GB
    )

    assert "+33123456789" in said.out
