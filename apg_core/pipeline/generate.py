"""The one loop of a generation: drives a `PartSession` over stages, wherever they run.

It is a coroutine, so that the service can await other processes and cancel it at any await; over the local stages,
which never wait, it runs to its end without an event loop.
"""

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np

from apg_core.geometry.normalise import Placement, normalise
from apg_core.geometry.overlap import SurfaceCells
from apg_core.pipeline.prepare import mask_regions
from apg_core.pipeline.seeds import Draw, draw_seed, sample_seeds
from apg_core.pipeline.session import Attempt, Outcome, PartSession
from apg_core.pipeline.stages import HistoryNoise, LatentRequest, OnStep, PartRequest, Stages, WholeRequest, magnitude
from apg_core.presets import Preset
from apg_core.protocol.arrays import FeatureArray, LatentArray, RgbImage
from apg_core.protocol.artifacts import AcceptedPart, FailedRegion, PartFacts, StopReason
from apg_core.protocol.job import JobStage
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import (
    ImageMeshPrompt,
    ImagePrompt,
    MaskedImageMeshPrompt,
    MaskedImagePrompt,
    MeshPrompt,
    Prompt,
)

Result = TypeVar("Result")


class Sink(Protocol):
    """Where a generation tells what it does; every call is awaited before it goes on."""

    def stage(self, stage: JobStage, *, part: int | None = None, attempt: int = 0) -> Awaitable[None]:
        """A stage begins; `part` is the index that the part will have if it is accepted."""
        ...

    def on_step(self) -> OnStep | None:
        """What to call at each denoising step of the current trajectory, if anything."""
        ...

    def whole(self, latent: LatentArray, prepared: RgbImage | None) -> Awaitable[None]:
        """The whole object's latent is known; `prepared` is the picture the model sees, where there is one."""
        ...

    def part(self, part: AcceptedPart) -> Awaitable[None]:
        """A part is accepted; it is safe once this returns."""
        ...

    def region_failed(self, region: FailedRegion) -> Awaitable[None]:
        """A mask region is passed over."""
        ...


@dataclass(frozen=True, eq=False)
class Resume:
    """What an interrupted generation had got to."""

    whole: LatentArray | None = None
    parts: Sequence[AcceptedPart] = ()
    failed_regions: Sequence[FailedRegion] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Ending:
    """What a generation came to."""

    parts: tuple[AcceptedPart, ...]
    failed_regions: tuple[FailedRegion, ...]
    stop_reason: StopReason
    whole: LatentArray
    labels: tuple[int, ...]
    placement: Placement | None
    prepared: RgbImage | None
    warnings: tuple[str, ...]
    timings: dict[str, float]


@dataclass
class _Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)

    async def __call__(self, name: str, work: Awaitable[Result]) -> Result:
        started = time.perf_counter()
        try:
            return await work
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the image stages found."""

    prepared: RgbImage | None = None
    whole: FeatureArray | None = None
    regions: Sequence[FeatureArray] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Sample:
    seed: int
    latent: LatentArray


async def generate(
    prompt: Prompt,
    options: GenerationOptions,
    *,
    preset: Preset,
    stages: Stages,
    sink: Sink,
    resume: Resume | None = None,
) -> Ending:
    """Generate the parts of the prompt's object, one after the other.

    `options` are completed with the preset's defaults. The same prompt, options, weights and backend give the same
    meshes, also across an interruption that is resumed.

    Raises:
        InputError: the prompt cannot be used.
        SamplingError: the network's output is not finite.
        GenerationCancelled: a stage was told to stop.
    """
    return await _Generation(prompt, preset.complete(options), preset, stages, sink).run(resume or Resume())


class _Generation:
    def __init__(self, prompt: Prompt, options: GenerationOptions, preset: Preset, stages: Stages, sink: Sink) -> None:
        self.prompt = prompt
        self.options = options
        self.preset = preset
        self.stages = stages
        self.sink = sink
        self.clock = _Stopwatch()

    async def run(self, resume: Resume) -> Ending:
        labels = self._labels()
        seen = await self._see(labels)
        whole, placement = await self._whole(seen, resume.whole)
        session = PartSession(
            self.options,
            end_threshold=_chosen(self.options.end_threshold, self.preset.end_threshold),
            labels=labels,
            accepted=[part.facts for part in resume.parts],
            failed=resume.failed_regions,
        )
        parts = await self._parts(session, seen, whole, list(resume.parts))
        assert session.stop_reason is not None
        return Ending(
            parts=tuple(parts),
            failed_regions=session.failed_regions,
            stop_reason=session.stop_reason,
            whole=whole,
            labels=tuple(labels or ()),
            placement=placement,
            prepared=seen.prepared,
            warnings=seen.warnings + self._option_warnings(),
            timings=self.clock.seconds,
        )

    def _labels(self) -> list[int] | None:
        match self.prompt:
            case MaskedImagePrompt(mask=mask) | MaskedImageMeshPrompt(mask=mask):
                return mask_regions(mask)
            case _:
                return None

    async def _see(self, labels: list[int] | None) -> _Seen:
        if isinstance(self.prompt, MeshPrompt):
            return _Seen()
        mask = self.prompt.mask if isinstance(self.prompt, MaskedImagePrompt | MaskedImageMeshPrompt) else None
        await self.sink.stage(JobStage.BACKGROUND)
        prepared = await self.clock(
            "background",
            self.stages.prepare_images(
                self.prompt.image, mask, labels or [], remove_background=self.options.remove_background
            ),
        )
        await self.sink.stage(JobStage.ENCODE)
        features = await self.clock("encode", self.stages.encode_images([prepared.whole, *prepared.regions]))
        warnings = () if prepared.warning is None else (prepared.warning,)
        return _Seen(prepared.whole, features[0], features[1:], warnings)

    async def _whole(self, seen: _Seen, known: LatentArray | None) -> tuple[LatentArray, Placement | None]:
        await self.sink.stage(JobStage.WHOLE)
        placement = None
        match self.prompt:
            case ImagePrompt() | MaskedImagePrompt():
                if known is None:
                    known = await self._sample_whole(seen)
            case MeshPrompt(mesh=mesh) | ImageMeshPrompt(mesh=mesh) | MaskedImageMeshPrompt(mesh=mesh):
                normalised, placement = normalise(mesh)
                if known is None:
                    known = await self._encode(normalised, Draw.WHOLE_SURFACE, Draw.WHOLE_POSTERIOR, part=0)
        await self.sink.whole(known, seen.prepared)
        return known, placement

    async def _sample_whole(self, seen: _Seen) -> LatentArray:
        assert seen.whole is not None
        request = WholeRequest(
            features=seen.whole,
            guidance=self.preset.whole_scale(self.options),
            seed=self.options.seed,
            steps=self.options.num_inference_steps,
            sigma_floor=self.options.sigma_floor,
        )
        sampled = await self.clock("whole", self._sample(request))
        return (await self._most_alike(sampled)).latent

    async def _sample(self, request: LatentRequest) -> Sequence[_Sample]:
        seeds = sample_seeds(request.seed, self.options.best_of)
        requests = [replace(request, seed=seed) for seed in seeds]
        latents = await self.stages.sample_latents(requests, self.sink.on_step())
        return [_Sample(seed, latent) for seed, latent in zip(seeds, latents, strict=True)]

    async def _most_alike(self, sampled: Sequence[_Sample]) -> _Sample:
        if len(sampled) == 1:
            return sampled[0]
        latents = [sample.latent for sample in sampled]
        return sampled[int(np.argmax(await self.clock("agreement", self.stages.measure_agreement(latents))))]

    async def _encode(self, mesh: TriangleMesh, surface: Draw, posterior: Draw, *, part: int) -> LatentArray:
        points = await self.clock(
            "surface", self.stages.sample_surface(mesh, draw_seed(self.options.seed, surface, part=part))
        )
        seed = draw_seed(self.options.seed, posterior, part=part) if self.options.sample_posterior else None
        return await self.clock("codec", self.stages.encode_surface(points, seed))

    async def _parts(
        self, session: PartSession, seen: _Seen, whole: LatentArray, parts: list[AcceptedPart]
    ) -> list[AcceptedPart]:
        cells = SurfaceCells.empty(self.options.iou_grid_size)
        for earlier in parts:  # accepted before an interruption
            cells = cells.union(SurfaceCells.of(earlier.mesh, self.options.iou_grid_size))
        history = await self._history(parts)
        while (attempt := session.next_attempt()) is not None:
            failed_before = len(session.failed_regions)
            outcome, part, cells = await self._try(session, attempt, seen, whole, history, cells, bool(parts))
            if part is not None:
                await self.sink.part(part)
                parts.append(part)
            session.record(outcome)
            for region in session.failed_regions[failed_before:]:
                await self.sink.region_failed(region)
            if part is not None and session.next_attempt() is not None:
                history = await self._history(parts)
        return parts

    async def _history(self, parts: Sequence[AcceptedPart]) -> LatentArray:
        union = TriangleMesh.joined([part.mesh for part in parts])
        return await self._encode(union, Draw.HISTORY_SURFACE, Draw.HISTORY_POSTERIOR, part=len(parts))

    async def _try(
        self,
        session: PartSession,
        attempt: Attempt,
        seen: _Seen,
        whole: LatentArray,
        history: LatentArray,
        cells: SurfaceCells,
        has_parts: bool,
    ) -> tuple[Outcome, AcceptedPart | None, SurfaceCells]:
        await self.sink.stage(JobStage.PART, part=attempt.index, attempt=attempt.attempt)
        request = self._part_request(attempt, seen, whole, history, has_parts)
        sampled = await self.clock("part", self._sample(request))
        going_on = [sample for sample in sampled if not session.is_end(magnitude(sample.latent))]
        if 2 * len(going_on) < len(sampled):
            return Outcome.END_OF_OBJECT, None, cells
        chosen = await self._most_alike(going_on)
        await self.sink.stage(JobStage.MESH, part=attempt.index, attempt=attempt.attempt)
        mesh = await self.clock("decode", self.stages.decode_mesh(chosen.latent, self.options))
        if mesh.is_empty:
            return Outcome.EMPTY, None, cells
        overlap = await self.clock("overlap", self.stages.measure_overlap(mesh, cells))
        if session.is_duplicate(overlap):
            return Outcome.DUPLICATE, None, cells
        cleaned = await self.clock("cleanup", self.stages.clean_part(mesh, self.options, self.options.iou_grid_size))
        facts = PartFacts(
            index=attempt.index,
            label=attempt.label,
            attempt=attempt.attempt,
            seed=chosen.seed,
            overlap=overlap,
            notes=cleaned.notes,
        )
        return Outcome.ACCEPTED, AcceptedPart(facts, cleaned.mesh), cells.union(cleaned.cells)

    def _part_request(
        self, attempt: Attempt, seen: _Seen, whole: LatentArray, history: LatentArray, has_parts: bool
    ) -> PartRequest:
        scales = self.preset.part_guidance(self.prompt.mode, self.options)
        noise = None
        if self.options.infer_sigma_history > 0 and has_parts:
            seed = draw_seed(self.options.seed, Draw.HISTORY_NOISE, part=attempt.step, attempt=attempt.attempt)
            drawn = np.random.default_rng(seed).standard_normal(history.shape, np.float32)
            noise = HistoryNoise(self.options.infer_sigma_history, drawn)
        return PartRequest(
            features=seen.whole,
            region_features=seen.regions[attempt.step] if attempt.label is not None else None,
            whole=whole,
            history=history,
            image_guidance=scales.image,
            geometry_guidance=scales.geometry,
            seed=attempt.seed,
            steps=self.options.num_inference_steps,
            sigma_floor=self.options.sigma_floor,
            history_noise=noise,
        )

    def _option_warnings(self) -> tuple[str, ...]:
        if isinstance(self.prompt, MeshPrompt) and self.options.image_cfg_scale is not None:
            return ("image_cfg_scale has no effect without an image",)
        return ()


def _chosen(value: float | None, fallback: float) -> float:
    return fallback if value is None else value
