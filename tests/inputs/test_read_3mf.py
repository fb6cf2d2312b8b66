"""3MF: objects, components, transforms and documents of one zip; and hostile ones."""

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from apg_core.errors import ApgError, LimitError, MeshError
from apg_core.inputs import read_mesh, read_parts
from apg_core.protocol.limits import InputLimits

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
RELATIONSHIPS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" '
    'Target="/3D/3dmodel.model" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
)
VERTICES = [[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]]
FACES = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]
MESH = (
    "<mesh><vertices>"
    + "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in VERTICES)
    + "</vertices><triangles>"
    + "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in FACES)
    + "</triangles></mesh>"
)
TETRAHEDRON = f'<object id="1" type="model">{MESH}</object>'
ONE = '<item objectid="1"/>'


def document(objects: str = TETRAHEDRON, items: str = ONE, *, before: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<model unit="millimeter" xmlns="{CORE}" '
        f'xmlns:p="{PRODUCTION}"><resources>{objects}</resources><build>{items}</build></model>'
    )


def three_mf(model: str | bytes | None = None, **others: str) -> bytes:
    """The package of a model, and of other documents beside it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", others.pop("relationships", RELATIONSHIPS))
        archive.writestr("3D/3dmodel.model", document() if model is None else model)
        for name, text in others.items():
            archive.writestr(f"3D/{name}.model", text)
    return content.getvalue()


@pytest.mark.parametrize("file_type", [None, "3mf", ".3MF"])
def test_a_3mf_comes_back_corner_for_corner(file_type: str | None) -> None:
    mesh = read_mesh(three_mf(), file_type=file_type)
    assert mesh.vertices.tolist() == VERTICES
    assert mesh.faces.tolist() == FACES


def test_every_item_of_the_build_is_a_part_in_its_place() -> None:
    items = ONE + '<item objectid="1" transform="0 2 0 -2 0 0 0 0 2 10 20 30"/>'  # twice as large, a quarter turn
    first, second = read_parts(three_mf(document(items=items)))
    assert first.vertices.tolist() == VERTICES
    assert second.vertices == pytest.approx(np.array([[10, 20, 30], [10, 22, 30], [6, 20, 30], [10, 20, 36]]))


def test_components_are_placed_within_each_other_and_supports_left_out() -> None:
    pair = (
        '<object id="2"><components><component objectid="1" transform="1 0 0 0 1 0 0 0 1 5 0 0"/>'
        '<component objectid="1"/><component objectid="3"/></components></object>'
    )
    support = f'<object id="3" type="support">{MESH}</object>'
    items = '<item objectid="2" transform="1 0 0 0 1 0 0 0 1 0 7 0"/>'
    parts = read_parts(three_mf(document(TETRAHEDRON + support + pair, items)))
    assert [part.vertices[0].tolist() for part in parts] == [[5, 7, 0], [0, 7, 0]]


def test_a_mirroring_transform_turns_the_faces_round() -> None:
    items = '<item objectid="1" transform="-1 0 0 0 1 0 0 0 1 0 0 0"/>'
    mesh = read_mesh(three_mf(document(items=items)))
    corners = mesh.vertices[mesh.faces]
    assert np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6 == pytest.approx(1)


def test_objects_in_other_documents_of_the_same_zip_are_found() -> None:
    far = '<object id="2"><components><component p:path="/3D/other.model" objectid="1"/></components></object>'
    data = three_mf(document(far, '<item objectid="2"/>'), other=document(items=ONE * 3))
    assert len(read_parts(data)) == 1  # what others build does not count


def test_foreign_elements_and_objects_that_are_not_built_are_ignored() -> None:
    foreign = '<x:vertex xmlns:x="urn:x" x="no number"/><metadata name="a">b</metadata>'
    unused = f'<object id="9">{MESH}</object>'
    assert len(read_mesh(three_mf(document(foreign + unused + TETRAHEDRON))).faces) == 4


BILLION = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
NESTED = "".join(
    f'<object id="{n}"><components>{f"<component objectid={chr(34)}{n - 1}{chr(34)}/>" * 40}</components></object>'
    for n in range(2, 12)
)
HIMSELF = '<object id="1"><components><component objectid="1"/></components></object>'
HOSTILE: list[tuple[str, Callable[[], bytes], str]] = [
    ("entities", lambda: three_mf(document(before=BILLION)), "declares a document type"),
    ("a file as an entity", lambda: three_mf(document(before=OUTSIDE)), "declares a document type"),
    ("no XML", lambda: three_mf("hello"), "damaged: syntax error"),
    ("cut off XML", lambda: three_mf(document()[:-20]), "damaged: no element found|unclosed token"),
    ("cut off", lambda: three_mf()[:-30], "cut off"),
    ("deep XML", lambda: three_mf(document("<a>" * 100_000)), "more than 16 elements within each other"),
    ("no such object", lambda: three_mf(document(items='<item objectid="7"/>')), "damaged"),
    ("no such document", lambda: three_mf(document(items='<item objectid="1" p:path="/b"/>')), "has no 'b'"),
    ("out of the zip", lambda: three_mf(document(items='<item objectid="1" p:path="../../etc/passwd"/>')), "has no"),
    ("an object in itself", lambda: three_mf(document(HIMSELF)), "part of itself"),
    ("an object twice", lambda: three_mf(document(TETRAHEDRON * 2)), "two objects '1'"),
    ("a word as a coordinate", lambda: three_mf(document().replace('x="1"', 'x="one"')), "damaged"),
    ("no coordinate", lambda: three_mf(document().replace('x="1"', "")), "damaged: 'x'"),
    ("infinite", lambda: three_mf(document().replace('x="1"', 'x="1e999"')), "not finite"),
    ("no such vertex", lambda: three_mf(document().replace('v3="1"', 'v3="4"')), "names a vertex"),
    ("vertex -1", lambda: three_mf(document().replace('v3="1"', 'v3="-1"')), "names a vertex"),
    ("a huge number", lambda: three_mf(document().replace('v3="1"', 'v3="99999999999999999999"')), "damaged"),
    ("a short transform", lambda: three_mf(document(items='<item objectid="1" transform="1 2"/>')), "of 2 numbers"),
    ("nothing built", lambda: three_mf(document(items="")), "no triangles"),
    ("no model", lambda: three_mf(relationships="<a/>"), "0 models in it"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_3mf_is_refused(data: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(MeshError, match=reason) as refusal:
        read_mesh(data())
    assert refusal.value.field == "mesh"


@pytest.mark.parametrize(
    ("data", "limits", "said"),
    [
        (lambda: three_mf(), InputLimits(mesh_vertices=3), "vertices: 4, and the limit is 3"),
        (lambda: three_mf(), InputLimits(mesh_faces=3), "faces: 4, and the limit is 3"),
        (lambda: three_mf(document(items=ONE * 9)), InputLimits(mesh_faces=35), "faces: 36, and the limit is 35"),
        (lambda: three_mf(document(items=ONE * 9)), InputLimits(mesh_entries=5), "objects of the 3MF: 6"),
        (lambda: three_mf(document(TETRAHEDRON + NESTED, '<item objectid="11"/>')), InputLimits(), "objects of the"),
        (lambda: three_mf(document() + " " * 30_000_000), InputLimits(unpacked_bytes=2**20), "unpacks to more"),
    ],
)
def test_a_3mf_over_a_limit_is_refused_before_anything_is_placed(
    data: Callable[[], bytes], limits: InputLimits, said: str
) -> None:
    with pytest.raises(LimitError, match=said):
        read_mesh(data(), limits)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_models_raise_nothing_but_our_own_errors(seed: int) -> None:
    chance = np.random.default_rng(seed)
    whole = document().encode()
    for _ in range(200):
        content = bytearray(whole)
        for place in chance.integers(len(content), size=2):
            content[place] = chance.integers(256)
        try:
            read_mesh(three_mf(bytes(content)))
        except ApgError as error:
            assert error.message
