"""Meshes of every accepted format, and hostile ones: the exact error and what it says."""

import base64
import json
import random
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from apg_core.errors import ApgError, LimitError, MeshError
from apg_core.inputs import read_image, read_mask, read_mesh, read_parts
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mesh import TriangleMesh

SPHERE = trimesh.creation.icosphere(subdivisions=1, radius=0.5)
SPHERE.apply_translation([1.0, 2.0, 3.0])
TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
PLY_HEADER = (
    "ply\nformat ascii 1.0\nelement vertex {vertices}\nproperty float x\nproperty float y\nproperty float z\n"
    "element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
)


def exported(kind: str, **options: str) -> bytes:
    data = SPHERE.export(file_type=kind, **options)
    return data.encode() if isinstance(data, str) else data


def glb(document: object, binary: bytes = b"") -> bytes:
    """A GLB of any JSON and any bytes."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def triangle_document(**changes: object) -> tuple[dict, bytes]:
    """The smallest glTF with a triangle, and its buffer; `changes` replace whole top-level keys."""
    binary = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes() + np.array([0, 1, 2, 0], "<u2").tobytes()
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 3, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 8},
        ],
        "buffers": [{"byteLength": len(binary)}],
    }
    return document | changes, binary


def triangle_glb(**changes: object) -> bytes:
    return glb(*triangle_document(**changes))


def triangle_gltf(uri: str | None = None) -> bytes:
    document, binary = triangle_document()
    document["buffers"][0]["uri"] = uri or f"data:application/gltf-buffer;base64,{base64.b64encode(binary).decode()}"
    return json.dumps(document).encode()


def triangle_soup(mesh: TriangleMesh) -> np.ndarray:
    """The corners of every triangle, in an order that depends on their places only."""
    corners = mesh.vertices[mesh.faces].round(5)
    turned = np.stack([np.roll(c, -min(range(3), key=lambda i: tuple(c[i])), axis=0) for c in corners])
    return turned[np.lexsort(turned.reshape(len(turned), -1).T)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("glb", {}),
        ("obj", {}),
        ("ply", {}),
        ("ply", {"encoding": "ascii"}),
        ("stl", {}),
        ("stl_ascii", {}),
        ("off", {}),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_mesh_comes_back_from_every_format(kind: str, options: dict[str, str], line_end: bytes) -> None:
    data = exported(kind, **options)
    if kind in ("obj", "stl_ascii", "off") or options:
        data = data.replace(b"\n", line_end)
    expected = triangle_soup(TriangleMesh(SPHERE.vertices, SPHERE.faces))
    assert triangle_soup(read_mesh(data)) == pytest.approx(expected, abs=1e-5)


def test_a_gltf_with_embedded_buffers_is_read() -> None:
    mesh = read_mesh(triangle_gltf())
    assert (mesh.vertices[mesh.faces] == [[[0, 0, 0], [1, 0, 0], [0, 1, 0]]]).all()


def test_node_transforms_multiply_from_the_root_down() -> None:
    nodes = [
        {"translation": [1, 0, 0], "scale": [2, 2, 2], "children": [1]},
        {"rotation": [0, 0, np.sqrt(0.5), np.sqrt(0.5)], "mesh": 0},  # a quarter turn about z
    ]
    found = read_mesh(triangle_glb(nodes=nodes)).vertices
    assert found == pytest.approx(np.array([[1, 0, 0], [1, 2, 0], [-1, 0, 0]]), abs=1e-6)


def test_a_mirroring_node_turns_the_faces_round() -> None:
    matrix = np.diag([-1.0, 1.0, 1.0, 1.0]).reshape(-1).tolist()
    mesh = read_mesh(triangle_glb(nodes=[{"mesh": 0, "matrix": matrix}]))
    corners = mesh.vertices[mesh.faces[0]]
    assert np.cross(corners[1] - corners[0], corners[2] - corners[0])[2] == pytest.approx(1)


def test_every_instance_of_a_shared_mesh_is_a_part() -> None:
    nodes = [{"children": [1, 2]}, {"mesh": 0}, {"mesh": 0, "translation": [0, 0, 5]}]
    parts = read_parts(triangle_glb(nodes=nodes))
    assert [part.vertices[0, 2] for part in parts] == [0, 5]
    assert len(read_mesh(triangle_glb(nodes=nodes)).faces) == 2


def test_parts_are_the_geometry_nodes_of_a_scene_in_their_order() -> None:
    scene = trimesh.Scene()
    for index in range(3):
        box = trimesh.creation.box((1, 1, 1 + index))
        scene.add_geometry(
            box, node_name=f"part_{index}", transform=trimesh.transformations.translation_matrix([index, 0, 0])
        )
    parts = read_parts(scene.export(file_type="glb"))
    assert [part.bounds.mean(axis=0)[0] for part in parts] == pytest.approx([0, 1, 2])
    assert [np.ptp(part.bounds[:, 2]) for part in parts] == pytest.approx([1, 2, 3])


@pytest.mark.parametrize(("mode", "faces"), [(5, [[0, 1, 2], [2, 1, 3]]), (6, [[0, 1, 2], [0, 2, 3]])])
def test_strips_and_fans_turn_the_way_the_specification_says(mode: int, faces: list[list[int]]) -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4")
    document = triangle_document(
        meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "mode": mode}]}],
        accessors=[{"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"}],
        bufferViews=[{"buffer": 0, "byteLength": 48}],
    )[0]
    assert read_mesh(glb(document, corners.tobytes())).faces.tolist() == faces


def test_interleaved_quantised_and_sparse_positions_are_read() -> None:
    rows = np.zeros(3, np.dtype([("position", "<i2", 3), ("pad", "<i2", 5)]))
    rows["position"] = [[0, 0, 0], [32767, 0, 0], [0, 0, 0]]
    moved = struct.pack("<HHhhhh", 2, 0, 0, 32767, 0, 0)
    position = {"bufferView": 0, "componentType": 5122, "count": 3, "type": "VEC3", "normalized": True}
    position["sparse"] = {
        "count": 1,
        "indices": {"bufferView": 1, "componentType": 5123},
        "values": {"bufferView": 1, "byteOffset": 4},
    }
    document, _ = triangle_document(
        meshes=[{"primitives": [{"attributes": {"POSITION": 0}}]}],
        accessors=[position],
        bufferViews=[
            {"buffer": 0, "byteLength": 48, "byteStride": 16},
            {"buffer": 0, "byteOffset": 48, "byteLength": 12},
        ],
    )
    assert (read_mesh(glb(document, rows.tobytes() + moved)).vertices == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]).all()


def test_obj_polygons_become_fans_and_negative_corners_count_back() -> None:
    square = (
        b"mtllib /etc/passwd\nv 0 0 0\nv 1 0 0 \\\n\nv 1 1 0 1 0 0\nv 0 1 0\nusemtl a\nf 1/1/1 2//1 3/4 4 # square\n"
    )
    mesh = read_mesh(square + b"v 5 5 5\nf -4 -3 -1\n")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [1, 2, 4]]


def test_loose_vertices_are_left_out() -> None:
    mesh = read_mesh(TRIANGLE + b"v 9 9 9\nf 1 2 3\n")
    assert mesh.bounds.tolist() == [[0, 0, 0], [1, 1, 0]]


def test_the_ending_must_not_contradict_the_content(tmp_path: Path) -> None:
    path = tmp_path / "shape.stl"
    path.write_bytes(exported("ply"))
    with pytest.raises(MeshError, match=r"called \.stl but holds PLY; rename it to \.ply"):
        read_mesh(path)
    assert len(read_mesh(path.rename(tmp_path / "shape.upload")).faces) == len(SPHERE.faces)


@pytest.mark.parametrize("uri", ["shape.bin", "file:///etc/passwd", "http://127.0.0.1/x", "data:,hello"])
def test_nothing_outside_the_file_is_followed_unless_asked(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shape.bin").write_bytes(triangle_document()[1])
    (tmp_path / "shape.gltf").write_bytes(triangle_gltf(uri))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MeshError, match="refers to another file"):
        read_mesh(tmp_path / "shape.gltf")
    with pytest.raises(MeshError, match="refers to another file"):
        read_mesh(triangle_gltf(uri), beside=True)  # bytes are in no folder


def test_textures_in_other_files_are_never_opened(tmp_path: Path) -> None:
    absent = {"images": [{"uri": "http://127.0.0.1/absent.png"}], "materials": [{}], "textures": [{"source": 0}]}
    assert len(read_mesh(triangle_glb(**absent)).faces) == 1
    ply = (PLY_HEADER.format(vertices=3, faces=1) + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n").encode()
    textured = ply.replace(b"element vertex", b"comment TextureFile absent.png\nelement vertex")
    assert len(read_mesh(textured).faces) == 1


def changed_accessor(index: int, **changes: object) -> bytes:
    document, binary = triangle_document()
    document["accessors"][index] |= changes
    return glb(document, binary)


def off_triangle(corner: str) -> bytes:
    return f"OFF\n3 1 0\n0 0 0\n1 0 0\n{corner}\n3 0 1 2\n".encode()


POINTS = {"attributes": {"POSITION": 0}, "mode": 0}
OVERFLOWING = {"scale": [1e308, 1, 1], "translation": [1.7e308, 0, 0]}
THOUSAND = {"scenes": [{"nodes": list(range(1000))}], "nodes": [{"mesh": 0}] * 1000}
PLY_EDGES = PLY_HEADER.format(vertices=3, faces=1).replace("face", "edge 99999999\nelement face").encode()


def ply(kind: str, count: str, face: bytes, *, item: str = "int") -> bytes:
    """A triangle whose one face row is this."""
    header = (
        PLY_HEADER.format(vertices=3, faces=1).replace("ascii", kind).replace("list uchar int", f"list {count} {item}")
    )
    vertices = b"0 0 0\n1 0 0\n0 1 0\n" if kind == "ascii" else struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0)
    return header.encode() + vertices + face


def off(face: bytes) -> bytes:
    return b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n" + face


def sparse(component: int, view: int = 1) -> Callable[[], bytes]:
    part = {"bufferView": view, "componentType": component}
    return lambda: changed_accessor(0, sparse={"count": 1, "indices": part, "values": {"bufferView": 0}})


BINARY = "binary_little_endian"
UNUSABLE: list[tuple[str, Callable[[], bytes], str]] = [
    ("no bytes", lambda: b"", "empty"),
    ("not a mesh", lambda: b"hello world", "of no known format; give GLB, glTF, OBJ"),
    ("a picture", lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "of no known format"),
    ("nan", lambda: off_triangle("0 nan 0"), "1 vertices are not finite"),
    ("infinite", lambda: off_triangle("0 1e999 0"), "1 vertices are not finite"),
    ("absurdly far", lambda: off_triangle("0 1e13 0"), r"a coordinate is 1e\+13"),
    ("one point", lambda: b"v 1 1 1\n" * 3 + b"f 1 2 3\n", "0 across"),
    ("far and tiny", lambda: b"v 1e11 0 0\nv 100000000001 0 0\nv 1e11 1 0\nf 1 2 3\n", "scale or centre it"),
    ("a line", lambda: off_triangle("2 0 0"), "no area"),
    ("points only", lambda: TRIANGLE, "3 points but no faces"),
    ("ply points", lambda: PLY_HEADER.format(vertices=1, faces=0).encode() + b"1 2 3\n", "1 points but no faces"),
    ("no such vertex", lambda: TRIANGLE + b"f 1 2 4\n", "names vertex 3 of 3"),
    ("before the first vertex", lambda: TRIANGLE + b"f 1 2 -4\n", "names vertex -1 of 3"),
    ("vertex zero", lambda: TRIANGLE + b"f 0 1 2\n", "names vertex -1 of 3"),
    ("words in obj", lambda: TRIANGLE + b"f 1 two 3\n", "other than numbers"),
    ("flat obj vertices", lambda: b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n", "fewer than three numbers: b'v 0 0'"),
    ("words in ply", lambda: PLY_HEADER.format(vertices=1, faces=1).encode() + b"1 x 3\n3 0 0 0\n", "damaged"),
    ("ply cut off", lambda: exported("ply")[:-10], "PLY is cut off"),
    ("ply header cut off", lambda: exported("ply")[:40], "header does not end"),
    ("ply lines missing", lambda: PLY_HEADER.format(vertices=3, faces=1).encode() + b"0 0 0\n", "4 lines and has 1"),
    ("ply counts backwards", lambda: PLY_HEADER.format(vertices=-3, faces=1).encode(), "declares b'-3' elements"),
    ("off cut off", lambda: exported("off")[:100], "OFF is damaged"),
    ("off without counts", lambda: b"OFF\n", "does not say how many"),
    ("glb cut off", lambda: exported("glb")[:-10], "cut off: a chunk declares"),
    ("ply of float counts", lambda: ply(BINARY, "float", struct.pack("<f3i", 3, 0, 1, 2)), "counts .* in float32"),
    ("ply of double counts", lambda: ply("ascii", "double", b"3 0 1 2\n"), "counts the items of a face in float64"),
    ("ply of fewer than no corners", lambda: ply(BINARY, "int", struct.pack("<4i", -3, 0, 1, 2)), "has -3 items"),
    ("ply of 2^31 corners", lambda: ply(BINARY, "uint", struct.pack("<I3i", 2**31, 0, 1, 2)), "2,147,483,648 items"),
    ("ascii ply of 2^31 corners", lambda: ply("ascii", "uint", b"2147483648 0 1 2\n"), "face 0 of the PLY has 4"),
    ("ascii ply of one corner more", lambda: ply("ascii", "uchar", b"4 0 1 2\n"), "not as many as it says"),
    ("ascii ply of one corner less", lambda: ply("ascii", "uchar", b"3 0 1 2 1\n"), "not as many as it says"),
    ("ply of no known number", lambda: ply("ascii", "uchar", b"3 0 1 2\n", item="quad"), "numbers of type b'quad'"),
    ("off of 2^31 corners", lambda: off(b"2147483648 0 1 2\n"), "says 2147483648 corners and has 3"),
    ("off of fewer than no corners", lambda: off(b"-3 0 1 2\n"), "says -3 corners"),
    ("sparse of no component", sparse(9999), "5121, 5123 or 5125"),
    ("sparse beyond", sparse(5125, 7), "damaged"),
    ("glb of nothing", lambda: b"glTF" + bytes(8), "no JSON chunk"),
    ("gltf of nothing", lambda: glb({}), "no triangles"),
    ("gltf 1", lambda: triangle_glb(asset={"version": "1.0"}), "glTF 1.0 is not read"),
    ("broken json", lambda: glb(b'{"nodes": [}'), "damaged at JSON"),
    ("deep json", lambda: glb(b'{"nodes":' + b"[" * 100_000), "recursion limit"),
    ("deep json objects", lambda: b'{"a":' * 100_000, "recursion limit"),
    ("json of the wrong types", lambda: triangle_glb(nodes=[{"mesh": "x"}]), r"damaged at nodes\.0\.mesh"),
    ("a node in itself", lambda: triangle_glb(nodes=[{"mesh": 0, "children": [0]}]), "node 0 has two parents"),
    ("no such mesh", lambda: triangle_glb(nodes=[{"mesh": 7}]), "damaged"),
    ("a negative offset", lambda: changed_accessor(0, byteOffset=-4), "greater than or equal to 0"),
    ("an accessor past its view", lambda: changed_accessor(0, count=4), "declares 4 rows, more than buffer view 0"),
    ("an offset past its view", lambda: changed_accessor(1, byteOffset=4), "more than buffer view 1"),
    ("a view past its buffer", lambda: triangle_glb(buffers=[{"byteLength": 9**9}]) [:-20], "cut off"),
    ("flat positions", lambda: changed_accessor(0, type="VEC2"), "VEC2, not VEC3"),
    ("float indices", lambda: changed_accessor(1, componentType=5126), "not unsigned integers"),
    ("not base64", lambda: triangle_gltf("data:;base64,A"), "not base64"),
    ("instancing", lambda: triangle_glb(extensionsRequired=["EXT_mesh_gpu_instancing"]), "export without it"),
    ("what nobody knows", lambda: triangle_glb(extensionsRequired=["X_shape"]), "requires X_shape, which is not read"),
    ("points in gltf", lambda: triangle_glb(meshes=[{"primitives": [POINTS]}]), "no triangles"),
    ("infinite matrix", lambda: triangle_glb(nodes=[{"mesh": 0, **OVERFLOWING}]), "not finite"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), [case[1:] for case in UNUSABLE], ids=[case[0] for case in UNUSABLE])
def test_a_mesh_that_cannot_be_used_says_why(data: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(MeshError, match=reason) as refusal:
        read_mesh(data())
    assert refusal.value.field == "mesh"


def test_extensions_that_no_shape_depends_on_may_be_required() -> None:
    required = ["KHR_materials_transmission", "KHR_texture_basisu", "KHR_mesh_quantization"]
    assert len(read_mesh(triangle_glb(extensionsRequired=required)).faces) == 1


@pytest.mark.parametrize("size", [10, 83, 200])
def test_a_binary_stl_that_is_cut_off_says_how_much_is_there(size: int) -> None:
    with pytest.raises(MeshError, match=r"cut off or damaged: [\d,]+ triangles declared"):
        read_mesh(exported("stl")[:size], file_type="STL")


TOO_LARGE: list[tuple[str, Callable[[], bytes], str]] = [
    ("ply", lambda: PLY_HEADER.format(vertices=3, faces=10_000_000).encode(), "faces: 10,000,000"),
    ("ply element", lambda: PLY_EDGES, "99,999,999"),
    ("off", lambda: b"OFF\n99999999 1 0\n", "vertices: 99,999,999"),
    ("glb vertices", lambda: changed_accessor(0, count=10**9), "vertices: 1,000,000,000"),
    ("glb faces", lambda: changed_accessor(1, count=3 * 10**9), "faces: 1,000,000,000"),
    ("glb instances", lambda: triangle_glb(**THOUSAND), "vertices: 3,000"),
    ("glb nodes", lambda: triangle_glb(nodes=[{}] * 300_000), "values in the glTF's JSON: 600,0"),
    ("obj polygon", lambda: TRIANGLE + b"f" + b" 1" * 6_000_000, "faces: 5,999,998"),
    ("stl", lambda: exported("stl"), "faces: 80"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "said"), [case[1:] for case in TOO_LARGE], ids=[case[0] for case in TOO_LARGE])
def test_a_mesh_over_a_limit_is_refused_by_what_it_declares(data: Callable[[], bytes], said: str) -> None:
    small = said in ("vertices: 3,000", "faces: 80")
    limits = InputLimits(mesh_vertices=1000, mesh_faces=50) if small else InputLimits()
    with pytest.raises(LimitError, match=said):
        read_mesh(data(), limits)


def pictures() -> list[bytes]:
    pixels = (np.arange(24 * 16 * 4) % 251).astype(np.uint8).reshape(24, 16, 4)
    found = []
    for mode, kind in [("RGBA", "PNG"), ("P", "PNG"), ("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "WEBP")] + [
        (mode, kind)
        for mode in ("RGB", "P")
        for kind in ("BMP", "TIFF", "GIF", "AVIF")
        if (mode, kind) != ("P", "AVIF")
    ]:
        file = BytesIO()
        Image.fromarray(pixels).convert("RGB").convert(mode).save(file, kind)
        found.append(file.getvalue())
    return found


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The file with a few bits flipped, bytes replaced or dropped, numbers put in, or its end cut off."""
    content = bytearray(data)
    for _ in range(chance.choice([1, 2, 8])):
        place = chance.randrange(len(content)) if len(content) > 1 else 0
        match chance.randrange(4):
            case 0:
                content[place:place] = chance.choice([b"-1", b"1e999", b"nan", b"\n", b"\xff\xff\xff\xff"])
            case 1:
                del content[place + 1 :]
            case 2:
                del content[place : place + 4]
            case _:
                content[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(content)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_raise_nothing_but_our_own_errors(seed: int) -> None:
    chance = random.Random(seed)
    kinds = ("glb", "obj", "ply", "stl", "stl_ascii", "off")
    meshes = [exported(kind) for kind in kinds] + [exported("ply", encoding="ascii"), triangle_gltf(), triangle_glb()]
    for data, readers in [(mesh, (read_mesh, read_parts)) for mesh in meshes] + [
        (picture, (read_image, read_mask)) for picture in pictures()
    ]:
        for _ in range(20):
            broken = damaged(data, chance)
            for reader in readers:
                try:
                    reader(broken)
                except ApgError as error:
                    assert error.message
