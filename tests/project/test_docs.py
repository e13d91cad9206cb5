"""The documentation can't drift: what it names exists, and the generated page is current."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from router.cli import metrics_page
from router.cli.channel import TOKEN_VARIABLE
from router.cli.configuration_page import page
from router.cli.main import COMMANDS, main
from router.numbers.normaliser import Normaliser
from router.settings import NAMES, Settings
from router.settings.rules import build_rules

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = ROOT / "docs" / "configuration.md"

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
_COMMAND = re.compile(r"(?<![\w./-])did-router(?: +(--?[a-z-]+|[a-z][a-z-]*))?([^|#;&`]*)")
_OTHERS = {"--couchdb-url", "--build"}
"""Options of other tools that pages name on their own: pytest's; docker's."""


class Named(NamedTuple):
    """A command line in a page."""

    page: Path
    text: str


def _id(path: object) -> str:
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else ""


def _code(path: Path) -> Iterator[str]:
    """Each line of code in a page: blocks of the shell, and spans."""
    text = path.read_text("utf-8")
    for kind, block in _FENCE.findall(text):
        if kind in {"console", "sh", "bash", "make", "yaml"}:
            yield from block.replace("\\\n", " ").splitlines()
    yield from _SPAN.findall(_FENCE.sub("", text))


def _command_lines() -> list[Named]:
    return [Named(path, line) for path in PAGES for line in _code(path) if "did-router " in line]


def _blocks(path: Path) -> Iterator[list[str]]:
    """Each run of lines of a table in a page."""
    block: list[str] = []
    for line in [*_FENCE.sub("", path.read_text("utf-8")).splitlines(), ""]:
        if line.startswith("|"):
            block.append(line)
        elif block:
            yield block
            block = []


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_tables_are_whole(path: Path) -> None:
    for head, *rest in _blocks(path):
        columns = len(re.findall(r"(?<!\\)\|", head))
        assert rest, f"a row of a table stands alone: {head}"
        assert re.fullmatch(r"\|(?: *:?-+:? *\|)+", rest[0]), f"rows without a head, such as after a blank line: {head}"
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in rest} == {columns}, f"cells are missing below {head}"


def test_configuration_page_is_current() -> None:
    assert page() == GENERATED.read_text("utf-8"), (
        "run `python -m router.cli.configuration_page >docs/configuration.md`"
    )


def test_metrics_page_is_current() -> None:
    assert metrics_page.page() == (ROOT / "docs" / "metrics.md").read_text("utf-8"), "run `make docs`"


def test_every_setting_is_on_the_configuration_page() -> None:
    text = GENERATED.read_text("utf-8")

    assert [name for name in NAMES if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_links_resolve(path: Path) -> None:
    broken = [link for link in _LINK.findall(path.read_text("utf-8")) if not _resolves(path, link)]

    assert broken == []


def _resolves(path: Path, link: str) -> bool:
    if link.startswith(("http://", "https://")):
        return True
    name, _, anchor = link.partition("#")
    target = (path.parent / name).resolve() if name else path
    if not target.exists():
        return False
    return not anchor or anchor in _anchors(target)


def _anchors(path: Path) -> set[str]:
    """The headings of a page, as code forges name them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_and_option_named_exists() -> None:
    wrong = [
        f"{_id(named.page)}: {problem}"
        for named in _command_lines()
        for name, rest in _COMMAND.findall(named.text)
        for problem in _problems(name, rest)
    ]

    assert wrong == []


def _problems(name: str, rest: str) -> Iterator[str]:
    if not name or name.startswith("-"):
        command: click.Command = main
        rest = f"{name} {rest}"
    elif name in COMMANDS:
        command = _command(name)
    else:
        yield f"there is no command {name}"
        return
    known = _options(command)
    yield from (f"{name} has no {option}" for option in _OPTION.findall(rest) if option not in known)


def _command(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


def _options(command: click.Command) -> set[str]:
    """A command's, and those of the commands in it."""
    named = {option for parameter in command.params for option in parameter.opts}
    context = click.Context(command)
    names = command.list_commands(context) if isinstance(command, click.Group) and command is not main else ()
    inside = [found for name in names if (found := command.get_command(context, name)) is not None]  # type: ignore[attr-defined]
    return {*named, "--help", "-h"}.union(*map(_options, inside))


def test_every_option_named_alone_exists() -> None:
    known = set().union(_OTHERS, *(_options(command) for command in (main, *map(_command, COMMANDS))))
    spans = [(path, span) for path in PAGES for span in _SPAN.findall(_FENCE.sub("", path.read_text("utf-8")))]
    wrong = [f"{_id(path)}: {span}" for path, span in spans if span.startswith("--") and span.split()[0] not in known]

    assert wrong == []


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        (_id(path), target)
        for path in PAGES
        for line in _code(path)
        for target in re.findall(r"(?:^|[\s$])make ([a-z-]+)", line)
    }

    assert {each for each in named if each[1] not in targets} == set()


def test_every_setting_named_exists() -> None:
    text = "\n".join(path.read_text("utf-8") for path in PAGES)
    fields = {f"DID_ROUTER_{name.upper()}" for name in NAMES} | {TOKEN_VARIABLE}
    named = {name.partition("__")[0].rstrip("_") for name in re.findall(r"DID_ROUTER_[A-Z_]+", text)} - {"DID_ROUTER"}

    assert named <= fields


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_toml_examples_can_be_used(path: Path, tmp_path: Path) -> None:
    for number, (kind, block) in enumerate(_FENCE.findall(path.read_text("utf-8"))):
        if kind == "toml":
            tomllib.loads(block)
            file = tmp_path / f"{number}.toml"
            file.write_text(block, "utf-8")
            Settings.load(file)


def test_dial_plan_example_does_what_it_says(tmp_path: Path) -> None:
    example = next(block for kind, block in _FENCE.findall(page()) if kind == "toml" and "[dial_plans" in block)
    file = tmp_path / "router.toml"
    file.write_text(example, "utf-8")
    normaliser: Normaliser = build_rules(Settings.load(file), None).normaliser

    assert normaliser.e164("(020) 7946 0018", "gb").number == "+442079460018"
    assert normaliser.e164("7123", "gb").number == "+442079467123"


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_python_examples_can_be_read(path: Path) -> None:
    for kind, block in _FENCE.findall(path.read_text("utf-8")):
        if kind == "python":
            compile(block, str(path), "exec")


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_tables_are_in_one_piece(path: Path) -> None:
    """A blank line ends a table: the rows below it would be shown as text."""
    lines = _FENCE.sub("", path.read_text("utf-8")).splitlines()
    rows = [index for index, line in enumerate(lines) if line.startswith("|")]
    firsts = [index for index in rows if not index or not lines[index - 1].startswith("|")]
    broken = [lines[index][:80] for index in firsts if not re.match(r"\|( *:?-+:? *\|)+ *$", lines[index + 1])]
    assert not broken


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = set(re.findall(r"^ +- (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}

    assert pages - navigation == set()
