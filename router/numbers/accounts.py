"""Account documents, with the fields that numbers need: enabled, ancestors, permissions."""

from collections.abc import Mapping
from dataclasses import dataclass

from router.numbers.fields import MAX_ID_LENGTH, Fields, Skipped, is_true, is_visible, shown

__all__ = ["AccountDocument", "Skipped", "read"]


@dataclass(frozen=True, slots=True)
class AccountDocument:
    """A document of the `accounts` database.

    Attributes:
        id: the account id.
        revision: `_rev`; empty for none.
        enabled: the account's own `pvt_enabled`: true where it is missing, false where it is set to anything but
            true, as in KAZOO. Ancestors' values don't count.
        deleted: `pvt_deleted`.
        name: for people; empty for none.
        realm: its SIP realm; empty for none.
        tree: its ancestors' account ids, topmost first (`pvt_tree`).
        superduper_admin: whether it may do everything (`pvt_superduper_admin`).
        allow_additions: whether it may create numbers (`pvt_wnm_allow_additions`).
    """

    id: str
    revision: str
    enabled: bool
    deleted: bool
    name: str
    realm: str
    tree: tuple[str, ...] = ()
    superduper_admin: bool = False
    allow_additions: bool = False


def read(doc: object) -> AccountDocument | Skipped:
    """Read a document of the `accounts` database; never raises."""
    if not isinstance(doc, Mapping):
        return Skipped("not an object")
    if doc.get("_deleted") is True:
        return Skipped("deleted")
    kind = doc.get("pvt_type")
    if kind is not None and kind != "account":
        return Skipped(f"its pvt_type is {shown(kind)}, not 'account'")
    account = doc.get("_id")
    if not isinstance(account, str) or not 0 < len(account) <= MAX_ID_LENGTH or not is_visible(account):
        return Skipped(f"its id is {shown(account)}: no account id")
    if account.startswith("_design/"):
        return Skipped("a design document")
    fields = Fields(doc)
    enabled = fields.get("pvt_enabled")
    return AccountDocument(
        id=account,
        revision=fields.word("_rev") or "",
        enabled=enabled is None or is_true(enabled),
        deleted=fields.flag("pvt_deleted") is True,
        name=fields.text("name") or "",
        realm=fields.word("realm") or "",
        tree=fields.accounts("pvt_tree"),
        superduper_admin=fields.flag("pvt_superduper_admin") is True,
        allow_additions=fields.flag("pvt_wnm_allow_additions") is True,
    )
