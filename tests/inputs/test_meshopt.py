"""meshopt-compressed glTF against the same triangles uncompressed; and hostile ones."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import trimesh

from apg_core.errors import ApgError, LimitError, MeshError
from apg_core.inputs import read_mesh
from apg_core.meshopt.codec import encode_indices, encode_triangles, encode_vertices, exponential, reordered
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.packing import unpack_prompt
from apg_core.sandbox.decoder import Decoder
from apg_core.sandbox.messages import DecodeRequest
from tests.inputs.test_read_mesh import glb, triangle_document, triangle_soup

SPHERE = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
FACES, KEPT = reordered(SPHERE.faces, len(SPHERE.vertices))
VERTICES = np.asarray(SPHERE.vertices)[KEPT].astype("<f4")
EXT, KHR = "EXT_meshopt_compression", "KHR_meshopt_compression"


def packed_view(data: bytes, offset: int, **packed: object) -> dict:
    """A compressed buffer view; `packed` are what its extension says beside where the data lie."""
    name = str(packed.pop("extension", EXT))
    size = int(str(packed["count"])) * int(str(packed["byteStride"]))
    extension = {"buffer": 0, "byteOffset": offset, "byteLength": len(data), **packed}
    return {"buffer": 1, "byteLength": size, "extensions": {name: extension}}


def meshopt_glb(
    vertices: bytes | None = None,
    corners: bytes | None = None,
    *,
    position: dict | None = None,
    view: dict | None = None,
    index: dict | None = None,
    **document: object,
) -> bytes:
    """The sphere's vertices and corners, packed; every part of it may be replaced by another."""
    vertices = encode_vertices(VERTICES) if vertices is None else vertices
    corners = encode_triangles(FACES) if corners is None else corners
    first = {"count": len(VERTICES), "byteStride": 12, "mode": "ATTRIBUTES", **(view or {})}
    second = {"count": FACES.size, "byteStride": 4, "mode": "TRIANGLES", **(index or {})}
    name = str(first.get("extension", EXT))
    content, _ = triangle_document(
        extensionsUsed=[name, "KHR_mesh_quantization"],
        extensionsRequired=[name, "KHR_mesh_quantization"],
        accessors=[
            {"bufferView": 0, "componentType": 5126, "count": len(VERTICES), "type": "VEC3", **(position or {})},
            {
                "bufferView": 1,
                "componentType": 5125 if second["byteStride"] == 4 else 5123,
                "count": FACES.size,
                "type": "SCALAR",
            },
        ],
        bufferViews=[packed_view(vertices, 0, **first), packed_view(corners, len(vertices), **second)],
        buffers=[
            {"byteLength": len(vertices) + len(corners)},
            {"byteLength": 2**24, "extensions": {name: {"fallback": True}}},
        ],
    )
    return glb(content | document, vertices + corners)


def soup(vertices: np.ndarray) -> np.ndarray:
    return triangle_soup(TriangleMesh(vertices.astype(np.float64), FACES))


@pytest.mark.parametrize("extension", [EXT, KHR])
@pytest.mark.parametrize(
    ("corners", "index"),
    [
        (encode_triangles(FACES), {}),
        (encode_triangles(FACES), {"byteStride": 2}),
        (encode_indices(FACES.ravel()), {"mode": "INDICES"}),
        (encode_indices(FACES.ravel()), {"mode": "INDICES", "byteStride": 2}),
    ],
)
def test_compressed_triangles_are_the_uncompressed_ones(corners: bytes, index: dict, extension: str) -> None:
    mesh = read_mesh(meshopt_glb(corners=corners, index=index, view={"extension": extension}))
    assert np.array_equal(triangle_soup(mesh), soup(VERTICES))
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).volume == pytest.approx(SPHERE.volume, rel=1e-5)


def test_positions_by_the_exponential_filter_are_true_to_its_bits() -> None:
    data = encode_vertices(exponential(VERTICES, bits=15))
    mesh = read_mesh(meshopt_glb(data, view={"filter": "EXPONENTIAL"}))
    assert np.abs(triangle_soup(mesh) - soup(VERTICES)).max() < 0.5 * 2.0**-13


@pytest.mark.parametrize(("kind", "code"), [("<u2", 5123), ("<i2", 5122), ("<u1", 5121), ("<i1", 5120)])
@pytest.mark.parametrize("normalized", [True, False])
def test_quantised_positions_are_read_as_the_numbers_they_stand_for(kind: str, code: int, normalized: bool) -> None:
    largest = np.iinfo(kind).max
    lowest = 0 if kind[1] == "u" else -largest
    whole = np.round(lowest + (VERTICES + 0.5) * (largest - lowest)).astype(kind)
    padded = np.zeros((len(whole), 4), kind)
    padded[:, :3] = whole
    mesh = read_mesh(
        meshopt_glb(
            encode_vertices(padded),
            view={"byteStride": padded.itemsize * 4},
            position={"componentType": code, "normalized": normalized},
            nodes=[{"mesh": 0, "scale": [2, 2, 2]}],
        )
    )
    expected = 2.0 * whole.astype(np.float64) / (largest if normalized else 1)
    assert np.array_equal(triangle_soup(mesh), soup(expected))


def test_the_decoder_process_unpacks_within_its_memory(tmp_path: Path) -> None:
    (tmp_path / "mesh.glb").write_bytes(meshopt_glb())
    request = DecodeRequest(
        files={"mesh": tmp_path / "mesh.glb"}, limits=InputLimits(), seconds=20, output=tmp_path / "prompt"
    )

    async def decode() -> None:
        async with Decoder(processes=1, memory_bytes=2**29) as decoder:
            await decoder.decode(request)

    asyncio.run(decode())
    mesh = unpack_prompt((tmp_path / "prompt").read_bytes()).mesh
    assert mesh is not None
    assert np.array_equal(triangle_soup(mesh), soup(VERTICES))


BEYOND = np.array([[0, 1, len(VERTICES)]])
HOSTILE: list[tuple[str, dict, str]] = [
    ("nothing", {"vertices": b""}, "view 0 cannot be unpacked with meshopt: the attributes are damaged"),
    ("no vertices", {"vertices": b"X" * 100}, "the attributes are damaged"),
    ("vertices cut off", {"vertices": encode_vertices(VERTICES)[:-20]}, "the attributes are damaged"),
    ("no corners", {"corners": bytes(100)}, "view 1 cannot be unpacked with meshopt: the triangles are damaged"),
    ("corners cut off", {"corners": encode_triangles(FACES)[:40]}, "the triangles are damaged"),
    ("more rows than packed", {"view": {"count": 10_000}}, "the attributes are damaged"),
    ("rows of nothing", {"view": {"byteStride": 0}}, "greater than or equal to 1"),
    ("rows of odd bytes", {"view": {"byteStride": 13}}, "a multiple of 4 up to 256"),
    ("rows too long", {"view": {"byteStride": 260}}, "less than or equal to 256"),
    ("indices of three bytes", {"index": {"byteStride": 3}}, "2 or 4 are allowed"),
    ("no whole triangles", {"index": {"count": 961}}, "not three a triangle"),
    ("another mode", {"index": {"mode": "QUADS"}}, "'ATTRIBUTES', 'TRIANGLES' or 'INDICES'"),
    ("another filter", {"view": {"filter": "SEPIA"}}, "'NONE', 'OCTAHEDRAL'"),
    ("filter of another size", {"view": {"filter": "QUATERNION"}}, "filter QUATERNION does not go"),
    ("filtered corners", {"index": {"filter": "EXPONENTIAL"}}, "filter EXPONENTIAL does not go"),
    ("a corner beyond", {"corners": encode_triangles(BEYOND), "index": {"count": 3}}, "declares 960 rows"),
    ("fewer rows than read", {"vertices": encode_vertices(VERTICES[:8]), "view": {"count": 8}}, "declares 162 rows"),
    ("no buffer", {"buffers": []}, "damaged"),
    ("no data", {"view": {"buffer": 1}}, "buffer 1 has no data"),
    ("past the buffer", {"view": {"byteOffset": 2**39}}, "the attributes are damaged"),
    ("of another name", {"view": {"extension": "EXT_other"}}, "which is not read"),
]


@pytest.mark.parametrize(("changes", "reason"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_hostile_meshopt_data_is_refused(changes: dict, reason: str) -> None:
    with pytest.raises(MeshError, match=reason):
        read_mesh(meshopt_glb(**changes))


def test_a_few_bytes_that_declare_gigabytes_are_refused_before_they_are_unpacked() -> None:
    with pytest.raises(LimitError, match="compressed views, unpacked: 274,877,906,944, and the limit is 268,435,456"):
        read_mesh(meshopt_glb(view={"count": 2**30, "byteStride": 256}))
    with pytest.raises(LimitError, match="compressed views, unpacked: 5,784"):  # two views together
        read_mesh(meshopt_glb(), InputLimits(unpacked_bytes=5783))
    with pytest.raises(LimitError, match="faces: 320, and the limit is 100"):
        read_mesh(meshopt_glb(), InputLimits(mesh_faces=100))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_meshopt_data_raises_nothing_but_our_own_errors(seed: int) -> None:
    chance = np.random.default_rng(seed)
    vertices, corners = encode_vertices(exponential(VERTICES, bits=15)), encode_triangles(FACES)
    for _ in range(60):
        broken = [bytearray(vertices), bytearray(corners)]
        for content in broken:
            for place in chance.integers(len(content), size=2):
                content[place] = chance.integers(256)
        try:
            read_mesh(meshopt_glb(*map(bytes, broken), view={"filter": "EXPONENTIAL"}))
        except ApgError as error:
            assert error.message
