"""Copies of numbers in the accounts' own databases, which interfaces for people list; no call is routed by them."""

from router.account_copies.copies import AccountCopies, CopyChange, CopyDifference, NewAccountGuess
from router.settings import CopiesMode

__all__ = ["AccountCopies", "CopiesMode", "CopyChange", "CopyDifference", "NewAccountGuess"]
