"""did-router check tells of plug-ins: whose they are, and what is wrong with one."""

import os
from pathlib import Path

from tests.cli.command import run
from tests.unit.manager.packages import ACME_PLUGIN, install

Stores = tuple[str, ...]


def test_check_lists_third_party_and_built_in_plugins(stores: Stores, tmp_path: Path) -> None:
    folder = f'carriers={{"knm_acme": {{"folder": "{tmp_path}"}}}}'

    result = run("check", *stores, "--set", folder, PYTHONPATH=str(ACME_PLUGIN))

    assert "ok   transport: native on 127.0.0.1:50051" in result.out
    assert "ok   carriers: knm_acme, knm_inum, knm_inventory, knm_local, " in result.out
    assert "ok   feature providers: acme_screening, knm_cnam_notifier, " in result.out
    assert "BAD  carrier" not in result.out
    assert "BAD  feature" not in result.out


def test_check_broken_plugin_is_reported_with_its_package(stores: Stores, tmp_path: Path) -> None:
    points = "[did_router.carriers]\nknm_bad = bad_numbers:make\n[did_router.features]\nbad = bad_numbers:nothing\n"
    install(tmp_path, "bad-numbers", points, "def make(setup): raise OSError('no licence')")
    other = 'carriers={"knm_other": {"url": "http://x", "token": "s3cret", "tires": 4}}'

    result = run(
        "check",
        *stores,
        "--set",
        other,
        "--set",
        'number_manager={"e911_provider": "knm_telnyx_e911"}',
        PYTHONPATH=os.pathsep.join((str(tmp_path), str(ACME_PLUGIN))),
    )

    assert result.code == 1
    assert (
        "BAD  carrier: knm_bad of package bad-numbers 1.0: bad_numbers:make can't be used: OSError: no l" in result.out
    )
    assert "BAD  carrier: knm_acme of package acme-numbers 1.0: " in result.out
    assert "setting 'carriers.knm_acme.folder' is missing" in result.out
    assert "setting 'carriers.knm_other.tires': Extra inputs are not permitted" in result.out
    assert "BAD  feature provider: bad of package bad-numbers 1.0: bad_numbers:nothing can't be used" in result.out
    assert "BAD  feature provider: e911_provider is knm_telnyx_e911: no package that is installed" in result.out
    assert "knm_local, knm_managed" in result.out
    assert "s3cret" not in result.out + result.err
