"""Numbers about a mesh."""

import trimesh

from apg_core.protocol.manifest import MeshFacts
from apg_core.protocol.mesh import TriangleMesh


def measure(mesh: TriangleMesh) -> MeshFacts:
    """What the manifest says of a mesh that has faces; the volume is signed, positive for outward faces."""
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    (x0, y0, z0), (x1, y1, z1) = mesh.bounds.tolist()
    return MeshFacts(
        faces=len(mesh.faces),
        vertices=len(mesh.vertices),
        bounds=((x0, y0, z0), (x1, y1, z1)),
        watertight=bool(solid.is_watertight),
        area=float(solid.area),
        volume=float(solid.volume),
    )
