"""The cluster's settings and the carrier's traits that decide operations."""

from dataclasses import dataclass
from typing import Protocol

from router.numbers.carriers import LOCAL, module_name
from router.numbers.system_config import NumberManagerConfig


@dataclass(frozen=True, slots=True)
class ManagerPolicy:
    """KAZOO's `number_manager` settings that decide operations, by their own names.

    Attributes:
        released_state: of a released number without an earlier reservation: available, aging or released.
        should_permanently_delete: delete its document instead.
        should_age: age it first where it would become available.
        available_module_name: the carrier module of created numbers.
        port_in_module_name: the carrier module of numbers created as ported in.
        discovery_expiry_d: days after which an untaken number is removed.
        aging_expiry_d: days after which an aging number is available again.
    """

    released_state: str = "available"
    should_permanently_delete: bool = False
    should_age: bool = False
    available_module_name: str = LOCAL
    port_in_module_name: str = LOCAL
    discovery_expiry_d: int = 1
    aging_expiry_d: int = 90

    @classmethod
    def of(cls, config: NumberManagerConfig) -> "ManagerPolicy":
        """Return the policy of the cluster's settings, with carrier modules by their present names."""
        return cls(
            released_state=config.released_state,
            should_permanently_delete=config.should_permanently_delete,
            should_age=config.should_age,
            available_module_name=module_name(config.available_module_name),
            port_in_module_name=module_name(config.port_in_module_name),
            discovery_expiry_d=config.discovery_expiry_d,
            aging_expiry_d=config.aging_expiry_d,
        )


class CarrierTraits(Protocol):
    """Traits of a carrier module that decide operations; every carrier has them.

    Attributes:
        name: `knm_…`, the value of `pvt_module_name`.
        is_local: whether its numbers are the cluster's own, and may be released in any state.
        deletes_on_release: whether a release deletes the document instead of making the number available (knm_local,
            knm_mdn).
        only_in_service: whether its numbers have no other state, and change only with `mdn_run` (knm_mdn).
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def is_local(self) -> bool: ...  # noqa: D102
    @property
    def deletes_on_release(self) -> bool: ...  # noqa: D102
    @property
    def only_in_service(self) -> bool: ...  # noqa: D102
