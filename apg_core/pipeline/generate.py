"""The one loop of a generation: drives a `PartSession` over stages, wherever they run.

It is a coroutine, so that the service can await other processes and cancel it at any await; over the local stages,
which never wait, it runs to its end without an event loop.
"""

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from apg_core.geometry.normalise import Placement, normalise
from apg_core.geometry.parts.cleanup import Cleaned
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.pipeline.ending import Ending, Resume
from apg_core.pipeline.prepare import mask_regions
from apg_core.pipeline.seeds import Draw, draw_seed, sample_seeds
from apg_core.pipeline.session import Attempt, Outcome, PartSession
from apg_core.pipeline.sink import Sink
from apg_core.pipeline.stages import HistoryNoise, LatentRequest, PartRequest, Stages, WholeRequest, magnitude
from apg_core.presets import Preset
from apg_core.protocol.arrays import FeatureArray, LatentArray, RgbImage
from apg_core.protocol.artifacts import AcceptedPart, PartFacts
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

LEAST_ENCLOSED = 0.5
"""Share of the parts' volume that the mesh must enclose, for them to be fitted to it."""


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
class _Whole:
    """The whole object: its latent, and the normalised mesh where one was given."""

    latent: LatentArray
    mesh: TriangleMesh | None = None
    placement: Placement | None = None


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
        whole = await self._whole(seen, resume.whole)
        session = PartSession(
            self.options,
            end_threshold=_chosen(self.options.end_threshold, self.preset.end_threshold),
            labels=labels,
            accepted=[part.facts for part in resume.parts],
            failed=resume.failed_regions,
        )
        accepted = await self._parts(session, seen, whole.latent, list(resume.parts))
        assert session.stop_reason is not None
        parts, fit_warnings = await self._fitted(accepted, whole.mesh)
        return Ending(
            parts=tuple(parts),
            failed_regions=session.failed_regions,
            stop_reason=session.stop_reason,
            whole=whole.latent,
            labels=tuple(labels or ()),
            placement=whole.placement,
            prepared=seen.prepared,
            warnings=seen.warnings + self._option_warnings() + fit_warnings,
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

    async def _whole(self, seen: _Seen, known: LatentArray | None) -> _Whole:
        await self.sink.stage(JobStage.WHOLE)
        match self.prompt:
            case ImagePrompt() | MaskedImagePrompt():
                whole = _Whole(await self._sample_whole(seen) if known is None else known)
            case MeshPrompt(mesh=mesh) | ImageMeshPrompt(mesh=mesh) | MaskedImageMeshPrompt(mesh=mesh):
                normalised, placement = normalise(mesh)
                if known is None:
                    known = await self._encode(normalised, Draw.WHOLE_SURFACE, Draw.WHOLE_POSTERIOR, part=0)
                whole = _Whole(known, normalised, placement)
        await self.sink.whole(whole.latent, seen.prepared)
        return whole

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
        return (await self._ranked(sampled))[0].latent

    async def _sample(self, request: LatentRequest) -> Sequence[_Sample]:
        seeds = sample_seeds(request.seed, self.options.best_of)
        requests = [replace(request, seed=seed) for seed in seeds]
        latents = await self.stages.sample_latents(requests, self.sink.on_step())
        return [_Sample(seed, latent) for seed, latent in zip(seeds, latents, strict=True)]

    async def _ranked(self, sampled: Sequence[_Sample]) -> Sequence[_Sample]:
        """The samples in order, the one whose shape is most like the others' first."""
        if len(sampled) == 1:
            return sampled
        latents = [sample.latent for sample in sampled]
        agreement = np.array(await self.clock("agreement", self.stages.measure_agreement(latents)))
        return [sampled[place] for place in np.argsort(-agreement, kind="stable")]

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
        ranked = await self._ranked(going_on)
        await self.sink.stage(JobStage.MESH, part=attempt.index, attempt=attempt.attempt)
        made: tuple[Outcome, AcceptedPart | None, SurfaceCells] = Outcome.EMPTY, None, cells
        for sample in ranked:
            made = await self._make(session, attempt, sample, cells)
            if made[0] is Outcome.ACCEPTED:
                break
        return made

    async def _make(
        self, session: PartSession, attempt: Attempt, sample: _Sample, cells: SurfaceCells
    ) -> tuple[Outcome, AcceptedPart | None, SurfaceCells]:
        mesh = await self.clock("decode", self.stages.decode_mesh(sample.latent, self.options))
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
            seed=sample.seed,
            overlap=overlap,
            notes=cleaned.notes,
        )
        return Outcome.ACCEPTED, AcceptedPart(facts, cleaned.mesh), cells.union(cleaned.cells)

    async def _fitted(
        self, parts: Sequence[AcceptedPart], given: TriangleMesh | None
    ) -> tuple[Sequence[AcceptedPart], tuple[str, ...]]:
        if given is None or not parts or not self.options.fit_to_mesh:
            return parts, ()
        await self.sink.stage(JobStage.FIT)
        fitted = await self.clock("fit", self.stages.fit_parts([part.mesh for part in parts], given, self.options))
        if fitted.share < LEAST_ENCLOSED:
            return parts, (
                f"fit_to_mesh left the parts as they are: the mesh encloses {fitted.share:.0%} of their volume; "
                "is its surface closed?",
            )
        # A part that is nowhere in the mesh stays what it is.
        fitting = zip(parts, fitted.parts, strict=True)
        return [part if now.mesh.is_empty else _refitted(part, now) for part, now in fitting], ()

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


def _refitted(part: AcceptedPart, now: Cleaned) -> AcceptedPart:
    notes = ("fitted to the given mesh", *now.notes)
    return AcceptedPart(part.facts.model_copy(update={"notes": notes}), now.mesh)
