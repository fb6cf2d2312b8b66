"""One attempt at a part: sample it, rank the samples, and decode, judge and clean them until one is kept."""

from dataclasses import dataclass

import numpy as np

from apg_core.geometry.extent import Extent
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.pipeline.best_of import Sample, draw_samples, most_typical_first
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.seeds import Draw, draw_seed
from apg_core.pipeline.session import Attempt, Outcome, Session
from apg_core.pipeline.stages import Geometry, HistoryNoise, LatentRequest, magnitude
from apg_core.pipeline.whole import Seen
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.manifest import AcceptedPart, PartFacts
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.stage import Stage

COMPLETE = 0.9
"""Share of a given mesh's surface that parts lie near, from which on they make it up."""


@dataclass(frozen=True, eq=False)
class Conditions:
    """What the next part depends on: what was seen, the whole, and the parts so far."""

    seen: Seen
    whole: LatentArray
    history: LatentArray
    """Latent of the accepted parts' union; of nothing, before the first."""
    cells: SurfaceCells
    """Cells that the accepted parts' surfaces pass through."""
    first: bool
    """Whether there is no accepted part yet."""
    extent: Extent | None = None
    """Where parts are looked for; everywhere without."""
    given: TriangleMesh | None = None
    """The whole's mesh in the normalised frame, where one was given."""


@dataclass(frozen=True, eq=False)
class Tried:
    """How an attempt ended; with the part and the cells of its surface where it was accepted."""

    outcome: Outcome
    part: AcceptedPart | None = None
    cells: SurfaceCells | None = None


async def try_part(brief: Brief, session: Session, attempt: Attempt, conditions: Conditions) -> Tried:
    """Sample a part, and take the most typical sample that is neither empty nor a duplicate.

    The object has ended when most samples say so, and with `early_end` also when nothing new comes and the parts that
    there are make up the given mesh.
    """
    await brief.sink.stage(Stage.PART, part=attempt.index, attempt=attempt.number)
    samples = await draw_samples(brief, Stage.PART, _request(brief, session, attempt, conditions))
    going_on = [sample for sample in samples if not session.is_end(magnitude(sample.latent))]
    if 2 * len(going_on) < len(samples):
        return Tried(Outcome.END_OF_OBJECT)
    ranked = await most_typical_first(brief, going_on, conditions.extent)
    await brief.sink.stage(Stage.MESH, part=attempt.index, attempt=attempt.number)
    tried = Tried(Outcome.EMPTY)
    for sample in ranked:
        tried = await _judge(brief, session, attempt, sample, conditions)
        if tried.outcome is Outcome.ACCEPTED:
            return tried
    may_end = brief.options.early_end and session.end_below is not None
    return Tried(Outcome.END_OF_OBJECT) if may_end and await _make_up_the_mesh(brief, conditions) else tried


async def _make_up_the_mesh(brief: Brief, conditions: Conditions) -> bool:
    if conditions.given is None:
        return False
    measuring = brief.stages.measure_cover(conditions.given, conditions.cells)
    return await brief.clock(Stage.OVERLAP, measuring) >= COMPLETE


async def _judge(brief: Brief, session: Session, attempt: Attempt, sample: Sample, conditions: Conditions) -> Tried:
    options, stages = brief.options, brief.stages
    mesh = await brief.clock(Stage.MESH, stages.decode_mesh(sample.latent, options, conditions.extent))
    if mesh.is_empty:
        return Tried(Outcome.EMPTY)
    overlap = await brief.clock(Stage.OVERLAP, stages.measure_overlap(mesh, conditions.cells))
    if session.is_duplicate(overlap):
        return Tried(Outcome.DUPLICATE)
    cleaned = await brief.clock(Stage.CLEANUP, stages.clean_part(mesh, options, options.iou_grid_size))
    facts = PartFacts(
        index=attempt.index,
        label=attempt.label,
        attempt=attempt.number,
        seed=sample.seed,
        overlap=overlap,
        notes=cleaned.notes,
        candidate=attempt.candidate,
    )
    return Tried(Outcome.ACCEPTED, AcceptedPart(facts, cleaned.mesh), cleaned.cells)


def _request(brief: Brief, session: Session, attempt: Attempt, conditions: Conditions) -> LatentRequest:
    options, seen = brief.options, conditions.seen
    return LatentRequest(
        features=seen.features,
        region_features=None if attempt.label is None else seen.regions[attempt.turn],
        geometry=Geometry(conditions.whole, conditions.history, _history_noise(brief, attempt, conditions)),
        guidance=brief.preset.part_guidance(brief.prompt.mode, options),
        seed=attempt.seed,
        steps=options.num_inference_steps,
        sigma_floor=options.sigma_floor,
        end_below=session.end_below if options.early_end else None,
    )


def _history_noise(brief: Brief, attempt: Attempt, conditions: Conditions) -> HistoryNoise | None:
    sigma = brief.options.infer_sigma_history
    if sigma == 0 or conditions.first:
        return None
    seed = draw_seed(brief.options.seed, Draw.HISTORY_NOISE, part=attempt.turn, attempt=attempt.number)
    values = np.random.default_rng(seed).standard_normal(conditions.history.shape, np.float32)
    return HistoryNoise(sigma, values)
