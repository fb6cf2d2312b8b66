"""The stages of a generation as calls of other deployments.

Every stage is a pure function of its arguments, so a call whose replica died is simply made again.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from apg_core.protocol.artifacts import AcceptedPart
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from apg_core.errors import ApgError
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.geometry.surface import Surface
from apg_core.pipeline.ending import Ending
from apg_core.pipeline.finishing import Artifact, Provenance
from apg_core.pipeline.stages import CleanedPart, FittedParts, LatentRequest, OnStep, PreparedImages
from apg_core.protocol.arrays import FeatureArray, Image, Labels, LatentArray, RgbImage
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions, DecodeOptions, GenerationOptions, MeshOptions
from apg_core.protocol.prompt import Prompt
from deployments.errors import StageError, UnavailableError

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Handle: TypeAlias = "DeploymentHandle[Any]"

PATIENCE_SECONDS = 180.0  # a replica of a large preset takes this long to load
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 3.0
_LOST = (RayActorError, DeploymentUnavailableError, BackPressureError)


@dataclass(frozen=True)
class StageHandles:
    """The deployments that do the work."""

    background_remover: Handle
    image_encoder: Handle
    part_sampler: Handle
    shape_codec: Handle
    mesh_worker: Handle

    def all(self) -> tuple[Handle, ...]:
        """Each of them."""
        return tuple(vars(self).values())


@dataclass(frozen=True)
class HandleStages:
    """The stages of one job; counts how often one was lost and done again."""

    handles: StageHandles
    retried: Counter[str] = field(default_factory=Counter)

    async def prepare_images(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> PreparedImages:
        """See `Stages`."""
        return await self._call(
            "background", self.handles.background_remover.prepare.remote, image, mask, list(labels), remove_background
        )

    async def encode_images(self, images: Sequence[RgbImage]) -> Sequence[FeatureArray]:
        """See `Stages`."""
        return await self._call("encode", self.handles.image_encoder.encode.remote, list(images))

    async def sample_surface(self, mesh: TriangleMesh, seed: int) -> Surface:
        """See `Stages`."""
        return await self._call("surface", self.handles.mesh_worker.sample_surface.remote, mesh, seed)

    async def encode_surface(self, surface: Surface, posterior_seed: int | None) -> LatentArray:
        """See `Stages`."""
        return await self._call("codec", self.handles.shape_codec.encode.remote, surface, posterior_seed)

    async def sample_latents(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        """See `Stages`."""
        return await self._patiently("sample", lambda: self._sample(requests, on_step))

    async def measure_agreement(self, latents: Sequence[LatentArray]) -> Sequence[float]:
        """See `Stages`."""
        return await self._call("agreement", self.handles.shape_codec.agreement.remote, latents)

    async def decode_mesh(self, latent: LatentArray, options: DecodeOptions) -> TriangleMesh:
        """See `Stages`."""
        return await self._call("decode", self.handles.shape_codec.decode.remote, latent, options)

    async def measure_overlap(self, mesh: TriangleMesh, accepted: SurfaceCells) -> float:
        """See `Stages`."""
        return await self._call("overlap", self.handles.mesh_worker.overlap.remote, mesh, accepted)

    async def clean_part(self, mesh: TriangleMesh, options: CleanupOptions, grid_size: int) -> CleanedPart:
        """See `Stages`."""
        return await self._call("cleanup", self.handles.mesh_worker.clean.remote, mesh, options, grid_size)

    async def fit_parts(self, parts: Sequence[TriangleMesh], given: TriangleMesh, options: MeshOptions) -> FittedParts:
        """See `Stages`."""
        return await self._call("fit", self.handles.mesh_worker.fit.remote, list(parts), given, options)

    async def part_file(self, part: AcceptedPart, parts_total: int | None) -> Artifact:
        """An accepted part's file while the generation goes on."""
        return await self._call("export", self.handles.mesh_worker.part_file.remote, part, parts_total)

    async def package(
        self,
        ending: Ending,
        prompt: Prompt,
        options: GenerationOptions,
        provenance: Provenance,
        whole: TriangleMesh | None,
    ) -> list[Artifact]:
        """Every file of a finished generation."""
        package = self.handles.mesh_worker.package.remote
        return await self._call("package", package, ending, prompt, options, provenance, whole)

    async def _sample(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        sample = self.handles.part_sampler.options(stream=True).sample
        stream = cast("DeploymentResponseGenerator[Any]", sample.remote(requests))
        try:
            async for item in stream:
                if isinstance(item, list):
                    return item
                if on_step is not None:
                    on_step(*item)
        except asyncio.CancelledError:
            stream.cancel()  # type: ignore[no-untyped-call]
            raise
        raise UnavailableError("the sampler ended a stream without its latents")

    async def _call(self, stage: str, remote: Callable[..., Awaitable[Result]], *arguments: object) -> Result:
        return await self._patiently(stage, lambda: _cancellable(remote(*arguments)))

    async def _patiently(self, stage: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do the work, again when its replica is lost; an error of the work itself is raised as it was.

        Raises:
            StageError: the work failed in a way that was not foreseen.
            UnavailableError: no replica did it within `PATIENCE_SECONDS`.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        delay = _FIRST_DELAY
        while True:
            try:
                return await work()
            except RayTaskError as error:
                if isinstance(error.cause, ApgError):
                    raise error.cause from error
                raise StageError(f"stage {stage} failed: {type(error.cause).__name__}") from error
            except _LOST as error:
                self.retried[stage] += 1
                log.warning("stage lost its replica, doing it again", extra={"stage": stage})
                if time.monotonic() + delay > deadline:
                    raise UnavailableError(f"no replica did stage {stage} in {PATIENCE_SECONDS:g} s") from error
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)


async def _cancellable(response: Awaitable[Result]) -> Result:
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()  # type: ignore[attr-defined]  # Serve's response; nothing else is awaited here
        raise
