"""The looks of trimesh's own objects: colours of vertices or faces, and materials with a texture."""

import numpy as np
import trimesh
from PIL import Image as Pillow

from apg_core.inputs.textures import as_texture
from apg_core.protocol.appearance import Appearance, Material, linear, linear_rgba
from apg_core.protocol.arrays import FaceArray


def look_of(shape: "trimesh.Trimesh | trimesh.PointCloud", faces: FaceArray) -> Appearance | None:
    """How a mesh of these faces looks; None where nobody has said."""
    visual = getattr(shape, "visual", None)
    if visual is None or not len(faces) or not getattr(visual, "defined", False):
        return None
    if visual.kind == "texture":
        return _textured(visual, faces)
    if visual.kind == "face":
        corners = np.repeat(np.asarray(visual.face_colors)[:, None], 3, axis=1)
    elif visual.kind == "vertex" and len(visual.vertex_colors) > faces.max() >= 0 and faces.min() >= 0:
        corners = np.asarray(visual.vertex_colors)[faces]
    else:
        return None
    if corners.shape != (len(faces), 3, 4) or corners.dtype != np.uint8:
        return None
    colours = corners.astype(np.float32) / 255
    colours[..., :3] = linear(colours[..., :3])
    plain = Appearance.plain(len(faces), Material("default"))
    return Appearance(plain.materials, plain.material, colours=colours)


def _textured(visual: "trimesh.visual.TextureVisuals", faces: FaceArray) -> Appearance | None:
    material = visual.material
    pbr = isinstance(material, trimesh.visual.material.PBRMaterial)
    picture = getattr(material, "baseColorTexture" if pbr else "image", None)
    colour = getattr(material, "baseColorFactor" if pbr else "diffuse", None)
    metallic, roughness = (getattr(material, f"{name}Factor", None) for name in ("metallic", "roughness"))
    if pbr and picture is None and colour is None:
        return None
    places = None if visual.uv is None else np.asarray(visual.uv, np.float64)
    textured = isinstance(picture, Pillow.Image) and places is not None and places.shape[1:] == (2,)
    own = Material(
        str(material.name or "material")[:80],
        (1.0, 1.0, 1.0, 1.0) if colour is None or (textured and not pbr) else linear_rgba(np.asarray(colour).tolist()),
        texture=0 if textured else None,
        metallic=float(metallic or 0.0),
        roughness=0.6 if roughness is None else float(roughness),
    )
    look = Appearance.plain(len(faces), own)
    if places is None or not isinstance(picture, Pillow.Image) or not textured:
        return look
    uv = np.stack([places[:, 0], 1 - places[:, 1]], axis=1)[faces].astype(np.float32)
    return Appearance(look.materials, look.material, uv=uv, textures=(as_texture(picture),))
