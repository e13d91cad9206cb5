"""What the cluster's settings, and a number's carrier, say about its life."""

from dataclasses import dataclass
from typing import Protocol

from router.numbers.carriers import LOCAL, MDN, module_name
from router.numbers.system_config import NumberManagerConfig


@dataclass(frozen=True, slots=True)
class ManagerPolicy:
    """KAZOO's `number_manager` settings that decide what becomes of a number, by its names.

    Attributes:
        released_state: of a number that nobody reserved before: available, aging or released.
        should_permanently_delete: its document goes instead.
        should_age: where it would be available, it ages first.
        available_module_name: the carrier module of created numbers.
        port_in_module_name: that of numbers created as ported in.
        discovery_expiry_d: days after which what nobody took is removed.
        aging_expiry_d: days after which it is available again.
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
        """The policy that the cluster's settings amount to; carrier modules by their present names."""
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
    """What a number's life needs to know of its carrier module; every carrier fits.

    Attributes:
        name: `knm_…`, as `pvt_module_name` says.
        is_local: its numbers are the cluster's own: any state may be released.
        deletes_on_release: the documents go instead of becoming available (knm_local, knm_mdn).
        only_in_service: its numbers know no other state, and only whoever looks after mobile numbers changes them
            (knm_mdn).
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def is_local(self) -> bool: ...  # noqa: D102
    @property
    def deletes_on_release(self) -> bool: ...  # noqa: D102
    @property
    def only_in_service(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Traits:
    """A carrier's traits alone; by themselves those of a module that nobody knows."""

    name: str
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False


LOCAL_TRAITS = Traits(LOCAL, is_local=True, deletes_on_release=True)
MDN_TRAITS = Traits(MDN, deletes_on_release=True, only_in_service=True)
