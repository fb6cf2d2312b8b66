"""Meshes as binary STL: all parts in one, without colours, which the format has not."""

import numpy as np

from apg_core.geometry.files.corners import drawn_faces
from apg_core.geometry.files.model import GENERATOR, Model
from apg_core.protocol.mesh import TriangleMesh

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 80


def write(stem: str, model: Model) -> list[tuple[str, bytes]]:
    """The file of a model; what its frame is stands in the header."""
    mesh = TriangleMesh.joined([part.mesh for part in model.parts])
    corners = mesh.vertices[mesh.faces[drawn_faces(mesh.faces)]]
    facets = np.zeros(len(corners), _FACET)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(across, axis=1, keepdims=True)
    facets["normal"] = np.divide(across, length, out=np.zeros_like(across), where=length > 0)
    facets["corners"] = corners
    header = f"{GENERATOR}; {model.frame.about}".encode()[:_HEADER].ljust(_HEADER)
    return [(f"{stem}.stl", header + len(facets).to_bytes(4, "little") + facets.tobytes())]
