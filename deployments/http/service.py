"""What the routes work with, and who is asking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from apg_core.presets.preset import Precision
from deployments.desk import Desk
from deployments.http.auth import NOBODY, Keys
from deployments.stores.jobs.database import Database


@dataclass(frozen=True, kw_only=True)
class Service:
    """The desk, and what only HTTP shows or asks."""

    desk: Desk
    database: Database
    """Where the totals of `/metrics` are."""
    precision: Precision
    """What the weights of the desk's preset are held in."""
    keys: Keys | None
    """None where everyone is let in."""
    echo_request_ids: bool = True
    """Off where Serve's proxy does it."""
    check_ready: Callable[[], Awaitable[None]]
    """Raises `NotReadyError` until every model has run once."""


def service_of(request: Request) -> Service:
    """The service that this application was built for."""
    service: Service = request.app.state.service
    return service


def desk_of(request: Request) -> Desk:
    """The desk of that service."""
    return service_of(request).desk


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


def root_of(request: Request) -> str:
    """The path that the service is served under: its `route_prefix`, or nothing."""
    return str(request.scope.get("root_path", "")).rstrip("/")


ServiceDep = Annotated[Service, Depends(service_of)]
DeskDep = Annotated[Desk, Depends(desk_of)]
OwnerDep = Annotated[str, Depends(owner_of)]
RootDep = Annotated[str, Depends(root_of)]
