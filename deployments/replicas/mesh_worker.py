"""The deployment that does geometry and files; all of it on the CPU, in the replica's threads."""

from collections.abc import Sequence

import numpy as np

from apg_core.geometry.extent import Extent
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.geometry.values import Cleaned, RegionPicture, Reopened, Surface
from apg_core.pipeline.ending import Ending, OutputFile
from apg_core.pipeline.stages import CleanedPart, FittedParts
from apg_core.presets import load_preset
from apg_core.protocol.manifest import AcceptedPart, PartFacts, Provenance
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions, GenerationOptions, MeshOptions
from apg_core.protocol.prompt import Prompt
from deployments.replicas.process import give_memory_back, set_up_process
from deployments.replicas.replica import Replica
from deployments.running.archive import archive_of
from deployments.settings import ModelSettings


class MeshWorkerReplica(Replica):
    """Surfaces, overlap, cleanup, files."""

    def __init__(self, models: ModelSettings) -> None:
        # trimesh and much else, which callers of this class need not load
        from apg_core.pipeline import finishing, meshing

        set_up_process()
        self._finishing = finishing
        self._meshes = meshing.MeshWorker(load_preset(models.preset).surface)
        self._warm_up()

    def sample_surface(self, mesh: TriangleMesh, seed: int) -> Surface:
        """Points and farthest points for encoding."""
        return self._meshes.sample_surface(mesh, seed)

    def overlap(self, mesh: TriangleMesh, accepted: SurfaceCells) -> float:
        """Larger share of surface cells that both have."""
        return self._meshes.overlap(mesh, accepted)

    def cover(self, given: TriangleMesh, accepted: SurfaceCells) -> float:
        """Share of the given mesh's surface cells that accepted parts pass through or beside."""
        return self._meshes.cover(given, accepted)

    def extent(self, mesh: TriangleMesh) -> Extent:
        """Where a mesh in the normalised frame roughly is."""
        return self._meshes.extent(mesh)

    def clean(self, mesh: TriangleMesh, options: CleanupOptions, grid_size: int) -> CleanedPart:
        """The part as it is kept."""
        return self._meshes.clean(mesh, options, grid_size)

    def fit(
        self,
        parts: Sequence[TriangleMesh],
        given: TriangleMesh,
        options: MeshOptions,
        picture: RegionPicture | None = None,
    ) -> FittedParts:
        """The parts cut to the given mesh and grown into its gaps."""
        return self._meshes.fit(parts, given, options, picture)

    def merge(self, parts: Sequence[TriangleMesh]) -> Cleaned:
        """The parts in one."""
        return self._meshes.merge(parts)

    def refit(self, parts: Sequence[TriangleMesh], reopened: Reopened, options: MeshOptions) -> FittedParts:
        """A region of the given mesh divided among the parts."""
        return self._meshes.refit(parts, reopened, options)

    def draft_file(self, part: AcceptedPart, parts_total: int | None) -> OutputFile:
        """An accepted part's file while the generation goes on."""
        return self._finishing.draft_file(part, parts_total=parts_total)

    def package(
        self, ending: Ending, prompt: Prompt, options: GenerationOptions, provenance: Provenance
    ) -> list[OutputFile]:
        """Every file of a finished generation but its preview, and one archive of them all."""
        finished = self._finishing.finish(ending, options)
        files = self._finishing.output_files(
            finished, prompt=prompt, options=options, provenance=provenance, with_preview=False
        )
        kept = list(files)
        packed = [*kept, archive_of(kept)]
        give_memory_back()
        return packed

    def preview(self, ending: Ending, prompt: Prompt, options: GenerationOptions) -> OutputFile | None:
        """The picture of a finished generation."""
        finished = self._finishing.finish(ending, options)
        drawn = self._finishing.preview_file(finished, prompt=prompt, options=options)
        give_memory_back()
        return drawn

    def _warm_up(self) -> None:
        corners = np.eye(4, 3, dtype=np.float32)
        tetrahedron = TriangleMesh(corners, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32))
        cleaned = self.clean(tetrahedron, CleanupOptions(), grid_size=16)
        part = AcceptedPart(PartFacts(index=0, attempt=0, seed=0, overlap=0.0), cleaned.mesh)
        self.draft_file(part, None)
