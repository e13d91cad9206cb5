"""The groups of the settings: a table of the settings file, and a section of docs/configuration.md, each."""
