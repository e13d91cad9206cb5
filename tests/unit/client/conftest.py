"""Fixtures of the client's tests."""

from tests.unit.client.fake_service import fake

__all__ = ["fake"]
