"""The application: routes, failures, request ids, and a description that is true."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from deployments.http import artifacts, documentation, failures, jobs, masks, status, submissions
from deployments.http.description import completed
from deployments.http.request_ids import RequestIds
from deployments.http.service import Service
from deployments.http.studio import add_studio
from deployments.uploads import remove_strays

_DESCRIPTION = (
    "Give one object as an image, a mesh, a part mask or a mix of these; get its parts as meshes, one after "
    "the other. Work is done by *jobs*: submit one, follow its events, fetch its artifacts. Every failure is "
    "`application/problem+json`."
)


def build_api(service: Service) -> FastAPI:
    """The HTTP interface of a service; its decoder runs while the application does."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(remove_strays)
        async with service.desk.decoder:
            yield

    api = FastAPI(
        title="AutoPartGen",
        version=version("autopartgen-ray"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,  # FastAPI's own pages fetch their files from the internet
        redoc_url=None,
        redirect_slashes=False,  # the address that it would lead to begins with the caller's Host header
    )
    api.state.service = service
    failures.install(api, retry_after_seconds=service.desk.limits.retry_after_seconds)
    for module in (submissions, jobs, artifacts, masks, status, documentation):
        api.include_router(module.router)
    api.mount(documentation.ASSETS, documentation.assets())
    add_studio(api)
    api.add_middleware(RequestIds, echo=service.echo_request_ids)
    described = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = completed(described(), service)
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
    return api
