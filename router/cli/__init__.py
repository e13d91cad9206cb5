"""The did-router command."""
