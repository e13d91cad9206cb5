"""Flat names of settings: how the environment, `--set` and the code that passes settings on name a group's field.

The file writes `read_timeout` under `[couchdb]`. The environment and `--set` write `couchdb_read_timeout`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from router.settings.groups.group import Group

Path = tuple[str, ...]
"""Location of a setting: (group, field), or (field,) outside of a group."""


class FlatNames:
    """The flat names of a model whose fields are groups or settings of their own.

    Args:
        model: its fields whose type is a `Group` are groups, all others are settings.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.groups: dict[str, type[Group]] = {}
        self._paths: dict[str, Path] = {}
        self.fields: dict[str, FieldInfo] = {}
        for name, field in model.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, Group):
                self.groups[name] = kind
                for member, inner in kind.model_fields.items():
                    self._add(kind.flat_name(member), (name, member), inner)
            else:
                self._add(name, (name,), field)
        self._flat = {path: name for name, path in self._paths.items()}

    def _add(self, name: str, path: Path, field: FieldInfo) -> None:
        if name in self._paths:
            raise TypeError(f"two settings have the flat name {name}")
        self._paths[name] = path
        self.fields[name] = field

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def path(self, name: str) -> Path:
        """Return the location of a flat name.

        Raises:
            KeyError: there is no such setting.
        """
        return self._paths[name]

    def nested(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by flat name as groups; a name that is no setting's stays at the top."""
        values: dict[str, Any] = {}
        for name, value in flat.items():
            group, *member = self._paths.get(name, (name,))
            if member:
                values.setdefault(group, {})[member[0]] = value
            else:
                values[group] = value
        return values

    def shown(self, path: Path) -> str:
        """Return a path for messages: its flat name where it has one, `[group] name` for an unknown one of a group."""
        if path[:2] in self._flat:
            return ".".join((self._flat[path[:2]], *path[2:]))
        if path[:1] in self._flat or (path[:1] and path[0] not in self.groups):
            return ".".join(path)
        return " ".join((f"[{path[0]}]", *path[1:])) if path else ""

    def siblings(self, path: Path) -> list[str]:
        """Return the known names at the location of a path's last name."""
        if path[0] in self.groups and len(path) == 2:  # noqa: PLR2004 - a group and a name in it
            return list(self.groups[path[0]].model_fields)
        return [*self._paths, *self.groups]
