"""`knm_other`: a carrier that takes orders as JSON over HTTP; an order is never placed twice."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from router.manager.carriers.carrier import CarrierError, CarrierOrder, CarrierSetup
from router.manager.carriers.http_client import ConnectFailed, Endpoint, HttpResponse, ResponseLost, basic_authorization
from router.manager.plugin_registry import PluginError
from router.numbers.fields import is_visible
from router.runtime.backoff import Backoff

KEY_HEADER = "Idempotency-Key"

_COMPLETED, _PENDING, _REFUSED = "completed", "pending", "refused"
_TOO_MANY_REQUESTS = 429
_NOT_FOUND = 404
_UNDECIDED_STATUSES = frozenset((408, 409, 425))
_MAX_BACKOFF = 10.0


class OtherSettings(BaseModel):
    """The setting `carriers.knm_other`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field("", description="where it takes orders: POST url/orders, GET url/orders/KEY")
    token: str = Field("", description="sent as a bearer token")
    token_file: Path | None = Field(None, description="a file that holds the token")
    username: str = Field("", description="sent with the password, where there is no token")
    password: str = ""
    ca_file: str = Field("", description="certificates to trust instead of the system's")
    connect_timeout: float = Field(5.0, gt=0, le=60, description="seconds until connected")
    read_timeout: float = Field(20.0, gt=0, le=300, description="seconds of silence")
    timeout: float = Field(30.0, gt=0, le=600, description="seconds for one request in all")
    max_attempts: int = Field(4, ge=1, le=10, description="requests at most before an order is given up")
    retry_backoff: float = Field(
        0.5, ge=0, le=60, description="seconds before the second try, doubled for each further one"
    )
    disconnects: bool = Field(default=False, description="released numbers are ordered off too; KAZOO tells nobody")

    def endpoint(self) -> Endpoint:
        """Return the endpoint with its credentials.

        Raises:
            OSError: the token's file can't be read.
            ValueError: the token is empty or holds invisible characters.
        """
        token = self.token_file.read_text("utf-8").strip() if self.token_file else self.token
        if not is_visible(token):
            raise ValueError
        authorization = (
            f"Bearer {token}" if token else basic_authorization(self.username, self.password) if self.username else ""
        )
        return Endpoint(self.url, authorization, self.connect_timeout, self.read_timeout, self.timeout, self.ca_file)


@dataclass(frozen=True, slots=True)
class OtherCarrier:
    """The carrier `knm_other`; `endpoint` is None if no URL is set. See `Carrier` for the attributes."""

    name: str
    settings: OtherSettings
    endpoint: Endpoint | None
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Order the number, and keep the data that the carrier returns."""
        return self._order("acquire", order)

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Order the number off, if the settings say so."""
        return self._order("disconnect", order) if self.settings.disconnects else order.module_data

    def _order(self, action: str, order: CarrierOrder) -> Mapping[str, Any]:
        if self.endpoint is None:
            raise CarrierError(f"setting 'carriers.{self.name}.url' is missing: say where it takes orders")
        if order.dry_run:
            return order.module_data
        body = OrderSubmission(self.endpoint, self.settings, order, action).run()
        data = body.get("data")
        given = {name: body[name] for name in ("order_id",) if isinstance(body.get(name), str)}
        return {**order.module_data, **(data if isinstance(data, Mapping) else {}), **given, "order_key": order.key}


class OrderSubmission:
    """Places one order; what is known about the last request decides what may be sent next.

    An order is never repeated while the carrier may have the first one. After a request without a response, or with an
    ambiguous one, the carrier is queried by the order's key. Only if it answers that it has no such order is the order
    repeated, under the same key.
    """

    def __init__(self, endpoint: Endpoint, settings: OtherSettings, order: CarrierOrder, action: str) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._order = order
        self._action = action
        self._may_have_arrived = False
        self._last_problem = ""

    def run(self) -> Mapping[str, Any]:
        """Send and query until the order is completed or refused; return the carrier's object.

        Raises:
            CarrierError: it was refused, or is not known to be completed.
        """
        for attempt in range(self._settings.max_attempts):
            if attempt:
                time.sleep(self._backoff(attempt))
            answer = self._query() if self._may_have_arrived else None
            if answer is None and not self._may_have_arrived:
                answer = self._submit()
            if answer is not None and self._is_completed(answer):
                return answer
        answer = self._query() if self._may_have_arrived else None
        if answer is not None and self._is_completed(answer):
            return answer
        if self._may_have_arrived:
            raise CarrierError(
                f"the order {self._order.key} may have been taken, nothing more was ordered: {self._last_problem}; "
                "ask the carrier, or try again later"
            )
        raise CarrierError(f"nothing was ordered: {self._last_problem}")

    def _is_completed(self, answer: Mapping[str, Any]) -> bool:
        status = answer["status"]
        if status == _REFUSED:
            raise CarrierError(f"it refused the order: {HttpResponse(200, answer, '').message}")
        if status == _PENDING:
            self._may_have_arrived, self._last_problem = True, "the order is pending"
        return bool(status == _COMPLETED)

    def _submit(self) -> Mapping[str, Any] | None:
        number = self._order.number
        body = {
            "idempotency_key": self._order.key,
            "action": self._action,
            "number": number.number,
            "account_id": number.assigned_to,
            "state": number.state,
            "auth_by": self._order.auth_by,
            "module_data": dict(self._order.module_data),
        }
        try:
            answer = self._endpoint.send("POST", "/orders", body, {KEY_HEADER: self._order.key})
        except ConnectFailed as problem:
            self._last_problem = str(problem)
            return None
        except ResponseLost as problem:
            self._may_have_arrived, self._last_problem = True, str(problem)
            return None
        return self._classify(answer)

    def _classify(self, answer: HttpResponse) -> Mapping[str, Any] | None:
        """Read a response to an order: return the order; None: not taken, or undecided. Raises if refused."""
        if _is_order_status(answer):
            return answer.body
        self._last_problem = f"it answered {answer.status}: {answer.message}"
        if answer.status == _TOO_MANY_REQUESTS:
            return None
        if 300 <= answer.status < 500 and answer.status not in _UNDECIDED_STATUSES:  # noqa: PLR2004 - HTTP's refusals
            raise CarrierError(self._last_problem)
        self._may_have_arrived = True
        return None

    def _query(self) -> Mapping[str, Any] | None:
        """Return the carrier's order; if it has none, clear `_may_have_arrived` and return None."""
        try:
            answer = self._endpoint.send("GET", f"/orders/{quote(self._order.key, safe='')}", None, {})
        except (ConnectFailed, ResponseLost) as problem:
            self._last_problem = f"{self._last_problem}, and asked for the order: {problem}"[:1000]
            return None
        if _is_order_status(answer):
            return answer.body
        if answer.status == _NOT_FOUND and answer.body is not None:
            self._may_have_arrived = False
        else:
            self._last_problem = f"asked for the order it answered {answer.status}: {answer.message}"
        return None

    def _backoff(self, attempt: int) -> float:
        """Return seconds: doubled for each attempt, with jitter, so that failed orders don't return together."""
        return Backoff(self._settings.retry_backoff, _MAX_BACKOFF, jitter=0.5).delay(attempt - 1)


def other(setup: CarrierSetup) -> OtherCarrier:
    """Return `knm_other`, built from its table in the settings.

    Raises:
        PluginError: a setting can't be used.
    """
    where = f"setting 'carriers.{setup.name}"
    try:
        settings = OtherSettings.model_validate(dict(setup.settings))
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        raise PluginError(f"{where}.{'.'.join(map(str, first['loc']))}': {first['msg']}") from None
    if not settings.url:
        return OtherCarrier(setup.name, settings, None)
    if not _is_usable_url(settings.url):
        raise PluginError(
            f"{where}.url': write it as https://host/path; credentials go into token, or username, password"
        )
    try:
        return OtherCarrier(setup.name, settings, settings.endpoint())
    except OSError as problem:
        raise PluginError(f"{where}.token_file': {problem.strerror}") from None
    except ValueError:
        raise PluginError(f"{where}.token' must be visible ASCII characters, without spaces") from None


def _is_order_status(answer: HttpResponse) -> bool:
    """Return whether the response is the carrier's own report about the order."""
    return (
        200 <= answer.status < 300  # noqa: PLR2004 - HTTP's successes
        and answer.body is not None
        and answer.body.get("status") in (_COMPLETED, _PENDING, _REFUSED)
    )


def _is_usable_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and not (parts.username or parts.password or parts.query or parts.fragment)
        )
    except ValueError:
        return False
