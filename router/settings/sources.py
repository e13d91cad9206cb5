"""Sources of the settings: the environment and the settings file, in the shape of the settings' model."""

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource
from pydantic_settings import SettingsError as SourceError

from router.settings.errors import SettingsError, nearest
from router.settings.flat_names import FlatNames
from router.settings.service_links import is_service_link

PREFIX = "DID_ROUTER_"
"""Opens the environment variable of every setting."""

_CLIENT_SETTINGS = {"token"}
"""Names in the environment that are no settings of the service: commands send them to a service."""


class FlatEnvironment(PydanticBaseSettingsSource):
    """Reads `DID_ROUTER_COUCHDB_URL` as `url` of the group `couchdb`.

    pydantic-settings reads the variables by a model of the flat names, lists and tables as JSON, members of a table by
    two underscores. The values then go into their groups.

    Args:
        settings_cls: the settings' model.
        names: its flat names.
    """

    def __init__(self, settings_cls: type[BaseSettings], names: FlatNames) -> None:
        super().__init__(settings_cls)
        self._names = names
        self._source = EnvSettingsSource(_flat_model(names), env_prefix=PREFIX, env_nested_delimiter="__")

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: the values are given all at once."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values in their groups.

        Raises:
            SettingsError: a list or a table that is not JSON.
        """
        try:
            return self._names.nested(self._source())
        except SourceError as problem:
            name = next((word for word in str(problem).split('"')[1::2] if word in self._names), "a table")
            raise SettingsError(f"environment variable {PREFIX}{name.upper()} is not JSON") from None


@cache
def _flat_model(names: FlatNames) -> type[BaseSettings]:
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in names.fields.items()}
    return create_model("FlatSettings", __base__=BaseSettings, **fields)


def check_environment(names: FlatNames) -> None:
    """Refuse a mistyped variable, which would otherwise be ignored silently.

    Raises:
        SettingsError: a variable with the prefix of settings that is none.
    """
    for variable in os.environ:
        if not variable.startswith(PREFIX) or is_service_link(variable, os.environ):
            continue
        name = variable.removeprefix(PREFIX).partition("__")[0].lower()
        if name not in names and name not in _CLIENT_SETTINGS:
            raise SettingsError(f"unknown setting in the environment: {variable}{nearest(name, names)}")


def read_file(path: Path | None, names: FlatNames) -> dict[str, Any]:
    """Read a settings file.

    Args:
        path: a TOML file, or None.
        names: of the settings, for a flat name that belongs into a group.

    Raises:
        SettingsError: it can't be read, is not TOML, or writes a group's setting outside of its group.
    """
    if path is None:
        return {}
    values = _parse(path)
    for name in values:
        group, *member = names.path(name) if name in names else ("",)
        if member:
            raise SettingsError(f"settings file {path}: write '{name}' as '{member[0]}' under [{group}]")
    return values


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise SettingsError(f"settings file {path}: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise SettingsError(f"settings file {path} is not TOML: {problem}") from None
    except RecursionError:
        raise SettingsError(f"settings file {path} has lists or tables too deep inside each other") from None
