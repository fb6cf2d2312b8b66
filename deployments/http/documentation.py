"""`/docs`: the description as a page that needs nothing but this service."""

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

ASSETS = "/docs"
# The page has its script and styles inline, and Swagger UI its pictures.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


def assets() -> StaticFiles:
    """The files of Swagger UI, to be mounted at `ASSETS`."""
    return StaticFiles(packages=[("fastapi_swagger", "resources")])


@router.get("/docs")
def show_documentation() -> HTMLResponse:
    """All addresses in it are relative, so that it works behind any prefix."""
    page = get_swagger_ui_html(
        title="AutoPartGen",
        openapi_url="openapi.json",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon-32x32.png",
        swagger_ui_parameters={"validatorUrl": None},  # by default it shows the description to a service elsewhere
    )
    page.headers["Content-Security-Policy"] = _POLICY
    return page
