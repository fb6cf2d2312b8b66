"""`POST /v1/masks`: a part mask to begin with, for a picture; no job is made."""

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from apg_core.protocol.mask import MaskSuggestion
from apg_core.sandbox.mask_png import suggestion_png
from deployments.http.bodies import receive
from deployments.http.description import MASK_REQUEST
from deployments.http.failures import documented
from deployments.http.service import DeskDep, OwnerDep
from deployments.uploads import upload_folder

router = APIRouter(tags=["masks"])
_PNG: dict[str, Any] = {"image/png": {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    "/v1/masks",
    response_model=MaskSuggestion,
    summary="Suggest a part mask",
    responses={
        200: {"description": "Every number of regions at once; or an indexed PNG", "content": _PNG},
        **documented(400, 413, 415),
    },
    openapi_extra={"requestBody": MASK_REQUEST},
)
async def suggest_mask(request: Request, desk: DeskDep, owner: OwnerDep) -> Response:
    """Regions of the object in an image, by colour and edges, to begin with.

    With `Accept: image/png` the answer is the mask itself.
    """
    with upload_folder(file_bytes=desk.limits.upload_bytes) as folder:
        upload = await receive(request, folder, json_bytes=desk.limits.json_bytes)
        content = await desk.suggest_mask(upload, owner)
    if "image/png" not in request.headers.get("accept", ""):
        return Response(content, media_type="application/json")
    png = await run_in_threadpool(suggestion_png, MaskSuggestion.model_validate_json(content))
    return Response(png, media_type="image/png")
