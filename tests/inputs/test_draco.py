"""Draco-compressed glTF against the same triangles uncompressed; and hostile ones."""

import DracoPy
import numpy as np
import pytest
import trimesh

from apg_core.errors import ApgError, LimitError, MeshError
from apg_core.inputs import read_mesh
from apg_core.protocol.limits import InputLimits
from tests.inputs.test_read_mesh import glb, triangle_document, triangle_soup

SPHERE = trimesh.creation.icosphere(subdivisions=2, radius=0.5)


def compressed(*, level: int = 7, bits: int = 16) -> bytes:
    vertices, faces = SPHERE.vertices.astype(np.float32), SPHERE.faces.astype(np.uint32)
    return DracoPy.encode(vertices, faces, quantization_bits=bits, compression_level=level)


def draco_glb(
    data: bytes, *, vertices: int = len(SPHERE.vertices), corners: int = SPHERE.faces.size, position: int = 0
) -> bytes:
    extension = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": position}}}
    document, _ = triangle_document(
        extensionsUsed=list(extension),
        extensionsRequired=list(extension),
        meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "extensions": extension}]}],
        accessors=[
            {"componentType": 5126, "count": vertices, "type": "VEC3"},
            {"componentType": 5125, "count": corners, "type": "SCALAR"},
        ],
        bufferViews=[{"buffer": 0, "byteLength": len(data)}],
        buffers=[{"byteLength": len(data)}],
    )
    return glb(document, data)


@pytest.mark.parametrize("level", [0, 7, 10])  # 0 is sequential, the others edgebreaker
def test_compressed_triangles_are_the_uncompressed_ones_to_the_quantum(level: int) -> None:
    mesh = read_mesh(draco_glb(compressed(level=level)))
    assert len(mesh.faces) == len(SPHERE.faces)
    found, expected = (m.vertices[m.faces].mean(axis=1) for m in (mesh, SPHERE))
    nearest = np.linalg.norm(found[:, None] - expected, axis=2)
    assert nearest.min(axis=1).max() < 2 / 2**16
    assert sorted(nearest.argmin(axis=1)) == list(range(len(expected)))
    assert triangle_soup(mesh).shape == (len(SPHERE.faces), 3, 3)


def test_faces_keep_their_side() -> None:
    mesh = read_mesh(draco_glb(compressed()))
    found = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True).volume
    assert found == pytest.approx(SPHERE.volume, rel=1e-3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "damaged"),
        (b"DRACO", "damaged"),
        (b"X" * 100, "not a mesh of Draco 2.2"),
        (compressed()[:40], "damaged"),
        (compressed()[:5] + b"\1\1" + compressed()[7:], "not a mesh of Draco 2.2"),
        (compressed()[:9] + b"\0\x80" + compressed()[11:], "without metadata"),
        (b"DRACO\2\2\1\1\0\0\0" + b"\xff\xff\xff\xff\x0f" * 2 + bytes(40), r"4,294,967,295 faces in it, 320 declared"),
        (b"DRACO\2\2\1\0\0\0" + b"\xff\xff\xff\xff\x0f" * 2 + bytes(40), r"4,294,967,295 faces in it, 320 declared"),
        (b"DRACO\2\2\1\0\0\0" + b"\x01" + b"\xff\xff\xff\xff\x0f" + bytes(40), "damaged"),
    ],
)
def test_hostile_draco_data_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(MeshError, match=reason):
        read_mesh(draco_glb(data))


def test_more_than_the_accessors_declare_is_refused() -> None:
    with pytest.raises(MeshError, match="320 faces in it, 100 declared"):
        read_mesh(draco_glb(compressed(), corners=300))
    with pytest.raises(MeshError, match="162 vertices, 10 are declared"):
        read_mesh(draco_glb(compressed(), vertices=10))
    with pytest.raises(LimitError, match="faces: 320, and the limit is 100"):
        read_mesh(draco_glb(compressed()), InputLimits(mesh_faces=100))
    with pytest.raises(MeshError, match="damaged"):
        read_mesh(draco_glb(compressed(), position=7))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_draco_data_raises_nothing_but_our_own_errors(seed: int) -> None:
    chance = np.random.default_rng(seed)
    whole = compressed()
    for _ in range(100):
        content = bytearray(whole)
        for place in chance.integers(len(content), size=2):
            content[place] = chance.integers(256)
        try:
            read_mesh(draco_glb(bytes(content)))
        except ApgError as error:
            assert error.message
