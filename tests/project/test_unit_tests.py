"""The unit tests mirror the package: a newcomer finds a module's tests, and the place for a new one, by the path."""

from pathlib import Path

from tests.language.file_length import MAX_LINES

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"
FILES = sorted(UNIT.rglob("test_*.py"))


def module_of(file: Path) -> Path | None:
    """Return the module that a file of tests is named after, or whose name it begins with; None where there is none."""
    room = ROOT / "router" / file.parent.relative_to(UNIT)
    parts = file.stem.removeprefix("test_").split("_")
    names = ("_".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((room / f"{name}.py" for name in names if (room / f"{name}.py").is_file()), None)


def test_unit_tests_of_a_module_are_named_after_it() -> None:
    assert [str(file.relative_to(UNIT)) for file in FILES if module_of(file) is None] == []


def test_unit_tests_of_a_module_are_one_file_unless_it_would_be_too_long() -> None:
    lengths: dict[Path | None, list[int]] = {}
    for file in FILES:
        lengths.setdefault(module_of(file), []).append(len(file.read_text("utf-8").splitlines()))

    split = [str(module) for module, lines in lengths.items() if len(lines) > 1 and sum(lines) <= MAX_LINES]
    assert split == []
