"""Copies of numbers in the accounts' own databases, which user interfaces list; no call is routed by them."""

from router.account_copies.copies import AccountCopies, CopyChange, CopyDifference
from router.account_copies.new_account_guess import NewAccountGuess
from router.settings import CopiesMode

__all__ = ["AccountCopies", "CopiesMode", "CopyChange", "CopyDifference", "NewAccountGuess"]
