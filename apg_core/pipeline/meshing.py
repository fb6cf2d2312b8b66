"""The mesh stages: surfaces for encoding, extraction, overlap and cleanup, all on the CPU."""

from collections.abc import Sequence

from apg_core.geometry.band.lattice import Grid, NarrowBand
from apg_core.geometry.extent import Extent
from apg_core.geometry.isosurface import extract_surface
from apg_core.geometry.parts.cleanup import clean_part, simplified
from apg_core.geometry.parts.fitting import Fitted, Fitting, fit_parts
from apg_core.geometry.parts.merging import merge
from apg_core.geometry.parts.overlap import SurfaceCells, overlap, share_near
from apg_core.geometry.parts.partition import measured_again
from apg_core.geometry.parts.refitting import fit_reopened
from apg_core.geometry.surface import sample_surface
from apg_core.geometry.values import Cleaned, RegionPicture, Reopened, Surface, SurfaceSampling, zero_surface
from apg_core.pipeline.stages import CleanedPart, FittedParts
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions, DecodeOptions, MeshOptions


class MeshWorker:
    """Does the geometry of a generation for a preset's surface sizes."""

    def __init__(self, sampling: SurfaceSampling) -> None:
        self._sampling = sampling

    def sample_surface(self, mesh: TriangleMesh, seed: int) -> Surface:
        """Points and farthest points for encoding; the all-zero surface for the empty mesh."""
        return zero_surface(self._sampling) if mesh.is_empty else sample_surface(mesh, self._sampling, seed=seed)

    def extent(self, mesh: TriangleMesh) -> Extent:
        """Where a mesh in the normalised frame roughly is."""
        return Extent.of_mesh(mesh)

    def extract(self, band: NarrowBand, options: DecodeOptions) -> TriangleMesh:
        """The surface within a narrow band."""
        return extract_surface(band, backend=options.isosurface_backend)

    def overlap(self, mesh: TriangleMesh, accepted: SurfaceCells) -> float:
        """Larger share of surface cells that the mesh and the accepted parts have in common."""
        return overlap(SurfaceCells.of(mesh, accepted.grid_size), accepted)

    def cover(self, given: TriangleMesh, accepted: SurfaceCells) -> float:
        """Share of the given mesh's surface cells that accepted parts pass through or beside."""
        return share_near(SurfaceCells.of(given, accepted.grid_size), accepted)

    def clean(self, mesh: TriangleMesh, options: CleanupOptions, grid_size: int) -> CleanedPart:
        """The part as it is kept, and its surface cells."""
        cleaned = clean_part(mesh, options)
        return CleanedPart(cleaned.mesh, SurfaceCells.of(cleaned.mesh, grid_size), cleaned.notes)

    def merge(self, parts: Sequence[TriangleMesh]) -> Cleaned:
        """The parts in one."""
        return merge(parts)

    def fit(
        self,
        parts: Sequence[TriangleMesh],
        given: TriangleMesh,
        options: MeshOptions,
        picture: RegionPicture | None = None,
    ) -> FittedParts:
        """The given mesh divided among the parts, and those of further ones that none of them has."""
        return _fitted(fit_parts(parts, given, _fitting(options), picture), options)

    def refit(self, parts: Sequence[TriangleMesh], reopened: Reopened, options: MeshOptions) -> FittedParts:
        """A region of the given mesh divided among the parts, and how all parts divide it then."""
        kept = reopened.kept if reopened.region else ()  # else they are among what comes back
        return _fitted(fit_reopened(parts, reopened, _fitting(options)), options, kept=kept)


def _fitting(options: MeshOptions) -> Fitting:
    return Fitting(
        Grid(options.grid_size),
        at_edges=options.fit_at_edges,
        further=options.further_parts,
        regroup=options.regroup_pieces,
    )


def _fitted(fitted: Fitted, options: MeshOptions, *, kept: Sequence[TriangleMesh] = ()) -> FittedParts:
    """What was cut, simplified where that is asked for, and measured then; `kept` are measured with it."""
    parts = tuple(simplified(mesh, options) for mesh in fitted.meshes)
    partition = fitted.partition
    if any(part.mesh is not mesh for part, mesh in zip(parts, fitted.meshes, strict=True)):
        after = [*kept, *(part.mesh for part in parts)]
        partition = measured_again([*kept, *fitted.meshes], after, exact=False)
    return FittedParts(parts=parts, share=fitted.enclosed, remainder=fitted.remainder, partition=partition)
