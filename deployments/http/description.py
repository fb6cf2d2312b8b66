"""The OpenAPI document, with what only the running service knows: its preset's defaults, its limits, its keys."""

from collections.abc import Iterator
from typing import Any

from apg_core.protocol.edit import EDITS
from apg_core.protocol.mask import MaskOptions
from apg_core.protocol.mode import INPUTS
from apg_core.protocol.options import GenerationOptions
from deployments.desk import Desk
from deployments.http.bodies import JobRequest
from deployments.http.request_ids import HEADER, WELL_FORMED
from deployments.http.service import Service

Schema = dict[str, Any]

_OPEN = ("/health/", "/v2/health/")
_REFERENCE = "#/components/schemas/"
_OPTIONS, _REQUEST, _FORM = "GenerationOptions", "JobRequest", "JobForm"
_REQUEST_ID = "RequestId"

SUBMISSION: Schema = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"$ref": _REFERENCE + _FORM},
            "encoding": {"options": {"contentType": "application/json"}},
        },
        "application/json": {"schema": {"$ref": _REFERENCE + _REQUEST}},
    },
}
"""The body of a submission; `completed` has the schemas that it refers to."""


EDIT: Schema = {"required": True, "content": {"application/json": {"schema": {"$ref": _REFERENCE + "Edit"}}}}
"""The body of an edit."""


REQUEST_ID: Schema = {
    "name": HEADER,
    "in": "header",
    "description": "Your id for this request: it is in the answer, in problems and in the service's logs.",
    "schema": {"type": "string", "pattern": f"^{WELL_FORMED.pattern}$"},
}
"""The header that any request may have; one that is left out, or not well formed, is made up."""


MASK_REQUEST: Schema = {
    "required": True,
    "content": {
        kind: {
            "schema": {
                "type": "object",
                "properties": {
                    "image": {"type": "string", "description": INPUTS["image"].about, **picture},
                    "options": {"$ref": _REFERENCE + "MaskOptions"},
                },
                "required": ["image"],
                "additionalProperties": False,
            },
            **more,
        }
        for kind, picture, more in (
            (
                "multipart/form-data",
                {"format": "binary"},
                {"encoding": {"options": {"contentType": "application/json"}}},
            ),
            ("application/json", {"minLength": 1}, {}),
        )
    },
}
"""The body that a mask is suggested for; as JSON the image is base64 or a data URI."""


def completed(document: Schema, service: Service) -> Schema:
    """What FastAPI says of the routes, completed for this service."""
    components = document["components"]
    components["schemas"] |= _of_submissions(service.desk) | _of_edits()
    components["schemas"]["MaskOptions"] = MaskOptions.model_json_schema()
    components["parameters"] = {_REQUEST_ID: REQUEST_ID}
    for operation in _operations(document):
        operation.setdefault("parameters", []).append({"$ref": f"#/components/parameters/{_REQUEST_ID}"})
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                # OpenAPI 3.1 has none: some hold the whole text against the schema, others each event.
                if (event := content.pop("itemSchema", None)) is not None:
                    content["schema"] = {"anyOf": [{"type": "string"}, event]}
    if service.keys is None:
        for operation in _operations(document):
            operation["responses"].pop("401", None)
        return document
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, operations in document["paths"].items():
        if not path.startswith(_OPEN):
            for operation in operations.values():
                operation["security"] = [{"bearer": []}, {"apiKey": []}]
    return document


def _of_submissions(desk: Desk) -> Schema:
    options = {"$ref": _REFERENCE + _OPTIONS}
    as_json = JobRequest.model_json_schema()
    as_json["properties"]["options"] = options
    for name, kind in INPUTS.items():
        as_json["properties"][name]["description"] = f"{kind.about}; as base64 or as a data URI"
    del as_json["$defs"]  # of the options that these take the place of
    as_form = {
        "type": "object",
        "title": _FORM,
        "description": "The multipart form of a submission.",
        "properties": {
            name: {"type": "string", "format": "binary", "description": kind.about} for name, kind in INPUTS.items()
        }
        | {"options": options, "preset": as_json["properties"]["preset"]},
        "additionalProperties": False,
    }
    return {_OPTIONS: _options(desk), _REQUEST: as_json, _FORM: as_form}


def _of_edits() -> Schema:
    union = EDITS.json_schema(ref_template=_REFERENCE + "{model}")
    schemas: Schema = union.pop("$defs")
    del schemas["JsonValue"]  # of the options that these take the place of
    for schema in schemas.values():
        if (options := schema["properties"].get("options")) is not None:
            about = options["description"]
            schema["properties"]["options"] = {"$ref": _REFERENCE + _OPTIONS, "description": about}
        schema["required"] = ["operation", *schema.get("required", [])]
    return {**schemas, "Edit": {"title": "Edit", "description": "What is to be done.", **union}}


def _options(desk: Desk) -> Schema:
    """Options of a generation, where each default is what an option comes to that is left out."""
    schema = GenerationOptions.model_json_schema()
    schema["description"] = (
        f"Options of one generation. Defaults are those of {desk.preset.name}, the preset of a job that names none; a "
        "guidance scale that is null is the preset's for the mode (`/v1/models`)."
    )
    options: Schema = schema["properties"]
    for name, value in desk.preset.complete(GenerationOptions()).model_dump(mode="json").items():
        options[name]["default"] = value
    for name, largest in desk.limits.largest_options.items():
        options[name]["maximum"] = min(largest, options[name]["maximum"])
    return schema


def _operations(document: Schema) -> Iterator[Schema]:
    for operations in document["paths"].values():
        yield from operations.values()
