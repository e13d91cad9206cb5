"""Packages with entry points, as they lie where Python finds them after an installation."""

from pathlib import Path

import pytest

ACME_PLUGIN = Path(__file__).parents[2] / "fixtures" / "acme_plugin"
"""A folder in which a third-party package is installed."""


def install(folder: Path, package: str, points: str, code: str = "") -> Path:
    """Put a package of one module there, its entry points under both groups as given.

    Args:
        points: the text of entry_points.txt.
        code: the module's; its name is the package's, with underscores.
    """
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    (folder / f"{package.replace('-', '_')}.py").write_text(code)
    return folder


def on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make the packages of a folder installed from now on."""
    monkeypatch.syspath_prepend(folder)
