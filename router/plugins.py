"""The public interface for carriers and feature providers of other packages.

A plug-in imports from this module only; names elsewhere in the package may change without notice. docs/carriers.md and
docs/features.md have worked examples. The package is typed (`py.typed`), so a type checker compares a plug-in with its
interface: annotate the factory's return type as `Carrier` or `FeatureProvider`.

A factory is named by an entry point, in the group `did_router.carriers` or `did_router.features`. It raises
`PluginError`, with the remedy as message, if its settings can't be used; did-router reports it in `did-router check`,
and works without the plug-in.
"""

from router.couch.server import CouchServer
from router.lifecycle.policy import CarrierTraits
from router.manager.carriers.carrier import Carrier, CarrierError, CarrierOrder, CarrierSetup
from router.manager.features.provider import (
    FeatureError,
    FeatureProvider,
    FeatureRequest,
    InvalidFieldsError,
    ProviderSetup,
)
from router.manager.plugin_registry import PluginError
from router.numbers.documents import NumberDocument
from router.numbers.states import State

__all__ = [
    "Carrier",
    "CarrierError",
    "CarrierOrder",
    "CarrierSetup",
    "CarrierTraits",
    "CouchServer",
    "FeatureError",
    "FeatureProvider",
    "FeatureRequest",
    "InvalidFieldsError",
    "NumberDocument",
    "PluginError",
    "ProviderSetup",
    "State",
]
