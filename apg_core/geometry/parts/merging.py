"""Several parts made one: their boolean union, where they are closed."""

from collections.abc import Sequence
from dataclasses import replace

from manifold3d import Manifold

from apg_core.geometry.parts.partition import written
from apg_core.geometry.parts.solids import GivenSolid, united_parts
from apg_core.geometry.values import Cleaned
from apg_core.protocol.mesh import TriangleMesh


def merge(meshes: Sequence[TriangleMesh]) -> Cleaned:
    """The surface of what any of these solids encloses; of parts of a given mesh, it knows that one's faces still.

    Where one of them is not closed, there is no such thing: they are laid over each other then, and a note says so.
    """
    original = Manifold.reserve_ids(1)
    united = united_parts(meshes, original)
    if united is None:
        count = sum(united_parts([mesh], original) is None for mesh in meshes)
        open_ones = f"{count} of {len(meshes)} merged parts are not closed"
        note = f"{open_ones}: they are laid over each other, not united"
        return Cleaned(TriangleMesh.joined(list(meshes)), (note,))
    mesh = written(GivenSolid(united, original, exact=True), united)
    return Cleaned(mesh if all(one.source is not None for one in meshes) else replace(mesh, source=None), ())
