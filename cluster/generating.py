"""The stage that generates: several objects at once on one device, sharing their denoising steps."""

import asyncio
import importlib.util
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import torch
from ray.actor import ActorHandle

from apg_core.geometry.extent import Extent
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.geometry.values import RegionPicture, Surface
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.codec import ShapeCodec
from apg_core.pipeline.ending import Resume
from apg_core.pipeline.generate import generate
from apg_core.pipeline.meshing import MeshWorker
from apg_core.pipeline.shared_sampling import SharedSampler
from apg_core.pipeline.stages import CleanedPart, FittedParts, LatentRequest, OnStep, PreparedImages
from apg_core.protocol.arrays import Coverage, FeatureArray, Image, Labels, LatentArray, RgbImage
from apg_core.protocol.manifest import AcceptedPart, FailedRegion
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions, DecodeOptions, MeshOptions
from apg_core.protocol.stage import Stage
from cluster.mesh_pool import MeshPool
from cluster.models import Models
from cluster.plan import Plan
from cluster.tries import TRIES, Room, Tries
from cluster.work import CrashedError, RowStage, Work

ROWS_EACH = 3  # network evaluations that a step of one object costs at most

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False, kw_only=True)
class SharedStages:
    """The stages that generations share on one actor; pictures were seen by actors of their own before."""

    sampler: SharedSampler
    codec: ShapeCodec
    codec_thread: ThreadPoolExecutor
    meshes: MeshPool
    extract_here: MeshWorker | None
    """Extracts surfaces in this process: with diso, which needs this actor's GPU."""

    async def prepare_images(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> PreparedImages:
        raise NotImplementedError("pictures are prepared by PrepareImages; resume from what was seen")

    async def encode_images(self, images: Sequence[RgbImage]) -> Sequence[FeatureArray]:
        raise NotImplementedError("pictures are encoded by EncodeImages; resume from what was seen")

    async def sample_surface(self, mesh: TriangleMesh, seed: int) -> Surface:
        return await self.meshes.call(MeshWorker.sample_surface, mesh, seed)

    async def encode_surface(self, surface: Surface, posterior_seed: int | None) -> LatentArray:
        return await self._on_codec_thread(partial(self.codec.encode, surface, posterior_seed=posterior_seed))

    async def sample_latents(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        return await self.sampler.sample_together(requests, on_step=on_step)

    async def find_extent(self, whole: LatentArray, mesh: TriangleMesh | None) -> Extent:
        if mesh is None:
            return await self._on_codec_thread(partial(self.codec.extent, whole))
        return await self.meshes.call(MeshWorker.extent, mesh)

    async def measure_agreement(self, latents: Sequence[LatentArray], within: Extent | None) -> Sequence[float]:
        return await self._on_codec_thread(partial(self.codec.agreement, latents, within))

    async def fit_to_outline(self, latent: LatentArray, outline: Coverage, seed: int) -> LatentArray:
        return await self._on_codec_thread(partial(self.codec.fit_to_outline, latent, outline, seed))

    async def decode_mesh(self, latent: LatentArray, options: DecodeOptions, within: Extent | None) -> TriangleMesh:
        band = await self._on_codec_thread(partial(self.codec.decode, latent, options, within))
        if self.extract_here is not None:
            return await self._on_codec_thread(partial(self.extract_here.extract, band, options))
        return await self.meshes.call(MeshWorker.extract, band, options)

    async def measure_overlap(self, mesh: TriangleMesh, accepted: SurfaceCells) -> float:
        return await self.meshes.call(MeshWorker.overlap, mesh, accepted)

    async def measure_cover(self, given: TriangleMesh, accepted: SurfaceCells) -> float:
        return await self.meshes.call(MeshWorker.cover, given, accepted)

    async def clean_part(self, mesh: TriangleMesh, options: CleanupOptions, grid_size: int) -> CleanedPart:
        return await self.meshes.call(MeshWorker.clean, mesh, options, grid_size)

    async def fit_parts(
        self,
        parts: Sequence[TriangleMesh],
        given: TriangleMesh,
        options: MeshOptions,
        picture: RegionPicture | None = None,
    ) -> FittedParts:
        return await self.meshes.call(MeshWorker.fit, parts, given, options, picture)

    async def _on_codec_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.codec_thread, work)


class GenerateParts(RowStage):
    """Runs generations over one denoiser and one codec, with the geometry on other actors."""

    def __init__(self, models: Models, plan: Plan, tries: "ActorHandle[Tries]") -> None:
        loader = models.loader()
        if loader.device.type == "cpu":
            torch.set_num_threads(plan.threads)
        self._preset = loader.preset
        self._tries = tries
        self._room = Room(plan.in_flight)
        diso_here = loader.device.type == "cuda" and importlib.util.find_spec("diso") is not None
        self._stages = SharedStages(
            sampler=SharedSampler(loader.part_sampler(exact=models.exact), max_rows=ROWS_EACH * plan.in_flight),
            codec=ShapeCodec(loader.vae()),
            codec_thread=ThreadPoolExecutor(1, thread_name_prefix="codec"),
            meshes=MeshPool(self._preset.surface, workers=plan.mesh_workers, cpus_each=plan.cpus_each),
            extract_here=MeshWorker(self._preset.surface) if diso_here else None,
        )
        self._provenance = loader.provenance(inputs={})

    async def advance(self, work: Work) -> Work:
        """The work with the ending of its generation."""
        # The last time that it was begun, an actor died: of all that were there, that shows which one is to blame.
        suspected = await self._tries.begun.remote(work.item.id) > 0
        async with self._room.of(alone=suspected):
            if await self._tries.begin.remote(work.item.id) > TRIES:
                raise CrashedError(f"the process died {TRIES} times while it was at this object")
            try:
                return await self._generate(work)
            finally:
                await self._tries.end.remote(work.item.id)

    async def _generate(self, work: Work) -> Work:
        assert work.prompt is not None
        brief = Brief(prompt=work.prompt, options=work.options, preset=self._preset, stages=self._stages, sink=_Quiet())
        ending = await generate(brief, Resume(seen=work.seen))
        return replace(
            work,
            ending=replace(ending, timings={**ending.timings, **work.seconds}),
            provenance=replace(self._provenance, inputs=work.inputs),
            seen=None,
        )


class _Quiet:
    """A sink that hears nothing: a batch tells of finished objects only."""

    async def stage(self, stage: Stage, *, part: int | None = None, attempt: int = 0) -> None:
        pass

    def on_step(self) -> OnStep | None:
        return None

    async def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        pass

    async def part(self, part: AcceptedPart) -> None:
        pass

    async def region_failed(self, region: FailedRegion) -> None:
        pass
