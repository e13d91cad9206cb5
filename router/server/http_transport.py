"""HTTP as a transport: the server, the application, and a batch loop of its own for its lookups."""

from pathlib import Path

from router.lookup.engine import LookupEngine
from router.lookup.explain import Explainer
from router.manager.manager import NumberManager
from router.server.api.http.app import HttpApp
from router.server.api.http.callers import Callers
from router.server.api.http.routes import HttpRoutes
from router.server.api.inbound_servicer import InboundServicer
from router.server.api.number_manager_servicer import NumbersServicer
from router.server.auth.authorizer import Authorizer
from router.server.calls.batcher import Batcher
from router.server.calls.connection_limit import ConnectionLimit
from router.server.calls.event_loop import EventLoopCallSource
from router.server.calls.http import HttpServer, http_socket, open_tcp, open_unix
from router.server.observation.observation import Observation
from router.server.observation.protocols import HTTP
from router.server.switch_transport import NoTransport, SwitchTransport
from router.server.transport import UNIX_PREFIX
from router.settings import Settings


class UvicornTransport:
    """HTTP by uvicorn.

    Args:
        path: of a Unix socket to listen on, too; None for none.
        reuse_port: other workers listen on the same port.

    Raises:
        AddressInUseError: an address can't be listened on.
    """

    def __init__(
        self,
        settings: Settings,
        lookup: LookupEngine,
        explainer: Explainer,
        manager: NumberManager,
        *,
        authorizer: Authorizer | None,
        observation: Observation,
        reuse_port: bool,
        path: Path | None,
    ) -> None:
        observer = observation.lookups_over(HTTP)
        limits = settings.lookup
        sockets = [open_tcp(settings.http.listen, reuse_port=reuse_port)] if settings.http.listen else []
        self.port = sockets[0].getsockname()[1] if sockets else 0
        if path is not None:
            sockets.append(open_unix(path))
        limit = ConnectionLimit(settings.http.max_connections, observation.dropped_over(HTTP))
        self._server = HttpServer(sockets, limit)
        self._source = EventLoopCallSource(self._server.loop, limits.max_queued_calls, observer)
        self._batches = Batcher(
            self._source,
            lookup,
            name="http-batches",
            batch_size=limits.batch_size,
            max_waiting=limits.max_queued_calls,
            default_timeout=limits.timeout,
            observation=observation,
            protocol=HTTP,
        )
        # Servicers count what they work on inside of one event loop, so gRPC's own can't be shared.
        inbound = InboundServicer(
            lookup,
            explainer,
            max_waiting=limits.max_queued_calls,
            default_timeout=limits.timeout,
            observer=observer,
        )
        self._numbers = NumbersServicer(manager, threads=settings.manager.threads, authorizer=authorizer)
        callers = Callers(authorizer, timeout=settings.http.timeout)
        routes = HttpRoutes(self._source, inbound, self._numbers, callers).routes()
        self._app = HttpApp(self._source, routes, callers, observation.http)

    def start(self) -> None:
        """Accept requests."""
        self._batches.start()
        self._server.start(self._app)

    def announce_end(self) -> None:
        """Send `Connection: close` with each response from now on."""
        self._app.draining = True

    def stop(self, grace: float) -> None:
        """Accept no request any more; give running ones `grace` seconds."""
        self.announce_end()
        self._server.stop(grace)
        self._batches.stop()
        self._numbers.stop()


def open_http(
    settings: Settings,
    lookup: LookupEngine,
    explainer: Explainer,
    manager: NumberManager,
    *,
    authorizer: Authorizer | None,
    observation: Observation,
    reuse_port: bool,
) -> SwitchTransport:
    """Open the transport that the settings ask for.

    Raises:
        AddressInUseError: `http_listen` can't be listened on.
    """
    listen = settings.server.listen
    path = http_socket(Path(listen.removeprefix(UNIX_PREFIX))) if listen.startswith(UNIX_PREFIX) else None
    if path is None and not settings.http.listen:
        return NoTransport()
    return UvicornTransport(
        settings,
        lookup,
        explainer,
        manager,
        authorizer=authorizer,
        observation=observation,
        reuse_port=reuse_port or path is not None,
        path=path,
    )
