"""Meshes as GLB files: y up, smooth normals, one material a part; the same mesh gives the same bytes."""

from collections.abc import Sequence

import trimesh

from apg_core.geometry.picture.colours import Colour
from apg_core.protocol.mesh import TriangleMesh

WHOLE_COLOUR: Colour = (200, 200, 205, 255)
ROUGHNESS = 0.6


def part_glb(mesh: TriangleMesh, *, colour: Colour) -> bytes:
    """A file of one part."""
    return _glb({"part": (mesh, colour)})


def scene_glb(meshes: Sequence[TriangleMesh], colours: Sequence[Colour]) -> bytes:
    """A file of all parts, each a node named after its place: `part_000`, `part_001`, ..."""
    return _glb({f"part_{place:03d}": pair for place, pair in enumerate(zip(meshes, colours, strict=True))})


def whole_glb(mesh: TriangleMesh) -> bytes:
    """A file of the whole object, in grey."""
    return _glb({"whole": (mesh, WHOLE_COLOUR)})


def _glb(nodes: dict[str, tuple[TriangleMesh, Colour]]) -> bytes:
    scene = trimesh.Scene()
    for name, (mesh, colour) in nodes.items():
        material = trimesh.visual.material.PBRMaterial(
            name=name, baseColorFactor=colour, metallicFactor=0.0, roughnessFactor=ROUGHNESS
        )
        solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        solid.visual = trimesh.visual.TextureVisuals(material=material)
        solid.vertex_normals  # noqa: B018 - computed here, so that the exporter writes them
        scene.add_geometry(solid, node_name=name, geom_name=name)
    data: bytes = scene.export(file_type="glb", include_normals=True)
    return data
