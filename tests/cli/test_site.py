"""`make site` builds every page and the API reference, whose links lead somewhere, without another server."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_REFERENCE = re.compile(r"""(?:href|src)=(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""")
_LOADED = re.compile(r"""<(?:script|img|link)[^>]*?(?:src|href)=["']?(https?:[^"'\s>]*)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [str(Path(sys.executable).parent / "mkdocs"), "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]

    assert [str(page) for page in pages if not (site / page).exists()] == []


def test_reference_has_a_page_for_each_room(site: Path) -> None:
    rooms = {path.parent.name for path in (ROOT / "router").glob("*/__init__.py")} - {"v1"}

    assert {room for room in rooms if not (site / "reference" / f"{room}.html").exists()} == set()
    assert "Return the status of a refused unary call" in (site / "reference" / "server.html").read_text("utf-8")


def test_links_inside_of_the_site_resolve(site: Path) -> None:
    broken = {
        f"{page.relative_to(site)}: {link}"
        for page in site.rglob("*.html")
        if page.name != "404.html"
        for link in map("".join, _REFERENCE.findall(page.read_text("utf-8")))
        if not re.match(r"[a-z]+:|#|$", link) and not (page.parent / link.partition("#")[0]).exists()
    }

    assert broken == set()


def test_pages_load_nothing_from_other_servers(site: Path) -> None:
    loaded = {address for page in site.rglob("*.html") for address in _LOADED.findall(page.read_text("utf-8"))}

    assert loaded == set()
