"""Uploads that are meant to do harm: each is refused with its reason, and the service goes on as before."""

import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.inputs.test_draco import compressed, draco_glb
from tests.inputs.test_meshopt import meshopt_glb
from tests.support.http_server import Server
from tests.support.inputs import box_glb, png

SERVER: dict[str, Any] = {"limits": {"decode_seconds": 20, "decode_bytes": 2**30}}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb() -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 65_000, 65_000, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10_000_000))) + chunk(b"IEND", b"")


def stl_of_ten_million() -> bytes:
    return bytes(80) + struct.pack("<I", 10_000_000) + bytes(500)


def ply_of_ten_million() -> bytes:
    return (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 30000000\nproperty float x\nproperty float y\n"
        b"property float z\nelement face 10000000\nproperty list uchar int vertex_indices\nend_header\n" + bytes(100)
    )


def glb(document: dict[str, Any], binary: bytes = b"") -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def triangles(count: int, **buffer: Any) -> dict[str, Any]:
    """A document with one mesh of so many corners, wherever its bytes are."""
    return {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 12 * count}],
        "buffers": [{"byteLength": 12 * count, **buffer}],
    }


def deep_gltf() -> bytes:
    return b'{"asset": {"version": "2.0"}, "extras": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def zipped(files: dict[str, bytes]) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def three_mf(model: bytes) -> bytes:
    kind = b"http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
    namespace = b"http://schemas.openxmlformats.org/package/2006/relationships"
    named = b'<Relationships xmlns="%s"><Relationship Target="/m" Type="%s"/></Relationships>' % (namespace, kind)
    return zipped({"[Content_Types].xml": b"<a/>", "_rels/.rels": named, "m": model})


def gltf_with(uri: str) -> bytes:
    return json.dumps(triangles(3, uri=uri)).encode()


def picture(kind: str, find: bytes = b"", replace: bytes = b"") -> bytes:
    """A picture of 24 x 16 in a format, its file changed at one place."""
    content = BytesIO()
    Image.new("RGB", (24, 16)).save(content, kind)
    assert find in content.getvalue()
    return content.getvalue().replace(find, replace)


ENTITIES = b'<!DOCTYPE a [<!ENTITY a "%s"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;</a>' % (b"a" * 1000)
MESHES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a header of ten million faces (STL)": ("a.stl", stl_of_ten_million),
    "a header of ten million faces (PLY)": ("a.ply", ply_of_ten_million),
    "an accessor of ten million faces (GLB)": ("a.glb", lambda: glb(triangles(30_000_000), bytes(36))),
    "NaN vertices": ("a.glb", lambda: glb(triangles(3), struct.pack("<9f", *[float("nan")] * 9))),
    "a file elsewhere": ("a.glb", lambda: glb(triangles(3, uri="../../../etc/passwd"))),
    "an address elsewhere": ("a.glb", lambda: glb(triangles(3, uri="http://127.0.0.1:1/x.bin"))),
    "truncated": ("a.glb", lambda: box_glb()[:-40]),
    "another format than named": ("a.obj", box_glb),
    "a picture": ("a.glb", png),
    "nothing": ("a.glb", bytes),
    "deeply nested JSON": ("a.gltf", deep_gltf),
    "endless faces of one vertex": ("a.obj", lambda: b"v 0 0 0\n" + b"f 1 1 1\n" * 100_000),
    "a buffer beside it": ("a.gltf", lambda: gltf_with("image.png")),
    "a zip bomb": ("a.zip", lambda: zipped({"a.gltf": gltf_with("a.bin"), "a.bin": bytes(400_000_000)})),
    "a zip in a zip": ("a.zip", lambda: zipped({"a.zip": zipped({"a.gltf": gltf_with("a.bin")})})),
    "a path out of a zip": ("a.zip", lambda: zipped({"a.gltf": gltf_with("../b"), "../b": bytes(36)})),
    "a zip of two glTF": ("a.zip", lambda: zipped({"a.gltf": gltf_with("b"), "b.gltf": gltf_with("b")})),
    "a truncated zip": ("a.zip", lambda: zipped({"a.gltf": gltf_with("b")})[:-10]),
    "XML entities": ("a.3mf", lambda: three_mf(ENTITIES)),
    "deep XML": ("a.3mf", lambda: three_mf(b"<a>" * 1_000_000)),
    "an XML bomb": ("a.3mf", lambda: three_mf(b"<a>" + b" " * 400_000_000)),
    "a meshopt bomb": ("a.glb", lambda: meshopt_glb(view={"count": 2**30, "byteStride": 256})),
    "damaged meshopt": ("a.glb", lambda: meshopt_glb(b"X" * 500)),
    "more in Draco's packing than declared": ("a.glb", lambda: draco_glb(compressed(), corners=300)),
    "billions of vertices in Draco's packing": (
        "a.glb",
        lambda: draco_glb(compressed()[:13] + b"\xff\xff\xff\xff\x0f" + compressed()[15:]),
    ),
    "an include": ("a.obj", lambda: b"mtllib /etc/passwd\ncall /etc/passwd\nv 0 0 0\n"),
}
IMAGES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a bomb": ("a.png", png_bomb),
    "truncated": ("a.png", lambda: png(800, 800)[:200]),
    "nothing": ("a.png", bytes),
    "a web page": ("a.png", lambda: b"<svg onload=alert(1)>"),
    "a bomb (BMP)": ("a.bmp", lambda: b"BM" + struct.pack("<3I3I2H", 54, 0, 54, 40, 60_000, 60_000, 1, 24) + bytes(99)),
    "a bomb (GIF)": ("a.gif", lambda: b"GIF89a" + struct.pack("<2H3x", 65_000, 65_000) + b"," + bytes(99)),
    "a bomb (TIFF)": (
        "a.tif",
        lambda: picture("TIFF", struct.pack("<HHII", 256, 4, 1, 24), struct.pack("<HHII", 256, 4, 1, 60_000_000)),
    ),
    "a bomb (AVIF)": (
        "a.avif",
        lambda: picture("AVIF", struct.pack(">II", 24, 16), struct.pack(">II", 60_000, 60_000)),
    ),
    "truncated (TIFF)": ("a.tif", lambda: picture("TIFF")[:40]),
    "truncated (AVIF)": ("a.avif", lambda: picture("AVIF")[:80]),
    "a zip": ("a.png", lambda: b"PK\3\4" + bytes(100)),
}


def refused(server: Server, field: str, name: str, content: bytes) -> None:
    with server.client as client:
        answer = client.post("/v1/jobs", files={field: (name, content)})
        assert answer.status_code in (413, 422), answer.text
        assert answer.json()["field"] in (field, None)
        assert answer.json()["retryable"] is False
        assert "/tmp" not in answer.text
        assert client.get("/v1/jobs").json()["jobs"] == []
        assert list(Path(tempfile.gettempdir()).glob("apg-upload-*")) == []


@pytest.mark.parametrize("kind", MESHES)
def test_a_hostile_mesh_is_refused(server: Server, kind: str) -> None:
    name, content = MESHES[kind]
    refused(server, "mesh", name, content())


@pytest.mark.parametrize("kind", IMAGES)
def test_a_hostile_image_is_refused(server: Server, kind: str) -> None:
    name, content = IMAGES[kind]
    refused(server, "image", name, content())


@pytest.mark.parametrize(
    "name", ["../../../../tmp/apg-slip.png", "..\\..\\apg-slip.png", "/etc/apg-slip.png", "a\0b.png", ".", "é" * 300]
)
def test_a_file_name_is_never_a_path(server: Server, name: str) -> None:
    with server.client as client:
        answer = client.post("/v1/jobs", files={"image": (name, png())})
        assert answer.status_code == 202, answer.text
        inputs = server.service.desk.jobs.get(answer.json()["id"], "local").inputs
        recorded = inputs["image"].name  # type: ignore[index,call-overload]
        assert "/" not in recorded
        assert "\\" not in recorded
        assert not Path("/tmp/apg-slip.png").exists()
        client.delete(answer.json()["links"]["self"])


def test_a_zip_of_a_gltf_and_its_buffer_is_accepted(server: Server) -> None:
    corners = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0)
    content = zipped({"a/a.gltf": gltf_with("b/c.bin"), "a/b/c.bin": corners})
    with server.client as client:
        answer = client.post("/v1/jobs", files={"mesh": ("a.zip", content)})
        assert answer.status_code == 202, answer.text
        client.delete(answer.json()["links"]["self"])
