"""The application: routes, failures, request ids, and a description that is true."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from deployments.http import artifacts, failures, jobs, status, submissions
from deployments.http.request_ids import RequestIds
from deployments.http.service import Service

_OPEN = ("/health/", "/v2/health/")
_DESCRIPTION = (
    "Give one object as an image, a mesh, an indexed part mask or a mix of these; get its parts as meshes, one after "
    "the other. Work is done by *jobs*: submit one, follow its events, fetch its artifacts. Every failure is "
    "`application/problem+json`."
)


def build_api(service: Service) -> FastAPI:
    """The HTTP interface of a service; its decoder runs while the application does."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.desk.decoder:
            yield

    api = FastAPI(title="AutoPartGen", version=version("autopartgen-ray"), description=_DESCRIPTION, lifespan=lifespan)
    api.state.service = service
    failures.install(api, retry_after_seconds=service.desk.limits.retry_after_seconds)
    for module in (submissions, jobs, artifacts, status):
        api.include_router(module.router)
    api.add_middleware(RequestIds, echo=service.echo_request_ids)
    described = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _completed(described(), needs_key=service.keys is not None)
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
    return api


def _completed(schema: dict[str, Any], *, needs_key: bool) -> dict[str, Any]:
    if not needs_key:
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"].pop("401", None)
        return schema
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, operations in schema["paths"].items():
        if not path.startswith(_OPEN):
            for operation in operations.values():
                operation["security"] = [{"bearer": []}, {"apiKey": []}]
    return schema
