"""What the routes work with, and who is asking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from apg_core.presets import Preset
from apg_core.sandbox.decoder import Decoder
from deployments.http.auth import NOBODY, Keys
from deployments.http.events import EventFeed
from deployments.limits import ServiceLimits
from deployments.stores.artifacts import ArtifactStore
from deployments.stores.jobs.database import Database
from deployments.stores.jobs.store import JobStore


@dataclass(frozen=True, kw_only=True)
class Service:
    """The stores and rules behind the HTTP interface."""

    preset: Preset
    precision: str
    limits: ServiceLimits
    database: Database
    store: JobStore
    artifacts: ArtifactStore
    feed: EventFeed
    decoder: Decoder
    keys: Keys | None
    """None where everyone is let in."""
    heartbeat_seconds: float = 15.0
    """Silence after which a follower of events is sent a comment."""
    echo_request_ids: bool = True
    """Off where Serve's proxy does it."""
    check_ready: Callable[[], Awaitable[None]]
    """Raises `NotReadyError` until every model has run once."""


def service_of(request: Request) -> Service:
    """The service that this application was built for."""
    service: Service = request.app.state.service
    return service


def owner_of(request: Request) -> str:
    """Whose key the request has.

    Raises:
        UnauthorizedError: none that is known.
    """
    keys = service_of(request).keys
    if keys is None:
        return NOBODY
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    return keys.owner_of(bearer or request.headers.get("x-api-key"))


ServiceDep = Annotated[Service, Depends(service_of)]
OwnerDep = Annotated[str, Depends(owner_of)]
