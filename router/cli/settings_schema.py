"""`python -m router.cli.settings_schema` prints docs/schemas/settings.json: the schema of a file of settings.

Editors complete and check a TOML file by it. Rules between settings are beyond it: `did-router check --offline`.
"""

import json
import sys
from typing import Any

from router.settings import Settings

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the JSON schema of a settings file."""
    made = Settings.model_json_schema(mode="validation")
    return {"$schema": _DIALECT, **made, "title": "did-router settings"}


def text() -> str:
    """Return the whole of docs/schemas/settings.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
