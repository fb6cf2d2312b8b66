"""Bodies of submissions, read within limits: multipart, or JSON with base64."""

import base64
import binascii
import json
import re
from collections.abc import AsyncGenerator
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from apg_core.errors import InputError, LimitError
from apg_core.protocol.mode import INPUTS
from deployments.errors import MalformedRequestError, MediaTypeError
from deployments.uploads import Upload, UploadFolder

OPTIONS_BYTES = 64 * 1024
_FORM_OVERHEAD_BYTES = 64 * 1024
_COPY_BYTES = 1 << 20
# Values that a JSON body may have; base64, of which large bodies are made, has none of the signs that divide them.
_JSON_VALUES = 10_000
_JSON_SIGNS = b",[{:"
_DATA_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*?;base64,")
_ENDING_OF_TYPE = {
    "model/gltf-binary": ".glb",
    "model/gltf+json": ".gltf",
    "model/obj": ".obj",
    "model/ply": ".ply",
    "model/stl": ".stl",
}
_FIELDS = ("options", "preset")
_OPTIONS = TypeAdapter(dict[str, JsonValue])


class JobRequest(BaseModel):
    """The JSON form of a submission, its files as base64 or as data URIs."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    image: str | None = Field(default=None, min_length=1)
    mesh: str | None = Field(default=None, min_length=1)
    mask: str | None = Field(default=None, min_length=1)
    options: dict[str, JsonValue] = {}
    """Generation options by name."""
    preset: str | None = Field(default=None, min_length=1, max_length=200)
    """One of the presets that `/v1/models` says are loaded; left out, the first of them."""


async def receive(request: Request, folder: UploadFolder, *, json_bytes: int) -> Upload:
    """Write the files of a submission into `folder`.

    Raises:
        MediaTypeError: neither multipart nor JSON.
        MalformedRequestError: cannot be parsed.
        LimitError: larger than allowed; a JSON body above `json_bytes`, or of many values.
        InputError: a field that is not known, or given twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            return await _receive_form(request, folder)
        if kind == "application/json":
            body = b"".join([chunk async for chunk in _counted(request, json_bytes)])
            return await run_in_threadpool(_read_json, body, folder)
    except ClientDisconnect as error:
        raise MalformedRequestError("the body ended before it was complete") from error
    raise MediaTypeError(f"send multipart/form-data or application/json, not {kind or 'a body without a type'}")


async def receive_object(request: Request) -> dict[str, JsonValue]:
    """A small JSON object.

    Raises:
        MediaTypeError: not JSON.
        MalformedRequestError: cannot be parsed.
        LimitError: larger than `OPTIONS_BYTES`.
        InputError: no object.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise MediaTypeError(f"send application/json, not {kind or 'a body without a type'}")
    try:
        parsed = _parse(b"".join([chunk async for chunk in _counted(request, OPTIONS_BYTES)]))
    except ClientDisconnect as error:
        raise MalformedRequestError("the body ended before it was complete") from error
    if not isinstance(parsed, dict):
        raise InputError('the body must be a JSON object, such as {"operation": "remove", "parts": [0]}', field="body")
    return parsed


async def _receive_form(request: Request, folder: UploadFolder) -> Upload:
    parser = _WholeForm(
        request.headers,
        _counted(request, folder.file_bytes * len(INPUTS) + OPTIONS_BYTES + _FORM_OVERHEAD_BYTES),
        max_files=len(INPUTS),
        max_fields=len(INPUTS) + 2,
        max_part_size=OPTIONS_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedRequestError(f"the multipart body cannot be read: {error.message}") from error
    fields = _Fields()
    try:
        if not parser.is_whole:
            raise MalformedRequestError("the multipart body is cut off: its closing boundary is missing")
        for field, value in form.multi_items():
            if field not in _FIELDS:
                await run_in_threadpool(_store, folder, field, value)
            else:
                fields.take(field, await value.read(OPTIONS_BYTES) if isinstance(value, UploadFile) else value)
    finally:
        await form.close()
    return folder.upload(fields.options or {}, fields.preset)


class _Fields:
    """What a form has beside files, each at most once."""

    options: dict[str, JsonValue] | None = None
    preset: str | None = None

    def take(self, field: str, value: str | bytes) -> None:
        if getattr(self, field) is not None:
            raise InputError(f"{field} is given twice", field=field)
        if field == "options":
            self.options = _read_options(value)
        else:
            self.preset = value if isinstance(value, str) else value.decode("utf-8", "replace")


class _WholeForm(MultiPartParser):
    """Starlette's parser, which takes what is before the end of a body that was cut off for all of it."""

    is_whole = False

    def on_end(self) -> None:
        """The closing boundary has come."""
        self.is_whole = True


def _store(folder: UploadFolder, field: str, value: UploadFile | str) -> None:
    folder.input_of(field)
    if isinstance(value, str):
        raise InputError(f"{field} must be a file: send it with a file name", field=field)
    folder.store(field, value.filename or field, iter(lambda: value.file.read(_COPY_BYTES), b""))


async def _counted(request: Request, allowed: int) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > allowed:
        raise LimitError(f"the body has {int(declared):,} bytes, and the limit is {allowed:,}; make the files smaller")
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > allowed:
            raise LimitError(f"the body has more than {allowed:,} bytes, the limit; make the files smaller")
        yield chunk


def _read_json(body: bytes, folder: UploadFolder) -> Upload:
    if (values := sum(body.count(sign) for sign in _JSON_SIGNS)) > _JSON_VALUES:
        raise LimitError(f"the body has some {values:,} JSON values, and the limit is {_JSON_VALUES:,}")
    try:
        sent = JobRequest.model_validate(_parse(body))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "body"
        if first["type"] == "extra_forbidden":
            folder.input_of(field)
        raise InputError(f"{field}: {first['msg'][:1].lower()}{first['msg'][1:]}", field=field) from error
    if (size := len(json.dumps(sent.options))) > OPTIONS_BYTES:
        raise LimitError(f"options: {size:,} bytes of JSON, and the limit is {OPTIONS_BYTES:,}", field="options")
    for field in INPUTS:
        if (text := getattr(sent, field)) is not None:
            content, ending = _decode_base64(field, text)
            folder.store(field, field + ending, [content])
    return folder.upload(sent.options, sent.preset)


def _decode_base64(field: str, text: str) -> tuple[bytes, str]:
    ending = ""
    if text.startswith("data:"):
        if (match := _DATA_URI.match(text)) is None:
            raise InputError(f"{field}: a data URI must be `data:TYPE;base64,...`", field=field)
        ending = _ENDING_OF_TYPE.get(match["type"] or "", "")
        text = text[match.end() :]
    elif re.match(r"[a-z]+://", text):
        raise InputError(f"{field}: addresses are not followed; send the content as base64", field=field)
    try:
        return base64.b64decode(text, validate=True), ending
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{field}: not base64; send base64 or a data URI", field=field) from error


def _read_options(text: str | bytes) -> dict[str, JsonValue]:
    try:
        return _OPTIONS.validate_python(_parse(text.encode() if isinstance(text, str) else text, field="options"))
    except ValidationError as error:
        raise InputError('options: must be a JSON object, such as {"seed": 1}', field="options") from error


def _parse(text: bytes, *, field: str | None = None) -> JsonValue:
    where = "" if field is None else f"{field}: "
    try:
        parsed: JsonValue = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise MalformedRequestError(f"{where}the JSON is nested too deeply", field=field) from error
    except ValueError as error:  # also text that is not UTF-8, and numbers of absurd length
        raise MalformedRequestError(f"{where}not JSON: {error}", field=field) from error
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
