"""The stages of a job as calls of other deployments.

Every stage is a pure function of its arguments, so a call whose replica died is simply made again.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from apg_core.errors import ApgError
from apg_core.geometry.extent import Extent
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.geometry.values import Cleaned, RegionPicture, Reopened, Surface
from apg_core.pipeline.ending import Ending, OutputFile
from apg_core.pipeline.stages import CleanedPart, FittedParts, LatentRequest, OnStep, PreparedImages
from apg_core.protocol.arrays import Coverage, FeatureArray, Image, Labels, LatentArray, RgbImage
from apg_core.protocol.backoff import delays
from apg_core.protocol.manifest import AcceptedPart, Provenance
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions, DecodeOptions, GenerationOptions, MeshOptions
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage
from deployments.errors import StageError, UnavailableError
from deployments.replicas.background_remover import BackgroundRemoverReplica
from deployments.replicas.handles import Call, Handle
from deployments.replicas.image_encoder import ImageEncoderReplica
from deployments.replicas.mesh_worker import MeshWorkerReplica
from deployments.replicas.part_sampler import PartSamplerReplica
from deployments.replicas.replica import Replica
from deployments.replicas.shape_codec import ShapeCodecReplica

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PATIENCE_SECONDS, LONGEST_DELAY_SECONDS = 180.0, 3.0  # a replica of a large preset takes that long to load
_LOST = (RayActorError, DeploymentUnavailableError, BackPressureError)


@dataclass(frozen=True, kw_only=True)
class StageHandles:
    """The deployments that do the work of the stages."""

    background_remover: Handle[BackgroundRemoverReplica]
    image_encoder: Handle[ImageEncoderReplica]
    part_sampler: Handle[PartSamplerReplica]
    shape_codec: Handle[ShapeCodecReplica]
    mesh_worker: Handle[MeshWorkerReplica]

    def all(self) -> tuple[Handle[Replica], ...]:
        """Each of them."""
        return tuple(vars(self).values())


@dataclass(frozen=True)
class HandleStages:
    """The stages of one job; counts how often one was lost and done again."""

    handles: StageHandles
    retried: Counter[Stage] = field(default_factory=Counter)

    async def prepare_images(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> PreparedImages:
        """See `Stages`."""
        prepare = self.handles.background_remover.call(
            BackgroundRemoverReplica.prepare, image, mask, list(labels), remove_background=remove_background
        )
        return await self._do(Stage.BACKGROUND, prepare)

    async def encode_images(self, images: Sequence[RgbImage]) -> Sequence[FeatureArray]:
        """See `Stages`."""
        return await self._do(Stage.ENCODE, self.handles.image_encoder.call(ImageEncoderReplica.encode, list(images)))

    async def sample_surface(self, mesh: TriangleMesh, seed: int) -> Surface:
        """See `Stages`."""
        sample = self.handles.mesh_worker.call(MeshWorkerReplica.sample_surface, mesh, seed)
        return await self._do(Stage.SURFACE, sample)

    async def encode_surface(self, surface: Surface, posterior_seed: int | None) -> LatentArray:
        """See `Stages`."""
        return await self._do(
            Stage.CODEC, self.handles.shape_codec.call(ShapeCodecReplica.encode, surface, posterior_seed)
        )

    async def sample_latents(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        """See `Stages`."""
        stage = Stage.WHOLE if requests[0].geometry is None else Stage.PART
        return await self._do(stage, lambda: self._sample(requests, on_step))

    async def find_extent(self, whole: LatentArray, mesh: TriangleMesh | None) -> Extent:
        """See `Stages`."""
        if mesh is None:
            return await self._do(Stage.WHOLE, self.handles.shape_codec.call(ShapeCodecReplica.extent, whole))
        return await self._do(Stage.WHOLE, self.handles.mesh_worker.call(MeshWorkerReplica.extent, mesh))

    async def measure_agreement(self, latents: Sequence[LatentArray], within: Extent | None) -> Sequence[float]:
        """See `Stages`."""
        measure = self.handles.shape_codec.call(ShapeCodecReplica.agreement, list(latents), within)
        return await self._do(Stage.AGREEMENT, measure)

    async def fit_to_outline(self, latent: LatentArray, outline: Coverage, seed: int) -> LatentArray:
        """See `Stages`."""
        fit = self.handles.shape_codec.call(ShapeCodecReplica.fit_to_outline, latent, outline, seed)
        return await self._do(Stage.WHOLE, fit)

    async def decode_mesh(self, latent: LatentArray, options: DecodeOptions, within: Extent | None) -> TriangleMesh:
        """See `Stages`."""
        decode = self.handles.shape_codec.call(ShapeCodecReplica.decode, latent, options, within)
        return await self._do(Stage.MESH, decode)

    async def measure_overlap(self, mesh: TriangleMesh, accepted: SurfaceCells) -> float:
        """See `Stages`."""
        return await self._do(Stage.OVERLAP, self.handles.mesh_worker.call(MeshWorkerReplica.overlap, mesh, accepted))

    async def measure_cover(self, given: TriangleMesh, accepted: SurfaceCells) -> float:
        """See `Stages`."""
        return await self._do(Stage.OVERLAP, self.handles.mesh_worker.call(MeshWorkerReplica.cover, given, accepted))

    async def clean_part(self, mesh: TriangleMesh, options: CleanupOptions, grid_size: int) -> CleanedPart:
        """See `Stages`."""
        clean = self.handles.mesh_worker.call(MeshWorkerReplica.clean, mesh, options, grid_size)
        return await self._do(Stage.CLEANUP, clean)

    async def fit_parts(
        self,
        parts: Sequence[TriangleMesh],
        given: TriangleMesh,
        options: MeshOptions,
        picture: RegionPicture | None = None,
    ) -> FittedParts:
        """See `Stages`."""
        fit = self.handles.mesh_worker.call(MeshWorkerReplica.fit, list(parts), given, options, picture)
        return await self._do(Stage.FIT, fit)

    async def merge_parts(self, parts: Sequence[TriangleMesh]) -> Cleaned:
        """See `EditStages`."""
        return await self._do(Stage.CLEANUP, self.handles.mesh_worker.call(MeshWorkerReplica.merge, list(parts)))

    async def refit_parts(self, parts: Sequence[TriangleMesh], reopened: Reopened, options: MeshOptions) -> FittedParts:
        """See `EditStages`."""
        refit = self.handles.mesh_worker.call(MeshWorkerReplica.refit, list(parts), reopened, options)
        return await self._do(Stage.FIT, refit)

    async def draft_file(self, part: AcceptedPart, parts_total: int | None) -> OutputFile:
        """See `JobStages`."""
        return await self._do(
            Stage.EXPORT, self.handles.mesh_worker.call(MeshWorkerReplica.draft_file, part, parts_total)
        )

    async def package(
        self, ending: Ending, prompt: Prompt, options: GenerationOptions, provenance: Provenance
    ) -> Sequence[OutputFile]:
        """See `JobStages`."""
        package = self.handles.mesh_worker.call(MeshWorkerReplica.package, ending, prompt, options, provenance)
        return await self._do(Stage.PACKAGE, package)

    async def preview(self, ending: Ending, prompt: Prompt, options: GenerationOptions) -> OutputFile | None:
        """See `JobStages`."""
        draw = self.handles.mesh_worker.call(MeshWorkerReplica.preview, ending, prompt, options)
        return await self._do(Stage.PACKAGE, draw)

    async def _sample(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        async for item in self.handles.part_sampler.stream(PartSamplerReplica.sample, requests):
            if isinstance(item, list):
                return item
            if on_step is not None:
                on_step(*item)
        raise UnavailableError("the sampler ended a stream without its latents")

    async def _do(self, stage: Stage, call: Call[Result]) -> Result:
        """Make the call, again when its replica is lost; an error of the work itself is raised as it was.

        Raises:
            StageError: the work failed in a way that was not foreseen.
            UnavailableError: no replica did it within `PATIENCE_SECONDS`.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        for delay in delays(longest=LONGEST_DELAY_SECONDS):
            try:
                return await call()
            except RayTaskError as error:
                if isinstance(error.cause, ApgError):
                    raise error.cause from error
                raise StageError(f"stage {stage} failed: {type(error.cause).__name__}") from error
            except _LOST as error:
                self.retried[stage] += 1
                log.warning("stage lost its replica, doing it again", extra={"stage": stage.value})
                if time.monotonic() + delay > deadline:
                    raise UnavailableError(f"no replica did stage {stage} in {PATIENCE_SECONDS:g} s") from error
            await asyncio.sleep(delay)
        raise AssertionError("unreachable: delays have no end")
