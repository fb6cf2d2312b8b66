"""A USDZ says to OpenUSD's own library what was put into it, and its validators find nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pxr import Gf, Usd, UsdGeom, UsdShade, UsdValidation
from support.objects import ball, block

from apg_core.errors import BackendMissingError
from apg_core.geometry.files import check_formats, write_model
from apg_core.geometry.files.frame import FileFrame
from apg_core.geometry.files.model import FilePart, Model
from apg_core.protocol.appearance import Appearance, Material, Texture

SEAT, LEG = block((1, 2, 3), (0.5, 0.25, 0)), ball(0.5)


def texture() -> Texture:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2] = 255
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return Texture(pixels, buffer.getvalue(), ("clamp", "mirror"))


def model() -> Model:
    """A textured part with a cut face, and one with colours of vertices; both have a palette to choose from."""
    faces = len(SEAT.faces)
    material = np.zeros(faces, np.int32)
    material[-2:] = 1
    uv = np.linspace(0, 1, faces * 6, dtype=np.float32).reshape(faces, 3, 2)
    wood = (Material("wood", (0.5, 1, 1, 1), texture=0, roughness=0.25), Material("cut", (0.25, 0.5, 0.75, 1)))
    seat = Appearance(wood, material, uv=uv, textures=(texture(),))
    colours = np.full((len(LEG.faces), 3, 4), (0.5, 1, 0.25, 1), np.float32)
    tinted = Material("painted", (0.5, 0.5, 1, 1))
    leg = Appearance((tinted,), np.zeros(len(LEG.faces), np.int32), colours=colours)
    extras = {"seed": 7, "notes": ["a", 1]}
    return Model(
        [
            FilePart("seat & back", SEAT, {"input": seat, "palette": plain(faces, "red")}, extras),
            FilePart("Bein", LEG, {"input": leg, "palette": plain(len(LEG.faces), "green")}),
        ],
        FileFrame(up="z", unit="millimeter"),
        {"job": "j1"},
    )


def plain(faces: int, name: str) -> Appearance:
    return Appearance.plain(faces, Material(name, (0.125, 0.25, 0.5, 1)))


@pytest.fixture
def stage(tmp_path: Path) -> Usd.Stage:
    ((name, content),) = write_model("usdz", "chair", model())
    (tmp_path / name).write_bytes(content)
    return Usd.Stage.Open(str(tmp_path / name))


def meshes(stage: Usd.Stage) -> Iterator[UsdGeom.Mesh]:
    return (UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))


def test_triangles_names_and_frame(stage: Usd.Stage) -> None:
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 0.001
    for mesh, part in zip(meshes(stage), model().parts, strict=True):
        assert mesh.GetPrim().GetDisplayName() == part.name
        assert set(mesh.GetFaceVertexCountsAttr().Get()) == {3}
        points = np.array(mesh.GetPointsAttr().Get())[np.array(mesh.GetFaceVertexIndicesAttr().Get())]
        np.testing.assert_allclose(points.reshape(-1, 3, 3), part.mesh.vertices[part.mesh.faces], atol=1e-7)
        away = points - points.mean(axis=0)  # both are convex
        assert (np.einsum("ij,ij->i", away, np.array(mesh.GetNormalsAttr().Get())) > 0).all()
    told = [prim.GetCustomDataByKey("autopartgen") for prim in (stage.GetDefaultPrim(), next(meshes(stage)).GetPrim())]
    assert [json.loads(text) for text in told] == [{"job": "j1"}, {"seed": 7, "notes": ["a", 1]}]


def bound(prim: Usd.Prim) -> UsdShade.Shader:
    """The surface of the material that a prim is bound to."""
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
    surface, _, _ = material.ComputeSurfaceSource()
    return surface


def diffuse(prim: Usd.Prim) -> UsdShade.Input:
    return bound(prim).GetInput("diffuseColor")


def test_looks(stage: Usd.Stage) -> None:
    seat, leg = meshes(stage)
    wood, cut = UsdGeom.Subset.GetAllGeomSubsets(seat)
    assert list(cut.GetIndicesAttr().Get()) == [10, 11]
    assert diffuse(cut.GetPrim()).Get() == Gf.Vec3f(0.25, 0.5, 0.75)
    picture = UsdShade.Shader(diffuse(wood.GetPrim()).GetConnectedSource()[0].GetPrim())
    assert [picture.GetInput(axis).Get() for axis in ("wrapS", "wrapT")] == ["clamp", "mirror"]
    assert picture.GetInput("scale").Get() == Gf.Vec4f(0.5, 1, 1, 1)
    file = picture.GetInput("file").Get()
    assert stage.ResolveIdentifierToEditTarget(file.path)
    assert stage.GetRootLayer().identifier in file.resolvedPath  # inside of the package
    given = model().parts[0].uv
    assert given is not None
    places = np.array(UsdGeom.PrimvarsAPI(seat).GetPrimvar("st").Get()).reshape(-1, 3, 2)
    np.testing.assert_allclose(places, given * [1, -1] + [0, 1], atol=1e-7)  # USD counts from the bottom

    reader = UsdShade.Shader(diffuse(leg.GetPrim()).GetConnectedSource()[0].GetPrim())
    assert reader.GetInput("varname").Get() == "displayColor"
    np.testing.assert_allclose(np.array(leg.GetDisplayColorAttr().Get()), [[0.25, 0.5, 0.25]] * (3 * len(LEG.faces)))


def test_the_palette_is_there_to_choose_also_where_vertices_have_colours(stage: Usd.Stage) -> None:
    looks = stage.GetDefaultPrim().GetVariantSet("look")
    assert (looks.GetVariantNames(), looks.GetVariantSelection()) == (["input", "palette"], "input")
    stage.SetEditTarget(stage.GetSessionLayer())
    looks.SetVariantSelection("palette")
    seat, leg = meshes(stage)
    for prim in (*UsdGeom.Subset.GetAllGeomSubsets(seat), leg):
        assert diffuse(prim.GetPrim()).Get() == Gf.Vec3f(0.125, 0.25, 0.5)
        assert not diffuse(prim.GetPrim()).HasConnectedSource()


def test_openusd_finds_nothing_wrong(stage: Usd.Stage) -> None:
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 20
    found = UsdValidation.ValidationContext(validators).Validate(stage)
    assert not [f"{error.GetName()}: {error.GetMessage()}" for error in found]


def test_the_same_model_gives_the_same_bytes() -> None:
    assert write_model("usdz", "chair", model()) == write_model("usdz", "chair", model())


def test_one_plain_part_has_no_looks_to_choose_from(tmp_path: Path) -> None:
    alone = replace(model(), parts=[FilePart("leg", LEG, {"palette": plain(len(LEG.faces), "green")})])
    ((name, content),) = write_model("usdz", "leg", alone)
    (tmp_path / name).write_bytes(content)
    stage = Usd.Stage.Open(str(tmp_path / name))
    assert not stage.GetDefaultPrim().HasVariantSets()
    assert diffuse(next(meshes(stage)).GetPrim()).Get() == Gf.Vec3f(0.125, 0.25, 0.5)


def test_without_the_package_the_option_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_formats("glb,usdz")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackendMissingError, match=r"usdz needs .* pip install 'autopartgen-ray\[usd\]'"):
        check_formats("glb,usdz")
    check_formats("glb,obj")
