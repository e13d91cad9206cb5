"""The targets by name; each is imported only when it is asked for: an engine watches it from its first line on."""

from importlib import import_module

from tests.fuzz.target import CORPUS, Target

NAMES = (
    "normaliser",
    "dial_plans",
    "number_documents",
    "cache_entries",
    "feeds",
    "settings",
    "bulk_files",
    "bulk_results",
    "couch_answers",
    "followed_documents",
    "token_file",
    "requests",
    "sip_messages",
    "enum_queries",
)


def target(name: str) -> Target:
    """One of NAMES."""
    found: Target = import_module(f"tests.fuzz.targets.{name}").TARGET
    assert found.name == name, f"corpus of {name} is in {CORPUS / found.name}"
    return found
