"""Meshes as USDZ: a prim a part, materials as preview surfaces, looks to choose from as a variant set.

Written with OpenUSD's own library, of the extra `usd`. Source: OpenUSD's UsdPreviewSurface and USDZ specifications.
"""

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from pxr import Gf, Kind, Sdf, Tf, Usd, UsdGeom, UsdShade, Vt

from apg_core.geometry.files.corners import drawn_faces
from apg_core.geometry.files.model import GENERATOR, FilePart, Model, Palette
from apg_core.geometry.files.wavefront import texture_file
from apg_core.geometry.shading import corner_normals
from apg_core.protocol.appearance import Appearance, Material, Texture

_UNITS = {"meter": 1.0, "millimeter": 0.001}
_ROOT = Sdf.Path("/object")
_VARIANTS = "look"
_NO_DATE = time.mktime((1980, 1, 1, 0, 0, 0, 0, 0, -1))  # local, as archives have it
_PLACES, _COLOURS, _ALPHAS = "st", "displayColor", "displayOpacity"


def write(stem: str, model: Model) -> list[tuple[str, bytes]]:
    """The file of a model."""
    scene = _Scene(model)
    with tempfile.TemporaryDirectory() as folder:
        layer, package = Path(folder, f"{stem}.usdc"), Path(folder, f"{stem}.usdz")
        scene.stage.GetRootLayer().Export(str(layer))
        for name, texture in scene.textures.items():
            Path(folder, name).write_bytes(texture.content)
        with Sdf.ZipFileWriter.CreateNew(str(package)) as archive:
            for name in (layer.name, *scene.textures):  # readers open what comes first
                os.utime(Path(folder, name), (_NO_DATE, _NO_DATE))
                archive.AddFile(str(Path(folder, name)), name)
        return [(package.name, package.read_bytes())]


class _Scene:
    """The stage of one file as it grows."""

    def __init__(self, model: Model) -> None:
        self.stage = Usd.Stage.CreateInMemory(".usdc")
        self._palette = Palette()
        self._shaders: dict[tuple[int, bool], UsdShade.Material] = {}
        UsdGeom.SetStageUpAxis(self.stage, model.frame.up.upper())
        UsdGeom.SetStageMetersPerUnit(self.stage, _UNITS[model.frame.unit])
        self.stage.SetMetadata("comment", f"{GENERATOR}; {model.frame.about}")
        root = UsdGeom.Xform.Define(self.stage, _ROOT)
        Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
        self.stage.SetDefaultPrim(root.GetPrim())
        _say(root.GetPrim(), model.extras)
        looks = dict.fromkeys(name for part in model.parts if len(part.looks) > 1 for name in part.looks)
        self._variants: Usd.VariantSet | None = None
        if looks:
            self._variants = root.GetPrim().GetVariantSets().AddVariantSet(_VARIANTS)
            for look in looks:
                self._variants.AddVariant(Tf.MakeValidIdentifier(look))
        for place, part in enumerate(model.parts):
            self._part(_ROOT.AppendChild(f"part_{place:03d}"), part)
        if self._variants is not None:
            self._variants.SetVariantSelection(Tf.MakeValidIdentifier(next(iter(looks))))

    @property
    def textures(self) -> Mapping[str, Texture]:
        """By the name of their file."""
        return {texture_file(texture): texture for texture in self._palette.textures}

    def _part(self, path: Sdf.Path, part: FilePart) -> None:
        mesh = UsdGeom.Mesh.Define(self.stage, path)
        mesh.GetPrim().SetDisplayName(part.name)
        _say(mesh.GetPrim(), part.extras)
        drawn = np.flatnonzero(drawn_faces(part.mesh.faces))
        points = part.mesh.vertices.astype(np.float32)
        mesh.CreatePointsAttr(_vectors(points))
        mesh.CreateExtentAttr(_vectors(np.stack([points.min(axis=0), points.max(axis=0)])))
        mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(drawn), 3, np.int32)))
        mesh.CreateFaceVertexIndicesAttr(_integers(part.mesh.faces[drawn].reshape(-1)))
        mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
        mesh.CreateNormalsAttr(_vectors(corner_normals(part.mesh)[drawn].reshape(-1, 3)))
        mesh.SetNormalsInterpolation(UsdGeom.Tokens.faceVarying)
        mesh.CreateDoubleSidedAttr(any(material.double_sided for material in part.look.materials))
        primvars = UsdGeom.PrimvarsAPI(mesh)
        if part.uv is not None:
            up = part.uv[drawn].reshape(-1, 2) * [1, -1] + [0, 1]
            values = Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(up, np.float32))
            _primvar(primvars, _PLACES, Sdf.ValueTypeNames.TexCoord2fArray, values)
        if (colours := _vertex_colours(part)) is not None:
            colours = colours[drawn].reshape(-1, 4)
            _primvar(primvars, _COLOURS, Sdf.ValueTypeNames.Color3fArray, _vectors(colours[:, :3]))
            alphas = Vt.FloatArray.FromNumpy(np.ascontiguousarray(colours[:, 3], np.float32))
            _primvar(primvars, _ALPHAS, Sdf.ValueTypeNames.FloatArray, alphas)
        self._materials(mesh, part, drawn)

    def _materials(self, mesh: UsdGeom.Mesh, part: FilePart, drawn: Int[np.ndarray, " K"]) -> None:
        """Bind the material of each face, by subsets where there are several; in each variant its own."""
        chosen = [look.material[drawn] for look in part.looks.values()]
        kinds, kind = np.unique(np.stack(chosen, axis=1), axis=0, return_inverse=True)
        prims = [mesh.GetPrim()]
        if len(kinds) > 1:
            prims = []
            for number in range(len(kinds)):
                faces = _integers(np.flatnonzero(kind.reshape(-1) == number))
                name = f"faces_{number}"
                subset = UsdGeom.Subset.CreateGeomSubset(
                    mesh, name, UsdGeom.Tokens.face, faces, UsdShade.Tokens.materialBind, UsdGeom.Tokens.partition
                )
                prims.append(subset.GetPrim())
        for place, (name, look) in enumerate(part.looks.items()):
            materials = [self._material(look, int(row[place])) for row in kinds]
            if len(part.looks) > 1 and self._variants is not None:
                self._variants.SetVariantSelection(Tf.MakeValidIdentifier(name))
                with self._variants.GetVariantEditContext():
                    _bind(prims, materials)
            else:
                _bind(prims, materials)

    def _material(self, look: Appearance, place: int) -> UsdShade.Material:
        number, coloured = self._palette.place(look, place), look.colours is not None
        if (number, coloured) not in self._shaders:
            path = _ROOT.AppendPath(f"materials/material_{number}{'_coloured' if coloured else ''}")
            self._shaders[number, coloured] = self._shader(path, self._palette.materials[number], coloured=coloured)
        return self._shaders[number, coloured]

    def _shader(self, path: Sdf.Path, own: Material, *, coloured: bool) -> UsdShade.Material:
        """A preview surface of one material; `coloured` where vertices have colours, without a texture."""
        material = UsdShade.Material.Define(self.stage, path)
        material.GetPrim().SetDisplayName(own.name)
        surface = self._node(path, "surface", "UsdPreviewSurface")
        surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(own.metallic)
        surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(own.roughness)
        diffuse = surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
        diffuse.Set(Gf.Vec3f(*own.colour[:3]))
        opacity = surface.CreateInput("opacity", Sdf.ValueTypeNames.Float)
        opacity.Set(1.0 if own.alpha_mode == "OPAQUE" else own.colour[3])
        if own.alpha_mode == "MASK":
            surface.CreateInput("opacityThreshold", Sdf.ValueTypeNames.Float).Set(own.alpha_cutoff)
        if own.texture is not None:
            texture = self._texture(path, self._palette.textures[own.texture], own)
            diffuse.ConnectToSource(texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3))
            if own.alpha_mode != "OPAQUE":
                opacity.ConnectToSource(texture.CreateOutput("a", Sdf.ValueTypeNames.Float))
        elif coloured:
            reader = self._reader(path, _COLOURS, "UsdPrimvarReader_float3")
            diffuse.ConnectToSource(reader.CreateOutput("result", Sdf.ValueTypeNames.Float3))
            if own.alpha_mode != "OPAQUE":
                reader = self._reader(path, _ALPHAS, "UsdPrimvarReader_float")
                opacity.ConnectToSource(reader.CreateOutput("result", Sdf.ValueTypeNames.Float))
        material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
        return material

    def _texture(self, path: Sdf.Path, texture: Texture, own: Material) -> UsdShade.Shader:
        places = self._reader(path, _PLACES, "UsdPrimvarReader_float2")
        node = self._node(path, "texture", "UsdUVTexture")
        node.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(texture_file(texture)))
        node.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
        node.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(*own.colour))
        for axis, wrap in zip(("wrapS", "wrapT"), texture.wrap, strict=True):
            node.CreateInput(axis, Sdf.ValueTypeNames.Token).Set(wrap)
        found = places.CreateOutput("result", Sdf.ValueTypeNames.Float2)
        node.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(found)
        return node

    def _reader(self, path: Sdf.Path, name: str, kind: str) -> UsdShade.Shader:
        node = self._node(path, f"read_{name}", kind)
        node.CreateInput("varname", Sdf.ValueTypeNames.String).Set(name)
        return node

    def _node(self, path: Sdf.Path, name: str, kind: str) -> UsdShade.Shader:
        node = UsdShade.Shader.Define(self.stage, path.AppendChild(name))
        node.CreateIdAttr(kind)
        return node


def _vertex_colours(part: FilePart) -> Float[np.ndarray, "F 3 4"] | None:
    """Of the first look that has any, with its materials' own colours."""
    look = next((look for look in part.looks.values() if look.colours is not None), None)
    if look is None or look.colours is None:
        return None
    own = np.array([material.colour for material in look.materials])
    return look.colours * own[look.material][:, None]


def _bind(prims: Sequence[Usd.Prim], materials: Sequence[UsdShade.Material]) -> None:
    for prim, material in zip(prims, materials, strict=True):
        UsdShade.MaterialBindingAPI.Apply(prim).Bind(material)


def _primvar(primvars: UsdGeom.PrimvarsAPI, name: str, kind: Sdf.ValueTypeName, values: object) -> None:
    primvars.CreatePrimvar(name, kind, UsdGeom.Tokens.faceVarying).Set(values)


def _say(prim: Usd.Prim, extras: Mapping[str, object]) -> None:
    """Leave what the file says of it as one JSON text, since USD's dictionaries know no mixed lists."""
    if extras:
        prim.SetCustomDataByKey("autopartgen", json.dumps(extras))


def _vectors(values: Float[np.ndarray, "N 3"]) -> Vt.Vec3fArray:
    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(values, np.float32))


def _integers(values: Int[np.ndarray, " N"]) -> Vt.IntArray:
    return Vt.IntArray.FromNumpy(np.ascontiguousarray(values, np.int32))
