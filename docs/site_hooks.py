"""Hooks of `make site`: add the pages outside of docs/, the files that pages link to, and the API reference."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "LICENSE": "LICENSE",
    "tests/README.md": "tests/README.md",
    "benchmarks/README.md": "benchmarks/README.md",
}
"""Files outside of docs/ by their path, with their path in the site."""
GENERATED_ROOMS = {"v1"}

_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Append the API reference, a page for each room, to the navigation."""
    rooms = [f"reference/{room}.md" for room in _rooms()]
    config.nav.append({"API reference": ["reference/index.md", *rooms]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add all files that are not in docs/."""
    for source, target in PAGES.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    for source in sorted(_linked_sources()):
        place = _place_of(source)
        content = _folder_index(source) if source.is_dir() else source.read_bytes()
        files.append(File.generated(config, place, content=content))
    files.append(File.generated(config, "reference/index.md", content=_reference_index()))
    for room in _rooms():
        files.append(File.generated(config, f"reference/{room}.md", content=_reference(room)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Redirect links between files of the repository to their places in the site."""
    source = _source_of(page.file.src_uri)
    if source is None:
        return markdown

    def redirect(match: re.Match[str]) -> str:
        text, link, anchor = match.groups()
        target = None if "://" in link else (source.parent / link).resolve()
        if target is None or not target.is_relative_to(ROOT):
            return match.group(0)
        here = Path(page.file.src_uri).parent
        return f"{text}({_relative(_place_of(target), here)}{anchor or ''})"

    return _LINK.sub(redirect, markdown)


def _rooms() -> list[str]:
    """Return the packages and modules right below `router`."""
    packages = {path.parent.name for path in (ROOT / "router").glob("*/__init__.py")} - GENERATED_ROOMS
    return sorted(packages | {path.stem for path in (ROOT / "router").glob("*.py") if path.stem != "__init__"})


def _modules(room: str) -> Iterator[str]:
    folder = ROOT / "router" / room
    if not folder.is_dir():
        yield f"router.{room}"
    for path in sorted(folder.rglob("*.py")):
        if not path.name.startswith("_"):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _reference(room: str) -> str:
    return "\n\n".join([f"# router.{room}", *(f"::: {module}" for module in _modules(room))]) + "\n"


def _reference_index() -> str:
    lines = [f"- [`router.{room}`]({room}.md)" for room in _rooms()]
    return "\n".join(["# API reference", "", "Generated from the docstrings, a page for each room.", "", *lines, ""])


def _source_of(place: str) -> Path | None:
    """Return the file that a page of the site is made from; None for a generated page."""
    outside = {target: source for source, target in PAGES.items()}
    source = ROOT / outside[place] if place in outside else ROOT / "docs" / place
    return source if source.exists() else None


def _place_of(target: Path) -> str:
    """Return the path in the site of a file of the repository."""
    name = target.relative_to(ROOT).as_posix()
    if name in PAGES:
        return PAGES[name]
    if target.suffix in {".md", ".png"} and name.startswith("docs/"):
        return name.removeprefix("docs/")
    return f"files/{name}/index.md" if target.is_dir() else f"files/{name}.txt"


def _linked_sources() -> set[Path]:
    """Return the files and folders that pages link to and that are no pages or pictures themselves."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in PAGES if name.endswith(".md"))]
    found = set()
    for page in pages:
        for _, link, _anchor in _LINK.findall(page.read_text("utf-8")):
            target = (page.parent / link).resolve()
            if "://" not in link and target.exists() and target.suffix not in {".md", ".png"}:
                found.add(target)
    inside = {path for folder in found if folder.is_dir() for path in folder.iterdir() if path.is_file()}
    return (found | inside) - {ROOT / name for name in PAGES}


def _folder_index(folder: Path) -> bytes:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return "\n".join([f"# {folder.name}", "", *(f"- [{name}]({name}.txt)" for name in names), ""]).encode()


def _relative(place: str, folder: Path) -> str:
    up = "../" * len(folder.parts)
    return f"{up}{place}"
