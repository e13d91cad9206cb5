"""Loading: the sources of the settings in their order, and one line for whatever is wrong in them."""

from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from router.settings.errors import SettingsError, explain, unknown_setting
from router.settings.flat_names import FlatNames
from router.settings.sources import FlatEnvironment, check_environment, read_file

S = TypeVar("S", bound=BaseSettings)

_FILE: ContextVar[Mapping[str, Any] | None] = ContextVar("values of the settings file", default=None)


def load(model: type[S], names: FlatNames, config: Path | None, flags: Mapping[str, Any]) -> S:
    """Read the settings.

    Args:
        model: the settings' model; its sources are those of `sources`.
        names: its flat names.
        config: a TOML file, or None.
        flags: values given on the command line, by flat name; None means not given.

    Raises:
        SettingsError: a file that can't be read, an unknown name, an unusable value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    for name in given:
        if name not in names:
            raise SettingsError(unknown_setting(name, names))
    check_environment(names)
    file = _FILE.set(read_file(config, names))
    try:
        return model(**names.nested(given))
    except ValidationError as problem:
        raise SettingsError(explain(problem, names, config)) from None
    except RecursionError:
        raise SettingsError("a setting has lists or tables too deep inside each other") from None
    finally:
        _FILE.reset(file)


def sources(
    model: type[BaseSettings], names: FlatNames, flags: PydanticBaseSettingsSource
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return the sources of the settings: flags, the environment, the file of the `load` that runs."""
    return flags, FlatEnvironment(model, names), InitSettingsSource(model, dict(_FILE.get() or {}))
