"""Routes about the service itself: models, limits, health, metrics."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from apg_core.presets import list_presets
from apg_core.protocol.mode import Mode
from apg_core.protocol.options import GenerationOptions, GuidanceScales
from deployments.http.failures import documented
from deployments.http.metrics import exposition
from deployments.http.service import DeskDep, OwnerDep, ServiceDep
from deployments.limits import ServiceLimits
from deployments.stores.jobs import tallies

router = APIRouter(tags=["service"])


class Model(BaseModel):
    """A preset: sizes, weights, defaults."""

    name: str
    description: str
    loaded: bool
    """Whether this service runs it: a job may name it as its `preset`."""
    precision: str | None
    """What its weights are held in, for the first that is loaded."""
    latent_tokens: int
    defaults: dict[str, bool | int | float | str | None]
    """All options as they are where a submission leaves them out."""
    guidance: dict[Mode, GuidanceScales]
    """How strongly a part follows the image and the geometry in each mode, where no option says otherwise."""
    whole_guidance: float
    """How strongly the whole object follows the image, likewise."""
    licence: str
    weight_licences: dict[str, str]
    """Licence of each network's weights."""


class Models(BaseModel):
    """All presets that are known here."""

    models: list[Model]
    limits: ServiceLimits
    """What is accepted here, whatever the preset."""


class Health(BaseModel):
    """That the service is well."""

    status: Literal["ok"] = "ok"


class Ready(Health):
    """That all of it can work."""

    presets: list[str]
    """Those that it runs, the first one first."""


@router.get("/v1/models", summary="List models", responses=documented())
def list_models(service: ServiceDep, _: OwnerDep) -> Models:
    """Presets, the loaded ones first, of which the first is a job's that names none."""
    first, loaded = service.desk.preset, service.desk.presets
    others = [preset for preset in list_presets() if preset.name not in {one.name for one in loaded}]
    return Models(
        models=[
            Model(
                name=preset.name,
                description=preset.description,
                loaded=preset in loaded,
                precision=service.precision if preset is first else None,
                latent_tokens=preset.num_latents,
                defaults=preset.complete(GenerationOptions()).model_dump(mode="json"),
                guidance=dict(preset.guidance),
                whole_guidance=preset.whole_guidance,
                licence=preset.licence,
                weight_licences={network: source.licence for network, source in preset.weights.items()},
            )
            for preset in (*loaded, *others)
        ],
        limits=service.desk.limits,
    )


@router.get("/v1/limits", summary="Look at the limits", responses=documented())
def get_limits(desk: DeskDep, _: OwnerDep) -> ServiceLimits:
    """What is accepted here."""
    return desk.limits


@router.get("/v2/health/live", include_in_schema=False)
@router.get("/health/live", summary="Is it alive")
async def check_alive() -> Health:
    """It answers."""
    return Health()


@router.get("/v2/health/ready", include_in_schema=False)
@router.get("/health/ready", summary="Is it ready", responses=documented())
async def check_ready(service: ServiceDep) -> Ready:
    """Every model of every preset has run once, and the stores answer."""
    await service.check_ready()
    return Ready(presets=[preset.name for preset in service.desk.presets])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented()},
)
def get_metrics(service: ServiceDep, _: OwnerDep) -> Response:
    """Totals of all replicas since the job store was made, and the queue as it is."""
    return Response(exposition(tallies.read(service.database)), media_type=CONTENT_TYPE_LATEST)
